"""The key of a step names its object; it fits the column whatever the object is called."""

from __future__ import annotations

from orchestrator.plan.objects import MailboxView
from orchestrator.plan.steps import mailbox_step, of, record_step

LONG = ".".join(["a" * 60] * 4)


def test_a_key_names_action_object_and_server() -> None:
    assert of("web.php_present", "web1").key == "web.php_present@web1"
    assert record_step("dns1", "www.shop.test. A").key == "dns.record:www.shop.test. A@dns1"


def test_a_long_name_has_its_digest_in_the_key_and_no_two_share_it() -> None:
    server = "s" * 63
    box = MailboxView(domain=LONG, local_part="x", password_hash="", quota_mb=1, display_name="")
    keys = [
        mailbox_step(server, box).key,
        record_step(server, f"{LONG}. A").key,
        record_step(server, f"{LONG}. AAAA").key,
        of("web.domain_absent", server, name=LONG).key,
    ]
    assert all(len(key) <= 160 for key in keys)
    assert len(set(keys)) == len(keys)
    assert record_step(server, f"{LONG}. A").key == record_step(server, f"{LONG}. A", removing=True).key
