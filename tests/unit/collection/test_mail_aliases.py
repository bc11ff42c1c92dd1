"""Destinations of aliases and where they lead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import mail_aliases, mail_names, mail_store
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Yield new tables."""
    for name in mail_store.FILES:
        mail_store.create(mail_store.path_of(str(tmp_path), name), name)
    with mail_store.open_store(str(tmp_path), read_only=False) as opened:
        yield opened


def lead(store: Store, address: str, *destinations: str, owner: str = "s1", active: int = 1) -> None:
    domain = address.partition("@")[2]
    rows = [
        {"address": address, "destination": one, "domain": domain, "owner": owner, "active": active}
        for one in destinations
    ]
    mail_aliases.replace(store, address, rows)


@pytest.mark.parametrize(
    "value", ["a@b.example", "O'Neil+x=y@b.example", "Zoe_@xn--bcher-kva.example", "a&b~c@b.example"]
)
def test_destinations_pass_as_they_are(value: str) -> None:
    assert mail_names.destination(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "a",
            "a@b",
            "@b.example",
            "a b@c.example",
            "a,b@c.example",
            '"a"@c.example',
            "|x@c.example",
            "a%b@c.example",
        ),
        *("a..b@c.example", ":include:/etc/passwd", "a@C.example", "a@x.invalid", "a@b@c.example", "a\n@c.example"),
        "x" * 65 + "@c.example",
    ],
)
def test_what_is_no_destination_is_refused(value: str) -> None:
    with pytest.raises(StepFailed, match=r"^destinations: "):
        mail_names.destination(value)


def test_destinations_are_a_set_of_one_to_fifty() -> None:
    assert mail_aliases.checked(["b@x.example", "a@x.example", "b@x.example"], "t@x.example") == [
        "a@x.example",
        "b@x.example",
    ]
    for wrong in ([], [f"a{n}@x.example" for n in range(51)], ["t+x@x.example"]):
        with pytest.raises(StepFailed, match=r"^destinations: "):
            mail_aliases.checked(wrong, "t@x.example")


def test_loops_are_found_over_tags_and_other_owners_and_copies_are_none(store: Store) -> None:
    lead(store, "b@x.example", "b@x.example", "c@y.example")
    lead(store, "c@y.example", "A+tag@x.example", owner="s2")
    with pytest.raises(StepFailed, match="lead back"):
        mail_aliases.require_no_loop(store, "a@x.example", ["z@x.example", "b@x.example"])
    mail_aliases.require_no_loop(store, "b@x.example", ["b@x.example"])
    lead(store, "c@y.example", "A+tag@x.example", owner="s2", active=0)
    mail_aliases.require_no_loop(store, "a@x.example", ["b@x.example"])


def test_no_mail_vanishes(store: Store) -> None:
    store.put("main.mailboxes", {"address": "info@x.example", "domain": "x.example", "owner": "s1"})
    check = mail_aliases.require_no_vanishing
    check(store, "info@x.example", ["info@x.example", "a@y.example"], "s1")
    for address, destinations, owner, reason in (
        ("info@x.example", ["a@y.example"], "s1", "invalid"),
        ("info@x.example", ["info@x.example"], "s2", "conflict"),
        ("team@x.example", ["team@x.example"], "s1", "invalid"),
    ):
        with pytest.raises(StepFailed) as refused:
            check(store, address, destinations, owner)
        assert refused.value.reason == reason
    lead(store, "team@x.example", "info@x.example")
    with pytest.raises(StepFailed, match="leads elsewhere"):
        mail_aliases.require_room(store, "team@x.example", "s1")
    with pytest.raises(StepFailed, match="another owner"):
        mail_aliases.require_room(store, "team@x.example", "s2")
    mail_aliases.require_room(store, "free@x.example", "s2")
