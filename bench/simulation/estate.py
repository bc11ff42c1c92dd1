"""Who there is in the simulated year: customers old and new, dead domains, and what goes wrong around them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
BEGIN = datetime(2027, 2, 1, tzinfo=UTC)
# Let's Encrypt's dates are 2027-02-10 and 2028-02-16, more than a year apart: the second change is brought forward.
LIFETIMES = (
    (BEGIN - 400 * DAY, 90 * DAY),
    (datetime(2027, 2, 10, tzinfo=UTC), 64 * DAY),
    (datetime(2027, 8, 16, tzinfo=UTC), 45 * DAY),
)
Span = tuple[datetime, datetime]


def span(day: float, length: timedelta) -> Span:
    """Return a time that begins on a day of the year."""
    return BEGIN + day * DAY, BEGIN + day * DAY + length


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The size of the year, as shares of all rows, and its troubles."""

    rows: int = 100_000
    days: int = 365
    seed: int = 41
    dead: float = 0.02  # half lead elsewhere, half lead here but are never proven
    new: float = 0.05  # arrive one by one over the year
    migrated: float = 0.03  # arrive within one hour of day 100
    oldest: timedelta = 60 * DAY  # the certificates that are there at the beginning are up to so old, evenly
    without_www: float = 0.01
    shared: float = 0.05  # live below a registered domain of thirty others
    nodes: int = 100
    outages: tuple[Span, ...] = field(
        default_factory=lambda: (
            span(50, 48 * HOUR),
            span(160, 2 * HOUR),
            span(260.5, 48 * HOUR),
            span(300, 20 * MINUTE),
        )
    )
    node_down: Span = field(default_factory=lambda: span(120, 24 * HOUR))  # of node 7
    blind: Span = field(default_factory=lambda: span(200, 12 * HOUR))  # our own resolver is away

    @property
    def end(self) -> datetime:
        """When the year is over."""
        return BEGIN + self.days * DAY


@dataclass(slots=True, kw_only=True)
class Customer:
    """One certificate's domain, and what is wrong with it."""

    id: int
    names: tuple[str, ...]
    domain: str  # registered
    node: int
    arrives: datetime
    right_from: datetime  # its DNS leads here
    elsewhere_from: datetime | None = None
    unproven_from: datetime | None = None
    has_www: bool = True

    def is_dead(self, at: datetime) -> bool:
        """True when it cannot have a certificate any more, whatever anybody does."""
        elsewhere, unproven = self.elsewhere_from, self.unproven_from
        return (elsewhere is not None and elsewhere <= at) or (unproven is not None and unproven <= at)


def population(scenario: Scenario) -> list[Customer]:
    """Return the customers; those that arrive at the beginning have a certificate already."""
    dice = random.Random(scenario.seed)
    return [_customer(number, scenario, dice) for number in range(1, scenario.rows + 1)]


def _customer(number: int, scenario: Scenario, dice: random.Random) -> Customer:
    domain = f"d{number}.test"
    registered = f"agency{number % max(1, int(scenario.rows * scenario.shared / 30))}.test"
    if dice.random() < scenario.shared:
        domain = f"d{number}.{registered}"
    else:
        registered = domain
    arrives = _arrival(scenario, dice)
    late = 0 * MINUTE if arrives <= BEGIN else dice.choice((0 * MINUTE, 7 * MINUTE, 3 * HOUR, 5 * DAY))
    made = Customer(
        id=number,
        names=(domain, f"www.{domain}"),
        domain=registered,
        node=number % scenario.nodes,
        arrives=arrives,
        right_from=arrives + late,
        has_www=dice.random() >= scenario.without_www,
    )
    if dice.random() < scenario.dead:
        since = BEGIN + dice.random() * scenario.days * DAY * 0.8
        made.elsewhere_from, made.unproven_from = dice.choice(((since, None), (None, since)))
    return made


def _arrival(scenario: Scenario, dice: random.Random) -> datetime:
    share = dice.random()
    if share < scenario.migrated:
        return BEGIN + 100 * DAY + dice.random() * HOUR
    if share < scenario.migrated + scenario.new:
        return BEGIN + dice.random() * (scenario.days - 10) * DAY
    return BEGIN


def is_in(spans: Sequence[Span], at: datetime) -> bool:
    """True while one of them lasts."""
    for start, end in spans:  # noqa: SIM110 - asked for every event: a generator takes more than twice as long
        if start <= at < end:
            return True
    return False
