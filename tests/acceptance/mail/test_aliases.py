"""Aliases and forwards: whole sets, no mail that vanishes, no loops, nobody else's address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import snapshot
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import NEIGHBOUR, NODE, PASSWORD, MailNode, done
from tests.acceptance.mail.test_steps import tree
from tests.support import mail

pytestmark = pytest.mark.lab

INFO, SALES, THEIRS = "info@shop.example", "sales@shop.example", "info@neighbour.example"
STRANGER = f"someone@{mail.CLIENT}"


@pytest.fixture(autouse=True)
def unchanged(node: MailNode) -> Iterator[None]:
    """Every test leaves the node as it was."""
    before = tree(node)
    yield
    for name in ("team", "sales", "b", "c"):
        done(gone(node, name))
    assert snapshot.diff(before, tree(node)) == []


def gone(node: MailNode, name: str, *, check: bool = False) -> object:
    return node.step("alias_absent", check=check, domain="shop.example", local_part=name)


def test_an_alias_leads_to_each_destination_and_its_mailboxes_send_with_it(node: MailNode) -> None:
    assert done(node.alias("team", INFO, check=True)).outcome is Outcome.CHANGED
    assert mail.answer(node.address, "team@shop.example")[0] == 550
    assert done(node.alias("team", INFO, THEIRS)).outcome is Outcome.CHANGED
    for check in (True, False):
        assert done(node.alias("team", THEIRS, INFO, check=check)).outcome is Outcome.OK
    sent = mail.message(STRANGER, "team+tag@shop.example")
    mail.deliver(node.address, sent)
    for login in (INFO, THEIRS):
        with mail.mailbox(node.address, login, PASSWORD) as box:
            mail.fetch(box, sent["Subject"])
    with mail.submission(node.address, INFO, PASSWORD) as connection:
        connection.mail("team@shop.example")
        assert connection.rcpt(SALES)[0] == 250
    assert done(node.alias("team", SALES)).outcome is Outcome.CHANGED
    with mail.submission(node.address, INFO, PASSWORD) as connection:
        connection.mail("team@shop.example")
        assert connection.rcpt(SALES)[0] == 553
    assert node.query("routing", "SELECT destination FROM aliases") == [[SALES]]


def test_switched_off_or_removed_it_is_an_unknown_address(node: MailNode) -> None:
    done(node.alias("team", INFO))
    assert done(node.alias("team", INFO, enabled=False)).outcome is Outcome.CHANGED
    assert mail.answer(node.address, "team@shop.example")[0] == 550
    assert done(node.alias("team", INFO, enabled=False)).outcome is Outcome.OK
    done(node.alias("team", INFO))
    assert mail.answer(node.address, "team@shop.example")[0] == 250
    assert done(gone(node, "team", check=True)).outcome is Outcome.CHANGED
    assert done(gone(node, "team")).outcome is Outcome.CHANGED
    assert done(gone(node, "team")).outcome is Outcome.OK
    assert mail.answer(node.address, "team@shop.example")[0] == 550


def test_a_mailbox_that_forwards_keeps_its_copy(node: MailNode) -> None:
    refused = node.alias("sales", THEIRS)
    assert (refused.outcome, "astray" in refused.message) == (Outcome.INVALID, True), refused
    done(node.alias("sales", SALES, THEIRS))
    assert done(node.mailbox("sales")).outcome is Outcome.OK
    sent = mail.message(STRANGER, SALES)
    mail.deliver(node.address, sent)
    for login in (SALES, THEIRS):
        with mail.mailbox(node.address, login, PASSWORD) as box:
            mail.fetch(box, sent["Subject"])
    done(node.alias("team", INFO))
    over = node.mailbox("team")
    assert (over.outcome, over.reason, "alias" in over.message) == (Outcome.INVALID, "conflict", True), over


def test_loops_are_refused(node: MailNode) -> None:
    done(node.alias("b", "c@shop.example"))
    for name, destinations in (
        ("team", ["team@shop.example"]),
        ("team", ["team+x@shop.example"]),
        ("c", ["b@shop.example"]),
        ("c", [INFO, "B+tag@shop.example"]),
    ):
        result = node.alias(name, *destinations)
        assert (result.outcome, result.reason) == (Outcome.INVALID, "invalid"), (name, destinations, result)
        assert "destinations" in result.message
    across = node.alias("all", "b@shop.example", service=NEIGHBOUR)
    done(across)
    back = node.alias("c", "all@neighbour.example")
    assert (back.outcome, "lead back" in back.message) == (Outcome.INVALID, True), back
    done(node.step("alias_absent", NEIGHBOUR, domain="neighbour.example", local_part="all"))


@pytest.mark.parametrize(
    "destinations",
    [
        [],
        [f"x{number}@elsewhere.example" for number in range(51)],
        ["no address"],
        ["|/bin/sh@elsewhere.example"],
        ["a, b@elsewhere.example"],
        [f"root@{NODE}.lab.test"],
        ["x=shop.example@suspended.invalid"],
        ["/etc/passwd"],
        ["info@localhost"],
    ],
)
def test_what_is_no_destination_is_refused(node: MailNode, destinations: list[str]) -> None:
    result = node.alias("team", *destinations)
    assert (result.outcome, result.reason) == (Outcome.INVALID, "invalid"), result
    assert "destinations" in result.message


def test_somebody_elses_alias_and_domain_are_left_alone(node: MailNode) -> None:
    done(node.alias("team", THEIRS, service=NEIGHBOUR))
    before = tree(node)
    theirs = {"domain": "neighbour.example"}
    for result in (node.alias("team", INFO, **theirs), node.alias("info", INFO, **theirs)):
        assert (result.outcome, result.reason) == (Outcome.INVALID, "conflict"), result
    left = done(node.step("alias_absent", local_part="team", **theirs))
    assert (left.outcome, "left alone" in " ".join(left.warnings)) == (Outcome.OK, True), left
    assert snapshot.diff(before, tree(node)) == []
    done(node.step("alias_absent", NEIGHBOUR, local_part="team", **theirs))
