"""Web and mail on one node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import access, addresses, nodes
from lab.config import Lab
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import HASH, PASSWORD, done
from tests.support import mail
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

NODE, ROLES = "mail10", ("web", "mail")


@pytest.fixture(scope="module")
def unified(lab: Lab, steps: Steps) -> Iterator[str]:
    """Yield the address of a node with both roles and one mailbox."""
    nodes.up(lab, [NODE])
    try:
        assert done(steps.prepare(NODE, ROLES)).outcome is Outcome.CHANGED
        for action, params in (
            ("mail.domain_present", {"quota_mb": 64, "mailboxes": 1}),
            ("mail.dkim_present", {"selector": "t1", "bits": 2048}),
            (
                "mail.mailbox_present",
                {"local_part": "info", "password_hash": HASH, "quota_mb": 8, "display_name": None},
            ),
        ):
            done(steps.run(NODE, action, {"domain": "shop.example"} | params, service=1, roles=ROLES))
        yield addresses.of(lab, NODE).ipv4
    finally:
        nodes.down(lab, [NODE])


def test_the_roles_do_not_disturb_each_other(lab: Lab, steps: Steps, unified: str) -> None:
    units = ("nginx", "postfix@-", "dovecot", "rspamd")
    assert access.on(lab, NODE, "systemctl", "is-active", *units).stdout.split() == ["active"] * len(units)
    result = steps.prepare(NODE, ROLES)
    assert result.outcome is Outcome.OK, [event for event in result.events if event.status == "changed"]
    assert mail.may_log_in(unified, "info@shop.example", PASSWORD)


def test_a_program_of_a_tenant_gets_no_signature(lab: Lab, unified: str) -> None:
    sent = mail.message("info@shop.example", "info@shop.example")
    command = ("sudo", "-u", "nobody", "/usr/sbin/sendmail", "-f", "info@shop.example", "info@shop.example")
    access.on(lab, NODE, *command, stdin=sent.as_string())
    with mail.mailbox(unified, "info@shop.example", PASSWORD) as box:
        assert b"DKIM-Signature" not in mail.fetch(box, sent["Subject"])
