"""Whose a record set is, and what a service may have in a zone of another one."""

from __future__ import annotations

import string
from typing import Any

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import dns_change, dns_owners, dns_rdata, dns_records
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import OWN_RECORD, RRset
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed
from hypothesis import given
from hypothesis import strategies as st

ZONE = "shop.example."
PROVIDER, BOB = "s1", "s2"


def job(*names: str, kind: str = "A", **changes: Any) -> dict[str, Any]:
    text = {"A": "192.0.2.1", "AAAA": "2001:db8::1"}.get(kind, "a.example.")
    rrsets = [{"name": name, "type": kind, "ttl": 300, "records": [text]} for name in names]
    found = {"zone": ZONE, "owner": BOB, "shared_owner": PROVIDER, "serial": 1, "rrsets": rrsets, "remove": []}
    return {**found, **changes}


def reported(name: str, kind: str, *comments: tuple[str, str]) -> dict[str, Any]:
    """Return an RRset as PowerDNS reports it; comments are (account, content)."""
    return {
        "name": name,
        "type": kind,
        "ttl": 300,
        "records": [{"content": "192.0.2.1", "disabled": False}],
        "comments": [{"account": account, "content": content, "modified_at": 1} for account, content in comments],
    }


def zone(*rrsets: dict[str, Any], account: str = PROVIDER) -> dict[str, Any]:
    return {"name": ZONE, "account": account, "rrsets": list(rrsets)}


@pytest.mark.parametrize("kind", ("A", "AAAA"))
def test_addresses_of_one_name_are_recorded_as_the_services(kind: str) -> None:
    wanted = dns_records.read(job(f"Bob.{ZONE}", kind=kind))
    assert [(one.name, one.holder) for one in wanted.rrsets] == [(f"bob.{ZONE}", BOB)]
    assert wanted.zone_owner == PROVIDER
    written = dns_change.as_json(wanted.rrsets[0])
    assert written["comments"] == [{"content": OWN_RECORD, "account": BOB}]
    assert "comments" not in dns_change.as_json(wanted.rrsets[0], is_new=False)


def test_a_record_of_the_zones_own_names_nobody() -> None:
    wanted = dns_records.read(job(f"www.{ZONE}", shared_owner="", owner=PROVIDER))
    assert (wanted.zone_owner, wanted.rrsets[0].holder) == (PROVIDER, "")
    assert dns_change.as_json(wanted.rrsets[0])["comments"] == []


@pytest.mark.parametrize(
    ("params", "field"),
    (
        (job(ZONE), "rrsets"),
        (job(f"*.{ZONE}"), "rrsets"),
        (job(f"deep.bob.{ZONE}"), "rrsets"),
        (job(f"_bob.{ZONE}"), "rrsets"),
        (job(f"_acme-challenge.bob.{ZONE}", kind="TXT"), "rrsets"),
        (job(f"bob.{ZONE}", f"anna.{ZONE}"), "rrsets"),
        (job(f"bob.{ZONE}", remove=[{"name": f"anna.{ZONE}", "type": "A"}]), "rrsets"),
        *((job(f"bob.{ZONE}", kind=kind), "rrsets") for kind in ("TXT", "CNAME", "NS")),
        (job(f"bob.{ZONE}", owner=""), "shared_owner"),
        (job(f"bob.{ZONE}", owner=PROVIDER), "shared_owner"),
        (job(f"bob.{ZONE}", shared_owner="S 1"), "shared_owner"),
        (job("bob.other.example."), "rrsets[0].name"),
    ),
)
def test_nothing_else_of_a_shared_zone_can_be_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(StepFailed) as failure:
        dns_records.read(params)
    assert failure.value.reason == "invalid"
    assert str(failure.value).startswith(f"{field}: ")


LABELS = st.text(string.ascii_letters + string.digits + "-_*.", min_size=1, max_size=12)


@given(st.lists(st.tuples(LABELS, st.sampled_from([*dns_rdata.kinds(), "SOA"])), max_size=3), st.booleans())
def test_whatever_is_accepted_is_addresses_of_one_name_below_the_zone(
    named: list[tuple[str, str]], removal: bool
) -> None:
    keys = [{"name": f"{label}.{ZONE}", "type": kind} for label, kind in named]
    try:
        wanted = dns_records.read(job(remove=keys) if removal else job(*(key["name"] for key in keys)))
    except StepFailed as failure:
        assert failure.reason == "invalid"
        return
    found = [*wanted.removed, *((one.name, one.type) for one in wanted.rrsets)]
    assert len({name for name, _ in found}) <= 1
    assert {kind for _, kind in found} <= {"A", "AAAA"}
    assert all(name.endswith(f".{ZONE}") and name.count(".") == ZONE.count(".") + 1 for name, _ in found)
    assert not any("*" in name or "_" in name for name, _ in found)


def test_only_a_comment_of_ours_makes_a_record_somebody_elses() -> None:
    name = f"bob.{ZONE}"
    plain, ours = reported(name, "A"), reported(name, "A", ("x", "by hand"), (BOB, OWN_RECORD))
    by_hand = reported(name, "A", ("s9", "call me before you change this"))
    assert [dns_owners.holder(zone(), one) for one in (plain, ours, by_hand)] == [PROVIDER, BOB, PROVIDER]


def test_a_name_belongs_to_one_service_with_all_its_types() -> None:
    name = f"bob.{ZONE}"
    shared = zone(reported(name, "A", (BOB, OWN_RECORD)), reported(f"www.{ZONE}", "A"))
    current = dns_change.index(shared)
    dns_owners.require_names(shared, current, [name, f"new.{ZONE}"], BOB)
    dns_owners.require_names(shared, current, [f"www.{ZONE}", f"new.{ZONE}"], PROVIDER)
    for names, owner in (([name], PROVIDER), ([name], "s3"), ([f"www.{ZONE}"], BOB)):
        with pytest.raises(StepFailed) as failure:
            dns_owners.require_names(shared, current, names, owner)
        assert failure.value.reason == "conflict"
    assert dns_owners.others(shared, current, PROVIDER) == [f"{name} A"]


def test_a_taken_back_change_has_its_comments_again() -> None:
    before = reported(f"bob.{ZONE}", "A", (BOB, OWN_RECORD))
    patched: list[Any] = []

    class Api:
        def patch(self, _: str, rrsets: list[Any]) -> None:
            patched.extend(rrsets)

    after = RRset(f"bob.{ZONE}", "A", 60, (dns_rdata.parse("A", "192.0.2.2", "records"),))
    dns_change.undo(Api(), ZONE, [dns_change.Change((f"bob.{ZONE}", "A"), before, after)])  # type: ignore[arg-type]
    assert patched == [{**before, "changetype": "REPLACE"}]


def test_a_withdrawn_zone_differs_by_the_flag_of_its_soa_record_alone() -> None:
    content = "ns1.lab.test. host.lab.test. 7 60 60 60 60"
    soa = {"name": ZONE, "type": "SOA", "ttl": 3600, "records": [{"content": content, "disabled": False}]}
    current = dns_change.index(zone(soa, reported(f"www.{ZONE}", "A")))
    assert dns_change.differences(current, [dns_change.soa(ZONE, current)], []) == []
    withdrawn = dns_change.soa(ZONE, current, withdrawn=True)
    changes = dns_change.differences(current, [withdrawn], [])
    assert [change.key for change in changes] == [(ZONE, "SOA")]
    assert dns_change.as_json(withdrawn, is_new=False)["records"] == [{"content": content, "disabled": True}]
    assert withdrawn.shown().endswith(" ; disabled\n")
