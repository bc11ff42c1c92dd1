"""Which messages of the queue concern an owner: with tags, on the detour of a suspended alias, and nobody else's."""

from __future__ import annotations

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import mail_queue

MINE = ["info@shop.example", "a+b@shop.example", "team@shop.example"]


def message(recipient: str, sender: str = "x@elsewhere.example", queue: str = "deferred") -> mail_queue.Message:
    return {"queue_name": queue, "queue_id": "1", "sender": sender, "recipients": [{"address": recipient}]}


@pytest.mark.parametrize(
    ("address", "behind"),
    [
        ("Info@Shop.example", "info@shop.example"),
        ("team=shop.example@suspended.invalid", "team@shop.example"),
        ("team=shop.example+tag@suspended.invalid", "team@shop.example"),
        ("a+b=shop.example@suspended.invalid", "a+b@shop.example"),
    ],
)
def test_who_is_behind_an_address(address: str, behind: str) -> None:
    assert mail_queue.mailbox_behind(address) == behind


def test_the_waiting_place_leads_back() -> None:
    for address in MINE:
        assert mail_queue.mailbox_behind(mail_queue.waiting_place(address)) == address


@pytest.mark.parametrize(
    ("recipient", "waits", "detoured"),
    [
        ("info@shop.example", True, False),
        ("info+tag@shop.example", True, False),
        ("a+b@shop.example", True, False),
        ("a@shop.example", False, False),
        ("team=shop.example+x@suspended.invalid", True, True),
        ("other=shop.example@suspended.invalid", False, False),
        ("info@neighbour.example", False, False),
    ],
)
def test_what_waits_for_the_owner(recipient: str, waits: bool, detoured: bool) -> None:
    assert mail_queue.to(MINE)(message(recipient)) is waits
    assert mail_queue.detoured(MINE)(message(recipient)) is detoured


def test_what_somebody_holds_is_left_alone() -> None:
    assert not mail_queue.detoured(MINE)(message("team=shop.example@suspended.invalid", queue="hold"))


def test_what_the_owner_sent_is_known_by_its_sender_and_held_once() -> None:
    leaves = mail_queue.sent_by(MINE)
    assert leaves(message("x@elsewhere.example", sender="Info+1@shop.example"))
    assert not leaves(message("x@elsewhere.example", sender="info@shop.example", queue="hold"))
    assert not leaves(message("info@shop.example", sender="info@neighbour.example"))
    assert not leaves(message("info@shop.example", sender=""))
