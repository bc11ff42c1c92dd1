"""What a look at the names says: a gate before any order, never the last word."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.certificates import Verdict
from orchestrator.plan.certificates.caa import Asking, Caa, refusal

# What keeps us from knowing, as opposed to what we know to be wrong.
UNKNOWN = frozenset({"timeout", "resolver"})
_TOLD = {
    "nxdomain": "{name} does not exist in the DNS",
    "empty": "{name} has no address in the DNS",
    "servfail": "the DNS servers of {name} do not answer properly",
    "dnssec_bogus": "DNSSEC of {name} is broken: its signatures do not match or have expired",
    "split": "the DNS servers of {name} give different answers",
    "caa_error": "the DNS servers of {name} do not answer questions for CAA records",
    "loop": "{name} is an alias that leads nowhere",
    "timeout": "the DNS servers of {name} did not answer in time",
    "resolver": "our own resolver does not answer",
}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the DNS says of one name."""

    name: str
    ipv4: frozenset[str] = frozenset()
    ipv6: frozenset[str] = frozenset()
    caa: tuple[Caa, ...] = ()  # of the closest name that has any
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is to be thought of one name."""

    name: str
    verdict: Verdict
    reason: str = ""  # machine word: address, aaaa_mismatch, caa, nxdomain, ...
    detail: str = ""  # for a person, with the address or record that has to change


def judge(answers: Answers, ours: frozenset[str], asking: Asking) -> Finding:
    """Return what to think of a name that is to be proven by HTTP.

    Every address has to be ours: the CA prefers IPv6 and falls back to IPv4 only when it cannot connect.
    """
    forbidden = _forbidden(answers, asking)
    if forbidden is not None:
        return forbidden
    foreign_4, foreign_6 = sorted(answers.ipv4 - ours), sorted(answers.ipv6 - ours)
    if foreign_6:
        detail = f"the AAAA record of {answers.name} leads to {foreign_6[0]}, which is not ours; remove or correct it"
        return _no(answers.name, "aaaa_mismatch", detail)
    if foreign_4:
        wanted = ", ".join(sorted(one for one in ours if ":" not in one)) or "one of ours"
        detail = f"the A record of {answers.name} leads to {foreign_4[0]}; it should be {wanted}"
        return _no(answers.name, "address", detail)
    if not answers.ipv4 and not answers.ipv6:
        return _no(answers.name, "empty", _TOLD["empty"].format(name=answers.name))
    return Finding(name=answers.name, verdict=Verdict.OK)


def judge_dns(answers: Answers, ours: frozenset[str], asking: Asking) -> Finding:
    """Return what to think of a name that is to be proven by DNS. Its addresses are those of the zone's name servers.

    All of them have to be ours: the CA asks any of them, and one that we cannot write to would know no answer.
    """
    if answers.error in ("nxdomain", "empty"):
        answers = Answers(name=answers.name, caa=answers.caa)
    forbidden = _forbidden(answers, asking)
    if forbidden is not None:
        return forbidden
    foreign = sorted((answers.ipv4 | answers.ipv6) - ours)
    if foreign:
        detail = f"{answers.name} is served by the name server {foreign[0]}, which is not ours; remove it from the zone"
        return _no(answers.name, "delegation", detail)
    return Finding(name=answers.name, verdict=Verdict.OK)


def with_self_test(finding: Finding, reached: Mapping[str, bool | None]) -> Finding:
    """Return the finding after a request through the public way: ``reached`` says of each address whether it came to us.

    A CDN or a NAT in between is no mistake if what the CA will ask for arrives. An address that is ours and does not answer is
    one: the CA would meet it too. None: we could not try.
    """
    known = [answer for answer in reached.values() if answer is not None]
    if finding.reason in ("address", "aaaa_mismatch") and known and all(known):
        return Finding(name=finding.name, verdict=Verdict.INDIRECT, reason="indirect", detail=finding.detail)
    dead = sorted(address for address, answer in reached.items() if answer is False)
    if finding.verdict is Verdict.OK and dead:
        detail = f"{finding.name} at {dead[0]} does not answer a request for /.well-known/acme-challenge/ as it should"
        return _no(finding.name, "self_test", detail)
    return finding


def overall(findings: Sequence[Finding]) -> Finding:
    """Return the finding that decides for all names: the worst."""
    order = (Verdict.NO, Verdict.UNKNOWN, Verdict.INDIRECT, Verdict.OK)
    return min(findings, key=lambda one: order.index(one.verdict))


def fingerprint(answers: Sequence[Answers]) -> str:
    """Return a short text that is another one whenever an answer is: a frozen certificate thaws when it changes."""
    parts = [
        (one.name, sorted(one.ipv4), sorted(one.ipv6), sorted((caa.tag, caa.value) for caa in one.caa), one.error)
        for one in sorted(answers, key=lambda one: one.name)
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _forbidden(answers: Answers, asking: Asking) -> Finding | None:
    if answers.error:
        told = _TOLD.get(answers.error, "{name} cannot be looked up").format(name=answers.name)
        if answers.error in UNKNOWN:
            return Finding(name=answers.name, verdict=Verdict.UNKNOWN, reason=answers.error, detail=told)
        return _no(answers.name, answers.error, told)
    why = refusal(answers.caa, asking, answers.name.startswith("*."))
    return _no(answers.name, "caa", f"{answers.name}: {why}") if why else None


def _no(name: str, reason: str, detail: str) -> Finding:
    return Finding(name=name, verdict=Verdict.NO, reason=reason, detail=detail)
