"""Looking at certificates that are due: what leads to an order, to a deploy, or to another look later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.core.certificates import Verdict
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import decision, machine, precheck
from orchestrator.plan.certificates import names as rules
from orchestrator.plan.certificates.caa import Asking
from orchestrator.plan.certificates.decision import Next
from orchestrator.plan.certificates.names import Misses
from orchestrator.plan.certificates.precheck import Answers, Finding
from orchestrator.plan.certificates.view import Certificate
from orchestrator.store import certificates


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """How the world is looked at; tests see another one."""

    answers: Callable[[str], Answers]
    reaches: Callable[[str, str], bool | None]  # name, address
    asking: Asking
    lacking: Callable[[str, frozenset[str]], str] = lambda *_: ""  # name, TXT values -> which server lacks one


@dataclass(frozen=True, kw_only=True)
class Hands:
    """What is begun after a look, in the transaction that writes it down; returns the operation."""

    issue: Callable[[CertificateRow, Sequence[str], str], int]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of all names."""

    findings: tuple[Finding, ...]
    fingerprint: str
    misses: Mapping[str, Misses]
    ordered: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def deciding(self) -> Finding:
        """The worst of the names that are to be ordered."""
        return precheck.overall([one for one in self.findings if one.name in self.ordered])


def look_at(
    certificate: Certificate, misses: Mapping[str, Misses], ours: frozenset[str], eyes: Eyes, now: datetime
) -> Look:
    """Look at every name of a certificate; sends questions to the DNS and requests to the names, changes nothing."""
    answers = [eyes.answers(name) for name in certificate.names]
    findings = tuple(_finding(one, ours, eyes) for one in answers)
    counted = _counted(misses, findings, now)
    ordered, left_out = rules.to_order(certificate.names, counted, certificate.leaf, now)
    return Look(
        findings=findings,
        fingerprint=precheck.fingerprint(answers),
        misses=counted,
        ordered=ordered,
        left_out=left_out,
    )


def _finding(answers: Answers, ours: frozenset[str], eyes: Eyes) -> Finding:
    if answers.name.startswith("*."):
        return precheck.judge_dns(answers, ours, replace(eyes.asking, method="dns-01"))
    finding = precheck.judge(answers, ours, eyes.asking)
    if finding.verdict is Verdict.OK or finding.reason in ("address", "aaaa_mismatch"):
        reached = {address: eyes.reaches(answers.name, address) for address in sorted(answers.ipv4 | answers.ipv6)}
        return precheck.with_self_test(finding, reached)
    return finding


def _counted(misses: Mapping[str, Misses], findings: Sequence[Finding], now: datetime) -> dict[str, Misses]:
    """Return the misses with this look's: one more for a name that does not lead here, none for one that does."""
    counted = {}
    for one in findings:
        before = misses.get(one.name)
        if one.verdict is Verdict.NO:
            counted[one.name] = Misses(count=before.count + 1 if before else 1, since=before.since if before else now)
        elif one.verdict is Verdict.UNKNOWN and before:
            counted[one.name] = before
    return counted


def decide(row: CertificateRow, look: Look, hands: Hands, now: datetime) -> None:
    """Write down what a look has shown and begin what follows from it, inside the caller's transaction."""
    certificate, policy, finding = certificates.view(row), certificates.policy(), look.deciding
    more: dict[str, Any] = {
        "misses": {name: [miss.count, miss.since.isoformat()] for name, miss in look.misses.items()},
        "verdict": str(finding.verdict),
        "error": finding.detail or None,
    }
    follows = decision.after(certificate, finding.verdict, look.fingerprint, look.ordered, row.blind_at, now)
    if follows is Next.MISS:
        certificates.write(row, machine.missed(certificate, policy, now), **more)
    elif follows is Next.KEEP:
        certificates.write(row, machine.kept(certificate, policy, now), **more)
    else:
        if finding.verdict is Verdict.UNKNOWN:
            more["blind_at"] = now
        operation = hands.issue(row, look.ordered, look.fingerprint)
        certificates.write(row, machine.ordered(certificate, now), operation_id=operation, **more)
