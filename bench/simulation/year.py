"""The clock of the simulation: one event after another, each decided by the rules in `orchestrator/plan/certificates`.

What is left out are looks at working certificates that change nothing: after the CA's window is known the next event of a
certificate is the instant at which it is due.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bench.simulation.authority import Asked, Authority
from bench.simulation.estate import BEGIN, DAY, LIFETIMES, Customer, Scenario, is_in, population
from bench.simulation.ledger import Ledger
from orchestrator.certs.accounts import CIRCUIT, CIRCUIT_AFTER
from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.certificates import Trouble, Verdict
from orchestrator.plan.certificates import buckets, cadence, decision, machine
from orchestrator.plan.certificates import names as rules
from orchestrator.plan.certificates.buckets import Need
from orchestrator.plan.certificates.decision import Next
from orchestrator.plan.certificates.names import Misses
from orchestrator.plan.certificates.problems import Problem
from orchestrator.plan.certificates.view import Certificate, Change, Policy

# The watcher takes 64 every five seconds. The looks that are left out, at 100,000 working certificates every six hours, need 23
# of them; what is left for those that are let happen here is more than this.
_ONE_LOOK = timedelta(seconds=5 / 16)
_BEGUN, _PROVEN = timedelta(seconds=5), timedelta(seconds=20)
_WORST_FIRST = (Verdict.NO, Verdict.UNKNOWN, Verdict.OK)
_NEVER = datetime.max.replace(tzinfo=BEGIN.tzinfo)


class Year:
    """Runs a scenario once."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.policy, self.ledger = scenario, Policy(), Ledger(scenario)
        self.authority = Authority(LIFETIMES, scenario.outages)
        self.customers = {one.id: one for one in population(scenario)}
        self.rows = {one.id: self._begin(one) for one in self.customers.values()}
        self._tats: dict[str, datetime] = {}
        self._misses: dict[int, dict[str, Misses]] = {}
        self._blind: dict[int, datetime] = {}
        self._failures, self._open = 0, BEGIN
        self._free = BEGIN
        self._due = [(row.next_check_at, row.id) for row in self.rows.values()]
        heapq.heapify(self._due)

    def run(self, told: Callable[[int, Ledger], None] = lambda *_: None) -> Ledger:
        """Let the year pass; ``told`` hears after every thirtieth day which one it is."""
        days = self.scenario.days
        for day in (*range(30, days, 30), days):
            self._pass(BEGIN + day * DAY)
            told(day, self.ledger)
        for number, row in self.rows.items():
            if row.leaf is not None:
                self.ledger.ended(self.customers[number], row.leaf, self.scenario.end)
        return self.ledger

    def _pass(self, until: datetime) -> None:
        """Let time pass: one event after another, as fast as one watcher comes to look."""
        due = self._due
        while due[0][0] < until:
            at, number = due[0]
            self._free = max(self._free, at) + _ONE_LOOK
            self.ledger.events += 1
            heapq.heapreplace(due, (self._event(number, self._free), number))

    def waiting(self) -> list[str]:
        """Return the domains whose DNS has been right for two days and that have no certificate at the end."""
        late = self.scenario.end - timedelta(days=2)
        people = (self.customers[number] for number, row in self.rows.items() if row.leaf is None)
        return [who.names[0] for who in people if who.right_from < late and not who.is_dead(late)]

    def _begin(self, who: Customer) -> Certificate:
        one = Certificate(
            id=who.id, state=State.FAST, names=who.names, provisioned_at=who.arrives, next_check_at=who.arrives
        )
        if who.arrives > BEGIN:
            return replace(one, **machine.provisioned(self.policy, who.arrives))
        age = self.scenario.oldest * cadence.spread(who.id, "age")
        names = who.names if who.has_www else who.names[:1]
        leaf = self.authority.leaf(names, BEGIN - age)
        self.authority.remember(leaf)
        return replace(
            one, state=State.ACTIVE, leaf=leaf, next_check_at=BEGIN + cadence.spread(who.id) * timedelta(hours=6)
        )

    def _event(self, number: int, now: datetime) -> datetime:
        """Let one certificate be worked on; returns when it is looked at next."""
        row, who = self.rows[number], self.customers[number]
        if row.state is State.ACTIVE:
            return self._active(row, now)
        if row.state is State.DEPLOY:
            return self._deploy(row, who, now)
        if row.state is State.ISSUING:
            return self._order(row, who, now)
        if row.state is State.CA_PAUSED:
            return _NEVER
        return self._look(row, who, now)

    def _write(self, row: Certificate, change: Change) -> Certificate:
        self.rows[row.id] = changed = _with(row, change.values)
        return changed

    def _active(self, row: Certificate, now: datetime) -> datetime:
        assert row.leaf is not None
        if not self.authority.is_away(now):
            start, end = self.authority.renewal_window(row.leaf)
            row = _with(row, {"renewal": cadence.drawn(row.id, row.renewal, start, end, None, now)})
        row = self._write(row, machine.looked(row, self.policy, now))
        if row.state is State.ACTIVE and row.renewal is not None and row.leaf is not None:
            return max(cadence.due(row, row.leaf), now)
        return row.next_check_at

    def _deploy(self, row: Certificate, who: Customer, now: datetime) -> datetime:
        if self._is_down(who, now):
            return self._write(row, machine.not_installed(row, now)).next_check_at
        return self._write(row, machine.installed(row, self.policy, now)).next_check_at

    def _is_down(self, who: Customer, now: datetime) -> bool:
        return who.node == 7 and is_in((self.scenario.node_down,), now)

    def _verdicts(self, who: Customer, now: datetime) -> dict[str, Verdict]:
        if is_in((self.scenario.blind,), now):
            return dict.fromkeys(who.names, Verdict.UNKNOWN)
        is_here = who.right_from <= now and (who.elsewhere_from is None or now < who.elsewhere_from)
        found = dict.fromkeys(who.names, Verdict.OK if is_here and not self._is_down(who, now) else Verdict.NO)
        if not who.has_www:
            found[who.names[1]] = Verdict.NO
        return found

    def _look(self, row: Certificate, who: Customer, now: datetime) -> datetime:
        self.ledger.looks += 1
        verdicts = self._verdicts(who, now)
        ordered, _ = rules.to_order(row.names, self._counted(who, verdicts, now), row.leaf, now)
        worst = min([verdicts[name] for name in ordered], key=_WORST_FIRST.index)
        follows = decision.after(row, worst, str(worst), ordered, self._blind.get(row.id), now)
        if follows is Next.MISS:
            return self._write(row, machine.missed(row, self.policy, now)).next_check_at
        if follows is Next.KEEP:
            return self._write(row, machine.kept(row, self.policy, now)).next_check_at
        if worst is Verdict.UNKNOWN:
            self._blind[row.id] = now
        self._write(row, machine.ordered(row, now))
        return now + _BEGUN

    def _counted(self, who: Customer, verdicts: dict[str, Verdict], now: datetime) -> dict[str, Misses]:
        before = self._misses.get(who.id, {})
        found = {}
        for name, verdict in verdicts.items():
            miss = before.get(name)
            if verdict is Verdict.NO:
                found[name] = Misses(count=miss.count + 1 if miss else 1, since=miss.since if miss else now)
            elif verdict is Verdict.UNKNOWN and miss:
                found[name] = miss
        if found:
            self._misses[who.id] = found
        else:
            self._misses.pop(who.id, None)
        return found

    def _order(self, row: Certificate, who: Customer, now: datetime) -> datetime:
        ordered, _ = rules.to_order(row.names, self._misses.get(who.id, {}), row.leaf, now)
        problem, asked, needs = self._sent(row, who, ordered, now)
        if problem is None and asked is not None:
            problem = self._proven(who, asked, needs, now)
        if problem is not None or asked is None:
            assert problem is not None
            change = machine.failed(row, problem, str(Verdict.OK), self.policy, now)
            return self._write(row, change).next_check_at
        self.ledger.served(who, row.leaf, now + _PROVEN)
        self._write(row, machine.issued(row, self.authority.issue(asked), now))
        return now + _PROVEN

    def _sent(
        self, row: Certificate, who: Customer, ordered: tuple[str, ...], now: datetime
    ) -> tuple[Problem | None, Asked | None, tuple[Need, ...]]:
        """Return the problem or the order; what it has taken from our buckets beside."""
        if self._open > now:
            return Problem(trouble=Trouble.TRANSIENT, kind="circuit", detail="", until=self._open), None, ()
        replaces = decision.may_replace(row, now)
        exemption = decision.exemption(row, ordered, replaces, now)
        needs = buckets.needs(ordered, [who.domain], exemption, is_first=row.leaf is None, has_failed=row.failures > 0)
        later = max((buckets.ready_at(self._tats.get(need.key), need, now) for need in needs), default=now)
        if later > now:
            self.ledger.deferred += 1
            return Problem(trouble=Trouble.RATE_LIMITED, kind="bucket", detail="", until=later), None, ()
        for need in needs:
            if need.spends:
                self._tats[need.key] = buckets.spent(self._tats.get(need.key), need.limit, now)
        self.ledger.sent(now, is_renewal=row.leaf is not None)
        if self.authority.is_away(now):
            return self._unanswered(needs, now), None, needs
        self._failures = 0
        asked = Asked(names=ordered, domain=who.domain, at=now, replaced=row.leaf if replaces else None)
        if self.authority.order(asked):
            until = now + timedelta(hours=1)
            return Problem(trouble=Trouble.RATE_LIMITED, kind="rateLimited", detail="", until=until), None, needs
        return None, asked, needs

    def _unanswered(self, needs: tuple[Need, ...], now: datetime) -> Problem:
        """Return what an order into nowhere is: on even days no connection, on odd ones an answer that is none."""
        self._failures += 1
        if self._failures >= CIRCUIT_AFTER:
            self._open = now + CIRCUIT
        if now.day % 2 == 0:
            self._refund(needs)
        return Problem(trouble=Trouble.TRANSIENT, kind="connection", detail="")

    def _refund(self, needs: tuple[Need, ...]) -> None:
        for need in needs:
            if need.spends:
                self._tats[need.key] = buckets.refunded(self._tats[need.key], need.limit)

    def _proven(self, who: Customer, asked: Asked, needs: tuple[Need, ...], now: datetime) -> Problem | None:
        is_right = who.right_from <= now and not who.is_dead(now) and not self._is_down(who, now)
        if is_right:
            return None
        self.ledger.failed_proofs += 1
        self.authority.failed(asked.names, now)
        for name in asked.names:
            key = f"{buckets.FAILURES}:{name}"
            self._tats[key] = buckets.spent(self._tats.get(key), buckets.LIMITS[buckets.FAILURES], now)
        back = buckets.of_certificates(needs)
        self._refund(tuple(need for need in needs if need.key in back))
        return Problem(trouble=Trouble.VALIDATION, kind="connection", detail="")


def _with(row: Certificate, values: Mapping[str, Any]) -> Certificate:
    """Return what `dataclasses.replace` would, in a part of the time: it is called 78 times a row and year."""
    made = object.__new__(Certificate)
    made.__dict__.update(row.__dict__)
    made.__dict__.update(values)
    return made
