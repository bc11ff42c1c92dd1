"""Untrusted text through the queue: what is legitimate arrives byte for byte in the job, and is never a template."""

from __future__ import annotations

import json
from pathlib import Path

import bcrypt
import pytest

from orchestrator.config import keys
from orchestrator.core.clock import utc_now
from orchestrator.core.sealed import seal
from orchestrator.models.service import DnsRecord, Mailbox
from orchestrator.models.task import LogEntry, Task
from orchestrator.plan import jobs
from orchestrator.store import services, snapshots, zones
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench

CORPUS = (
    "{{ lookup('pipe','touch CANARY') }}",
    "{% for x in [1] %}{{ x }}{% endfor %}",
    "{# gone? #}",
    "!unsafe x",
    "!vault |",
    '{"__ansible_type": "x"}',
    "__ansible_unsafe",
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY #",
    "'; DROP TABLE tasks; --",
    "a' OR '1'='1",
    'say "hi"',
    "back\\slash\\n",
    "100% %s %(x)s",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "{$whmcs} {php}",
    "- item: [1, 2]",
    "Zoë Müller 例え \U0001f600",
    "# jinja2: variable_start_string:'['",
    "=cmd|' /C calc'!A0",
)


@pytest.fixture
def service(bench: Bench) -> Bench:
    """An active service whose package has room for a mailbox for each text."""
    fleet.build(mailboxes=100)
    order()
    bench.settle()
    bench.executor.requests.clear()
    return bench


def test_display_names_and_passwords_arrive_byte_for_byte(service: Bench, home: Path) -> None:
    public = keys.load_private_key(home).public_key()
    for number, text in enumerate(CORPUS):
        password = f"pass {text}"
        params = {
            "local_part": f"box{number}",
            "display_name": text,
            "password_sealed": seal(public, password),
        }
        row = {"action": "mail.mailbox_present", "service_id": 1001, "params": json.dumps(params)}
        fleet.insert_task(row)
    service.settle(seconds=60)
    assert Task.select().where(Task.status != "done").count() == 0
    sent = {one.job["params"]["local_part"]: one.job["params"] for one in service.executor.requests}
    assert len(sent) == len(CORPUS)
    for number, text in enumerate(CORPUS):
        params = sent[f"box{number}"]
        assert params["display_name"] == text
        hashed = params["password_hash"].removeprefix("{BLF-CRYPT}")
        assert bcrypt.checkpw(f"pass {text}".encode(), hashed.encode())
    assert_no_secret_is_kept()


def assert_no_secret_is_kept() -> None:
    """Neither a password nor its hash is in the log or in a result."""
    hashes = [row.password_hash for row in Mailbox.select()]
    kept = [json.dumps([entry.message, entry.detail]) for entry in LogEntry.select()]
    kept += [json.dumps([row.result, row.error]) for row in Task.select()]
    assert not any(secret in text for text in kept for secret in ["pass ", *hashes])


def test_a_sealed_password_is_in_no_message(service: Bench, home: Path) -> None:
    public = keys.load_private_key(home).public_key()
    for number, password in enumerate(["short7!", "x" * 73, "with\nnewline", "with\0nul-byte"]):
        params = {"local_part": f"bad{number}", "password_sealed": seal(public, password)}
        row = {"action": "mail.mailbox_present", "service_id": 1001, "params": json.dumps(params)}
        task = fleet.insert_task(row)
        service.settle()
        found = Task.get_by_id(task)
        assert (found.status, found.attempts) == ("error", 1)
        assert "password_sealed: " in found.error and password not in found.error


def test_txt_records_arrive_byte_for_byte(service: Bench) -> None:
    for number, text in enumerate(CORPUS):
        name = f"t{number}.shop.test."
        DnsRecord.create(service_id=1001, name=name, type="TXT", ttl=300, contents=[text])
    view = snapshots.of(1001)
    for number, text in enumerate(CORPUS):
        job = jobs.build("dns.record_present", view, {"record": f"t{number}.shop.test. TXT"}, "k", 1)
        assert job["params"]["rrsets"][0]["records"] == [text]
    before = view.zone_serial
    zones.advance_serial(1001, utc_now())
    assert services.get(1001).zone_serial > before
