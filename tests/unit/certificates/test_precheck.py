"""What a look at the names says."""

from __future__ import annotations

import pytest

from orchestrator.core.certificates import Verdict
from orchestrator.plan.certificates import precheck
from orchestrator.plan.certificates.caa import Asking, Caa, refusal
from orchestrator.plan.certificates.precheck import Answers, judge, judge_dns, with_self_test

ACCOUNT = "https://ca.test/acct/1"
LE = Asking(domains=frozenset({"letsencrypt.org"}), account=ACCOUNT)
OURS = frozenset({"192.0.2.1", "192.0.2.2", "2001:db8::1"})


def caa(value: str, tag: str = "issue", flags: int = 0) -> Caa:
    return Caa(flags=flags, tag=tag, value=value)


@pytest.mark.parametrize(
    ("records", "wildcard", "why"),
    [
        ([], False, ""),
        ([caa("letsencrypt.org")], False, ""),
        ([caa("LetsEncrypt.org.")], False, ""),
        ([caa("other.test")], False, "allow other.test, not letsencrypt.org"),
        ([caa(";")], False, "allow nobody"),
        ([caa("other.test"), caa("letsencrypt.org")], False, ""),
        ([caa("letsencrypt.org"), caa(";", "issuewild")], False, ""),
        ([caa("letsencrypt.org"), caa(";", "issuewild")], True, "allow nobody"),
        ([caa("letsencrypt.org", "issuewild")], True, ""),
        ([caa("other.test"), caa("letsencrypt.org", "issuewild")], True, ""),
        ([caa("other.test", "issuewild")], False, ""),
        ([caa("letsencrypt.org")], True, ""),
        ([caa("mailto:a@b.test", "iodef")], False, ""),
        ([caa("x", "tbs", 128)], False, "tag tbs is marked as critical"),
        ([caa("x", "tbs", 0)], False, ""),
        ([caa(f"letsencrypt.org; accounturi={ACCOUNT}")], False, ""),
        ([caa("letsencrypt.org; accounturi=https://ca.test/acct/2")], False, "another account"),
        ([caa("letsencrypt.org;validationmethods=dns-01")], False, "allows dns-01, not http-01"),
        ([caa("letsencrypt.org; validationmethods=dns-01,http-01")], False, ""),
    ],
)
def test_29_caa(records: list[Caa], wildcard: bool, why: str) -> None:
    found = refusal(records, LE, wildcard)
    assert (why in found) if why else found == ""


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "verdict", "reason"),
    [
        (["192.0.2.1"], [], Verdict.OK, ""),
        (["192.0.2.1", "192.0.2.2"], ["2001:db8::1"], Verdict.OK, ""),
        ([], ["2001:db8::1"], Verdict.OK, ""),
        (["192.0.2.1", "203.0.113.9"], [], Verdict.NO, "address"),
        (["192.0.2.1"], ["2001:db8::9"], Verdict.NO, "aaaa_mismatch"),
        ([], [], Verdict.NO, "empty"),
    ],
)
def test_26_every_address_has_to_be_ours(ipv4: list[str], ipv6: list[str], verdict: Verdict, reason: str) -> None:
    found = judge(Answers(name="a.test", ipv4=frozenset(ipv4), ipv6=frozenset(ipv6)), OURS, LE)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_a_person_is_told_which_record_to_change() -> None:
    found = judge(Answers(name="a.test", ipv4=frozenset({"203.0.113.9"})), OURS, LE)
    assert found.detail == "the A record of a.test leads to 203.0.113.9; it should be 192.0.2.1, 192.0.2.2"


@pytest.mark.parametrize("error", ["nxdomain", "servfail", "dnssec_bogus", "split", "caa_error", "loop"])
def test_what_is_known_to_be_wrong_is_a_no(error: str) -> None:
    found = judge(Answers(name="a.test", error=error), OURS, LE)
    assert (found.verdict, found.reason) == (Verdict.NO, error)
    assert "a.test" in found.detail


@pytest.mark.parametrize("error", ["timeout", "resolver"])
def test_34_what_we_cannot_know_is_no_no(error: str) -> None:
    assert judge(Answers(name="a.test", error=error), OURS, LE).verdict is Verdict.UNKNOWN


def test_32_a_cdn_is_no_mistake_if_the_request_arrives() -> None:
    no = judge(Answers(name="a.test", ipv4=frozenset({"203.0.113.9"})), OURS, LE)
    assert with_self_test(no, {"203.0.113.9": True}).verdict is Verdict.INDIRECT
    assert with_self_test(no, {"203.0.113.9": False}).verdict is Verdict.NO
    assert with_self_test(no, {"203.0.113.9": None}).verdict is Verdict.NO


def test_27_an_address_of_ours_that_is_dead_is_named() -> None:
    ok = judge(Answers(name="a.test", ipv4=frozenset({"192.0.2.1"}), ipv6=frozenset({"2001:db8::1"})), OURS, LE)
    found = with_self_test(ok, {"192.0.2.1": True, "2001:db8::1": False})
    assert (found.verdict, found.reason) == (Verdict.NO, "self_test")
    assert "2001:db8::1" in found.detail
    assert with_self_test(ok, {"192.0.2.1": None, "2001:db8::1": None}).verdict is Verdict.OK


def test_a_self_test_does_not_overrule_caa() -> None:
    no = judge(Answers(name="a.test", ipv4=frozenset({"192.0.2.1"}), caa=(caa("other.test"),)), OURS, LE)
    assert with_self_test(no, {"192.0.2.1": True}).reason == "caa"


def test_a_wildcard_needs_no_address_and_name_servers_that_are_all_ours() -> None:
    assert judge_dns(Answers(name="*.a.test", error="nxdomain"), OURS, LE).verdict is Verdict.OK
    assert judge_dns(Answers(name="*.a.test", caa=(caa(";", "issuewild"),)), OURS, LE).reason == "caa"
    assert judge_dns(Answers(name="*.a.test", error="dnssec_bogus"), OURS, LE).verdict is Verdict.NO
    assert judge_dns(Answers(name="*.a.test", ipv4=OURS), OURS, LE).verdict is Verdict.OK
    foreign = judge_dns(Answers(name="*.a.test", ipv4=OURS | {"203.0.113.53"}), OURS, LE)
    assert (foreign.reason, "203.0.113.53" in foreign.detail) == ("delegation", True)


def test_the_worst_name_decides() -> None:
    good = judge(Answers(name="a.test", ipv4=frozenset({"192.0.2.1"})), OURS, LE)
    unknown = judge(Answers(name="b.test", error="timeout"), OURS, LE)
    bad = judge(Answers(name="c.test"), OURS, LE)
    assert precheck.overall([good, unknown, bad]) == bad
    assert precheck.overall([good, unknown]) == unknown
    assert precheck.overall([good]) == good


def test_the_fingerprint_changes_with_the_answers_and_not_with_their_order() -> None:
    one = Answers(name="a.test", ipv4=frozenset({"192.0.2.1", "192.0.2.2"}))
    other = Answers(name="b.test", caa=(caa("x"),))
    assert precheck.fingerprint([one, other]) == precheck.fingerprint([other, one])
    assert precheck.fingerprint([one]) != precheck.fingerprint([Answers(name="a.test", ipv4=frozenset({"192.0.2.1"}))])
    assert precheck.fingerprint([other]) != precheck.fingerprint([Answers(name="b.test", caa=(caa("y"),))])
