"""Untrusted text in client changes arrives byte for byte in the job, and no secret is kept anywhere else."""

from __future__ import annotations

import hashlib
import json

from orchestrator.models.objects import ServiceDatabase, SftpAccount
from orchestrator.models.task import LogEntry, Task
from orchestrator.store import fleet as fleet_store
from orchestrator.store import snapshots
from tests.integration.client.conftest import SERVICE, Customer
from tests.integration.input.test_untrusted_text import CORPUS


def test_commands_and_records_arrive_byte_for_byte(customer: Customer) -> None:
    give_room(customer)
    for number, text in enumerate(CORPUS):
        customer.insert("web.cron_present", name=f"job{number}", schedule="@daily", command=text)
        customer.insert("dns.record_present", name=f"t{number}", type="TXT", records=[text])
    customer.bench.executor.requests.clear()
    customer.bench.settle(seconds=240)
    jobs = [one.job["params"] for one in customer.bench.executor.requests]
    commands = {one["name"]: one["command"] for one in jobs if "command" in one}
    texts = {one["rrsets"][0]["name"]: one["rrsets"][0]["records"] for one in jobs if "rrsets" in one}
    for number, text in enumerate(CORPUS):
        assert commands[f"job{number}"] == text
        assert texts[f"t{number}.shop.test."] == [text]
    assert len(snapshots.of(SERVICE).custom_records) == len(CORPUS)


def give_room(customer: Customer) -> None:
    """Give the service a package with room for the whole corpus."""
    room = dict.fromkeys(("cron_jobs", "dns_records", "databases", "sftp_accounts"), 100)
    fleet_store.add_package("large", snapshots.of(SERVICE).limits | room)
    customer.done("service.change_package", package="large")


def test_passwords_become_hashes_and_are_kept_nowhere_else(customer: Customer) -> None:
    give_room(customer)
    for number, text in enumerate(CORPUS):
        sealed = customer.sealed(f"pass {text}")
        customer.insert("web.database_present", name=f"d{number}", password_sealed=sealed)
    customer.insert("web.sftp_present", name="up", password_sealed=customer.sealed("pass word"))
    customer.bench.settle(seconds=240)
    rows = {row.name: row.password_hash for row in ServiceDatabase.select()}
    for number, text in enumerate(CORPUS):
        twice = hashlib.sha1(hashlib.sha1(f"pass {text}".encode()).digest()).hexdigest()
        assert rows[f"w1001_d{number}"] == f"*{twice.upper()}"
    kept = [json.dumps([entry.message, entry.detail]) for entry in LogEntry.select()]
    kept += [json.dumps([row.params, row.result, row.error]) for row in Task.select()]
    secrets = [*rows.values(), *(row.password_hash for row in SftpAccount.select()), "pass "]
    assert not any(secret in text for text in kept for secret in secrets)


def test_a_password_is_in_no_message(customer: Customer) -> None:
    for password in ("short7!", "x" * 73, "with\nnewline", "with\0nul-byte"):
        for action in ("web.database_present", "web.sftp_present", "mail.mailbox_present"):
            key = "local_part" if action.startswith("mail") else "name"
            reason = customer.refused(action, **{key: "a", "password_sealed": customer.sealed(password)})
            assert reason.startswith("password_sealed: ") and password not in reason
