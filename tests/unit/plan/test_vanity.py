"""No step of a vanity service may name anything but its own subdomain, mailbox and record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.records import Plan
from orchestrator.plan import chains, jobs, vanity, vanity_names, zone
from orchestrator.plan.catalog import CATALOG
from orchestrator.plan.objects import AliasView, CertificateView, CronView, DatabaseView, SftpView
from orchestrator.plan.snapshot import ServiceView, Suspension
from orchestrator.plan.steps import of, record_step
from tests.support.examples import replaced
from tests.support.snapshots import a_service, a_vanity_service

FULL: dict[str, Any] = {
    "databases": (DatabaseView(id=1, name="w3001_shop", password_hash="*0"),),
    "sftp_accounts": (SftpView(id=1, name="w3001_ed", password_hash="$2b$x", public_keys=(), folder="www"),),
    "cron_jobs": (CronView(id=1, name="nightly", schedule="@daily", command="true", enabled=True),),
}
ANNA = a_vanity_service(**FULL)
STATES = [
    a_vanity_service(
        **FULL, desired=desired, held=held, withdrawn=withdrawn, deployed=True, suspension=Suspension(dns=policy)
    )
    for desired, held, withdrawn, policy in product(
        ("active", "suspended", "terminated"), (True, False), (True, False), ("keep", "withdraw")
    )
]


def plans(service: ServiceView) -> Iterator[Plan]:
    """Yield every plan that there is for a service."""
    yield chains.reach(service)
    yield chains.reach(service, whole=False)
    if service.desired == "active":
        yield chains.reset(service)


def own_jobs() -> dict[str, dict[str, Any]]:
    """Return one job's parameters for each action that a vanity service has steps of."""
    found = {}
    for service in STATES:
        for plan in plans(service):
            for step in plan.steps:
                if step.server:
                    found[step.action] = jobs.build(step.action, service, step.params, step.key, 7)["params"]
    for kind, name in (("database", "w3001_shop"), ("sftp", "w3001_ed"), ("cron", "nightly")):
        found[f"web.{kind}_absent"] = {"username": "w3001", "name": name}
    shown = CertificateView(role="web", names=(ANNA.domain,), certificate="PEM", private_key="PEM", serial="1")
    for action in ("web.certificate_present", "web.certificate_absent"):
        found[action] = jobs.build(action, replace(ANNA, certificates=(shown,)), {}, action, 7)["params"]
    return found


OWN = own_jobs()
FOREIGN_NAMES = ("provider.test", "bob.provider.test", "sub.anna.provider.test", "anna.provider.test.evil.test", "")
FOREIGN: dict[str, tuple[Any, ...]] = {
    "username": ("w3002", "w900", "root", "", "w30010"),
    "uid": (0, 20002, None),
    "domain": (*FOREIGN_NAMES, "ANNA.provider.test"),
    "site": FOREIGN_NAMES,
    "names": ([], ["anna.provider.test", "provider.test"], ["bob.provider.test"], ["anna.provider.test"] * 2),
    "name": ("w3002_shop", "mysql", "w30010_shop", "root"),
    "local_part": ("postmaster", "bob", "", "anna+x"),
    "shared_owner": ("s3001", "s901", "", None),
    "zone": ("anna.provider.test.", "bob.provider.test.", "provider.test", ".", ""),
    "rrsets": tuple(
        [{"name": name, "type": kind, "ttl": 60, "records": ["192.0.2.1"]}]
        for name, kind in (
            ("provider.test.", "A"),
            ("bob.provider.test.", "A"),
            ("*.provider.test.", "A"),
            ("x.anna.provider.test.", "A"),
            ("anna.provider.test.", "TXT"),
            ("anna.provider.test.", "NS"),
            ("anna.provider.test.", "CNAME"),
        )
    ),
    "remove": tuple(
        [{"name": "anna.provider.test.", "type": "A"}, {"name": name, "type": kind}]
        for name, kind in (("bob.provider.test.", "A"), ("provider.test.", "SOA"), ("anna.provider.test.", "MX"))
    ),
}


@pytest.mark.parametrize(
    "service", STATES, ids=lambda one: f"{one.desired} {one.held} {one.withdrawn} {one.suspension.dns}"
)
def test_every_plan_names_nothing_but_its_own(service: ServiceView) -> None:
    for plan in plans(service):
        keys = [step.key for step in plan.steps]
        assert len(keys) == len(set(keys))
        assert all(need in keys for step in plan.steps for need in step.needs)
        vanity.require_own_plan(service, plan)
        for step in (one for one in plan.steps if one.server):
            text = json.dumps(jobs.build(step.action, service, step.params, step.key, 7)["params"])
            bare = text.replace("anna.provider.test", "").replace('"domain": "provider.test"', "")
            assert "provider.test" not in bare.replace('"zone": "provider.test."', ""), (step.key, text)


def test_there_is_a_job_of_every_action_on_the_list() -> None:
    assert set(OWN) == {action for action in CATALOG if allowed(action)}
    assert len(OWN) == 23


def allowed(action: str) -> bool:
    """True when a vanity service may have such a step at all."""
    try:
        vanity.require_own(ANNA, action, dict(OWN.get(action, {})))
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("action", sorted(OWN))
def test_its_own_job_passes_and_any_other_name_is_refused(action: str) -> None:
    vanity.require_own(ANNA, action, OWN[action])
    for field in set(FOREIGN) & set(OWN[action]) - ({"name"} if action.startswith("web.cron") else set()):
        for value in FOREIGN[field]:
            if field == "domain" and value == OWN[action]["domain"]:
                continue  # the shared mail domain is what a mailbox's step has to name
            with pytest.raises(Conflict, match=field):
                vanity.require_own(ANNA, action, {**OWN[action], field: value})
    with pytest.raises(Conflict, match="what_else"):
        vanity.require_own(ANNA, action, {**OWN[action], "what_else": 1})


@pytest.mark.parametrize(
    ("action", "field"), [(a, f) for a in sorted(OWN) for f in ("username", "shared_owner", "zone", "domain", "site")]
)
def test_what_names_the_object_cannot_be_left_out(action: str, field: str) -> None:
    if field in OWN[action]:
        with pytest.raises(Conflict, match=f"lacks {field}"):
            vanity.require_own(ANNA, action, {key: value for key, value in OWN[action].items() if key != field})


@pytest.mark.parametrize("action", sorted(set(CATALOG) - set(OWN)))
def test_every_other_action_is_refused_whatever_it_names(action: str) -> None:
    with pytest.raises(Conflict, match="vanity service"):
        vanity.require_own(ANNA, action, {})
    server = {"web": "web1", "mail": "mail1"}.get(action.split(".")[0], "dns1")
    plan = Plan(steps=(of(action, server),))
    with pytest.raises(Conflict):
        vanity.require_own_plan(ANNA, plan)


@given(
    action=st.sampled_from(sorted(OWN)),
    name=st.sampled_from(["provider.test", "bob", "bob.provider.test", "w3002", "s3002", "w900", "postmaster"]),
    data=st.data(),
)
def test_no_name_of_others_gets_into_a_field_that_names(action: str, name: str, data: st.DataObject) -> None:
    fields = sorted(set(OWN[action]) & set(FOREIGN) - ({"name"} if action.startswith("web.cron") else set()))
    if not fields:
        return
    field = data.draw(st.sampled_from(fields))
    if OWN[action][field] != name:
        with pytest.raises(Conflict):
            vanity.require_own(
                ANNA,
                action,
                replaced(
                    OWN[action], (field,), name if field not in ("rrsets", "remove") else [{"name": name, "type": "A"}]
                ),
            )


@pytest.mark.parametrize(
    "steps",
    [
        (of("web.user_present", "web2"),),
        (of("web.user_present", "mail1"),),
        (of("mail.domain_present", "mail1"),),
        (of("mail.mailbox_absent", "mail1", params={"local_part": "postmaster", "domain": "provider.test"}),),
        (of("mail.mailbox_present", "mail1", params={"local_part": "anna", "domain": "other.test"}),),
        (of("web.domain_absent", "web1", params={"domain": "provider.test"}),),
        (of("web.database_absent", "web1", params={"name": "w3002_shop"}),),
        (record_step("dns1", "dkim"),),
        (record_step("dns1", "provider.test. A"),),
        (record_step("dns3", "vanity"),),
        (of("dns.record_present", "dns1"),),
        (of("dns.zone_present", "dns1"),),
        (of("service.status_active", "web1"),),
    ],
    ids=lambda steps: steps[0].key,
)
def test_a_plan_beyond_its_own_is_refused(steps: tuple[Any, ...]) -> None:
    with pytest.raises(Conflict):
        vanity.require_own_plan(ANNA, Plan(steps=steps))
    if not steps[0].action.startswith("service."):
        vanity.require_own_plan(a_service(), Plan(steps=steps))


def test_aliases_of_a_vanity_service_never_get_into_its_site() -> None:
    service = replace(ANNA, aliases=("provider.test",))
    with pytest.raises(Conflict, match="names"):
        jobs.build("web.domain_present", service, {}, "k", 7)
    box = AliasView(id=1, domain="provider.test", local_part="anna", destinations=("a@b.test",))
    with pytest.raises(Conflict):
        vanity.require_own_plan(
            ANNA, Plan(steps=(of("mail.alias_present", "mail1", params={"local_part": box.local_part}),))
        )


@pytest.mark.parametrize(
    "broken",
    [
        {"vanity": None},
        {"domain": "bob.provider.test"},
        {"domain": "provider.test"},
        {"domain": "anna.provider.test.evil.test"},
    ],
)
def test_a_service_whose_rows_do_not_fit_together_is_refused_as_a_whole(broken: dict[str, Any]) -> None:
    service = replace(ANNA, **broken)
    with pytest.raises(Conflict):
        vanity.require_own(service, "web.user_present", {"username": "w3001", "uid": service.uid})
    with pytest.raises(Conflict):
        vanity.require_own_plan(service, Plan(steps=()))


def test_an_ordinary_service_is_not_looked_at() -> None:
    vanity.require_own(a_service(), "dns.zone_absent", {"zone": "anything.test."})


def test_its_digest_follows_what_should_be_in_the_parents_zone() -> None:
    digest = zone.vanity_digest
    shown = digest(ANNA)
    hidden = {digest(replace(ANNA, desired="terminated"))}
    hidden.add(digest(replace(ANNA, desired="suspended", suspension=Suspension(dns="withdraw"))))
    assert len(hidden) == 1 and shown not in hidden
    assert (
        shown == digest(replace(ANNA, desired="suspended")) == digest(replace(ANNA, generation=9, dkim_public_key="x"))
    )
    assert ANNA.web is not None
    assert shown != digest(replace(ANNA, web=replace(ANNA.web, ipv4="192.0.2.9")))


@pytest.mark.parametrize(
    ("given_text", "found"),
    [
        ("anna", "anna"),
        ("Anna", "anna"),
        (" anna ", "anna"),
        ("a", "a"),
        ("7", "7"),
        ("a-b", "a-b"),
        ("a" * 63, "a" * 63),
    ],
)
def test_a_label_is_taken(given_text: str, found: str) -> None:
    assert vanity_names.label(given_text) == found


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "-a",
            "a-",
            "-",
            "a_b",
            "_dmarc",
            "a.b",
            "a" * 64,
            "a b",
            "a\n",
            "a\x00",
            "*",
            "@",
            "../x",
            "a/b",
            "{{ a }}",
        ),
        *(
            "xn--bcher-kva",
            "ab--cd",
            "bücher",
            "ａｎｎａ",
            "аnna",
            "a'b",
            "a;b",
            "a+b",
            "\u200banna",
            "\N{KELVIN SIGN}",
        ),
        *(None, 7, True, ["a"], {"a": 1}),
    ],
    ids=repr,
)
def test_a_label_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput) as error:
        vanity_names.label(text)
    assert error.value.field == "vanity_name" and error.value.remedy


@given(st.text(max_size=70))
def test_whatever_is_taken_is_one_plain_label(text: str) -> None:
    try:
        found = vanity_names.label(text)
    except InvalidInput:
        return
    assert found == found.lower() and 1 <= len(found) <= 63 and found.isascii()
    assert (
        set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        and found[0] != "-" != found[-1]
        and found[2:4] != "--"
    )


@pytest.mark.parametrize(
    "name",
    [
        *(
            "www",
            "mail",
            "webmail",
            "autoconfig",
            "autodiscover",
            "mta-sts",
            "ns",
            "ns1",
            "ns12",
            "mx1",
            "smtp",
            "imap",
        ),
        *("pop", "ftp", "admin", "administrator", "root", "postmaster", "hostmaster", "webmaster", "abuse", "security"),
        *("api", "wpad", "isatap", "localhost", "noreply", "openpgpkey", "shopping"),
    ],
)
def test_nobody_gets_a_reserved_label(name: str) -> None:
    with pytest.raises(Conflict, match="is reserved under"):
        vanity_names.require_unreserved(name, "provider.test", ["shopping"])


def test_every_default_record_of_a_zone_is_reserved_or_no_label() -> None:
    service = a_service(domain="provider.test", dkim_public_key="x")
    records = [*zone.default_rrsets(service), *filter(None, [zone.dkim_rrset(service)])]
    labels = {one.name.removesuffix("provider.test.").rstrip(".").split(".")[-1] for one in records} - {""}
    assert labels
    for one in labels:
        assert one.startswith("_") or vanity_names.is_reserved(one), one


def test_both_together_have_to_be_a_domain() -> None:
    assert vanity_names.full_name("anna", "provider.test") == "anna.provider.test"
    with pytest.raises(InvalidInput, match="characters"):
        vanity_names.full_name("a" * 63, ".".join(["b" * 60] * 4))
