"""What is written down of the simulated year, and what is read from it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bench.simulation.estate import BEGIN, MINUTE, Customer, Scenario
from orchestrator.plan.certificates.view import Leaf

# Two days without the CA that come back within one, where a shorter lifetime has laid two months' renewals into one, are
# six times the mean. What a few certificates and the probes of an outage add counts in small estates only.
HERD, BY_CHANCE = 8, 24


@dataclass
class Ledger:
    """Counts of a year."""

    scenario: Scenario
    events: int = 0
    looks: int = 0
    renewed: int = 0
    first: int = 0
    failed_proofs: int = 0
    deferred: int = 0  # orders that a bucket of ours has put off
    expired: list[str] = field(default_factory=list)  # domains whose certificate ended while everything was right
    slack: array[float] = field(default_factory=lambda: array("d"))  # share of the lifetime left at each renewal
    waits: array[float] = field(default_factory=lambda: array("d"))  # seconds from right DNS to the first certificate
    hours: array[int] = field(init=False)  # orders sent
    minutes: array[int] = field(init=False)
    renewals: array[int] = field(init=False)  # those of them that renew, by hour

    def __post_init__(self) -> None:
        self.hours = array("l", [0]) * (self.scenario.days * 24 + 48)
        self.renewals = array("l", self.hours)
        self.minutes = array("l", [0]) * (len(self.hours) * 60)

    def sent(self, at: datetime, *, is_renewal: bool) -> None:
        """Count an order that went out, whatever became of it."""
        minute = (at - BEGIN) // MINUTE
        self.minutes[minute] += 1
        self.hours[minute // 60] += 1
        self.renewals[minute // 60] += is_renewal

    def served(self, who: Customer, before: Leaf | None, at: datetime) -> None:
        """Count a certificate that is shown, in the place of another or of none."""
        if before is None:
            self.first += 1
            self.waits.append((at - who.right_from).total_seconds())
            return
        self.renewed += 1
        self.ended(who, before, at)
        if not who.is_dead(at):
            self.slack.append(before.remaining(at) / before.lifetime)

    def ended(self, who: Customer, leaf: Leaf, at: datetime) -> None:
        """Note a certificate that has ended by now although nothing was wrong with its names."""
        if leaf.not_after <= at and not who.is_dead(leaf.not_after):
            self.expired.append(who.names[0])

    @property
    def mean_hour(self) -> float:
        """Orders sent an hour, on average."""
        return sum(self.hours) / (self.scenario.days * 24)

    @property
    def herd(self) -> int:
        """How many renewals within an hour a backlog and chance may explain; more have come at one moment."""
        return int(HERD * sum(self.renewals) / (self.scenario.days * 24) + BY_CHANCE)

    def largest_hour(self) -> tuple[datetime, int]:
        """Return when most orders were sent within an hour, and how many."""
        most = max(self.hours)
        return BEGIN + timedelta(hours=self.hours.index(most)), most
