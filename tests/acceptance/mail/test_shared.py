"""Mailboxes of other services in a provider's domain: each is its owner's alone, and nothing shared ever changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import snapshot
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import HASH, NODE, PASSWORD, MailNode, done
from tests.support import mail

pytestmark = pytest.mark.lab

PROVIDER, ANNA, BEN = 2020, 2021, 2022
DOMAIN = "provider.example"
STRANGER = f"someone@{mail.CLIENT}"


def tree(node: MailNode) -> snapshot.Tree:
    """Return everything managed on the node, less Dovecot's notes: its quota check writes them at every question."""
    return snapshot.tree(node.lab, NODE, exclude=("/var/lib/tenantry/guard*", "/var/vmail/*/dovecot.index*"))


def box(node: MailNode, name: str, service: int, *, check: bool = False, **changes: object) -> RunResult:
    params = {"domain": DOMAIN, "local_part": name, "password_hash": HASH, "quota_mb": 8, "display_name": None}
    shared = {} if service == PROVIDER else {"shared_owner": f"s{PROVIDER}"}
    return node.step("mailbox_present", service, check=check, **(params | shared | changes))


def gone(node: MailNode, name: str, service: int) -> RunResult:
    return node.step("mailbox_absent", service, domain=DOMAIN, local_part=name, shared_owner=f"s{PROVIDER}")


@pytest.fixture(scope="module", autouse=True)
def provider(node: MailNode) -> Iterator[None]:
    """Yield with a provider's domain of at most one mailbox of its own, and Ben's mailbox in it."""
    done(node.domain(PROVIDER, domain=DOMAIN, mailboxes=1))
    done(node.step("dkim_present", PROVIDER, domain=DOMAIN, selector="t1", bits=2048))
    done(box(node, "office", PROVIDER))
    done(box(node, "ben", BEN))
    for name in ("office", "ben"):
        mail.deliver(node.address, sent := mail.message(STRANGER, f"{name}@{DOMAIN}"))
        with mail.mailbox(node.address, f"{name}@{DOMAIN}", PASSWORD) as opened:
            mail.fetch(opened, sent["Subject"])
    yield
    done(gone(node, "ben", BEN))
    done(node.step("domain_absent", PROVIDER, domain=DOMAIN))


def test_a_mailbox_comes_and_goes_and_all_else_is_the_same_to_the_byte(node: MailNode) -> None:
    before = tree(node)
    assert done(box(node, "anna", ANNA)).outcome is Outcome.CHANGED
    for check in (True, False):
        assert done(box(node, "anna", ANNA, check=check)).outcome is Outcome.OK
    mine = snapshot.diff(before, tree(node))
    assert len(mine) == 2 and all(line.startswith("+ ") and "anna@" in line for line in mine), mine
    mail.deliver(node.address, sent := mail.message(STRANGER, f"anna+x@{DOMAIN}"))
    with mail.mailbox(node.address, f"anna@{DOMAIN}", PASSWORD) as opened:
        mail.fetch(opened, sent["Subject"])
    for policy in ("defer", "reject"):
        done(node.step("account_suspended", ANNA, policy=policy))
        assert mail.answer(node.address, f"anna@{DOMAIN}")[0] == {"defer": 450, "reject": 550}[policy]
        assert mail.answer(node.address, f"ben@{DOMAIN}")[0] == 250
        assert mail.answer(node.address, f"office@{DOMAIN}")[0] == 250
        assert not mail.may_log_in(node.address6, f"anna@{DOMAIN}", PASSWORD)
    done(box(node, "anna", ANNA, quota_mb=9, enabled=False))
    done(gone(node, "anna", ANNA))
    assert snapshot.diff(before, tree(node)) == []


def test_a_suspended_provider_takes_nobody_else_with_it(node: MailNode) -> None:
    before = tree(node)
    done(node.step("account_suspended", PROVIDER, policy="defer"))
    assert mail.answer(node.address, f"office@{DOMAIN}")[0] == 450
    assert mail.answer(node.address, f"ben@{DOMAIN}")[0] == 250
    done(node.step("account_active", PROVIDER))
    assert snapshot.diff(before, tree(node)) == []


def test_a_name_with_a_plus_is_its_owners_while_the_name_before_it_is_suspended(node: MailNode) -> None:
    done(box(node, "ben+shop", ANNA))
    done(node.step("account_suspended", BEN, policy="defer"))
    assert mail.answer(node.address, f"ben+shop@{DOMAIN}")[0] == 250
    assert mail.answer(node.address, f"ben+else@{DOMAIN}")[0] == 450
    done(node.step("account_active", BEN))
    done(gone(node, "ben+shop", ANNA))


def test_nobody_touches_anothers_mailbox_or_the_domain(node: MailNode) -> None:
    before = tree(node)
    for result in (
        box(node, "ben", ANNA),
        box(node, "office", ANNA),
        box(node, "ben", PROVIDER),
        box(node, "anna", ANNA, shared_owner=f"s{BEN}"),
        box(node, "anna", ANNA, shared_owner=None),
        node.domain(ANNA, domain=DOMAIN),
        node.alias("ben", f"office@{DOMAIN}", service=PROVIDER, domain=DOMAIN),
        node.alias("new", f"anna@{DOMAIN}", service=ANNA, domain=DOMAIN),
        node.step("domain_renamed", PROVIDER, domain="renamed.example", former=DOMAIN),
        node.step("domain_absent", PROVIDER, domain=DOMAIN),
    ):
        assert (result.outcome, result.reason) == (Outcome.INVALID, "conflict"), result
    for left in (gone(node, "ben", ANNA), node.step("domain_absent", ANNA, domain=DOMAIN)):
        assert (done(left).outcome, "left alone" in " ".join(left.warnings)) == (Outcome.OK, True)
    assert snapshot.diff(before, tree(node)) == []


def test_the_domains_limit_counts_its_owners_mailboxes(node: MailNode) -> None:
    result = box(node, "second", PROVIDER)
    assert (result.outcome, "limit of 1" in result.message) == (Outcome.INVALID, True), result
