"""The year as a suite of the bench: every figure that the automation is held to, in full size."""

from __future__ import annotations

import argparse
import time

from bench.figures import Figure, percentile
from bench.simulation.estate import Scenario
from bench.simulation.ledger import Ledger
from bench.simulation.year import Year


def run(options: argparse.Namespace) -> list[Figure]:
    """Let a year pass over so many certificates; raises when one ended needlessly or the CA had to refuse an order."""
    began = time.monotonic()
    year = Year(Scenario(rows=options.certificates))
    ledger = year.run()
    seconds = time.monotonic() - began
    require(year)
    return [*_figures(year, ledger), Figure(name="run time", value=seconds, unit="s", note=f"{ledger.events:,} events")]


def require(year: Year) -> None:
    """Raise RuntimeError when something happened that never may."""
    denied, expired, waiting = dict(year.authority.denied), year.ledger.expired, year.waiting()
    if denied or expired or waiting:
        raise RuntimeError(f"refused by the CA: {denied}; ended needlessly: {expired[:5]}; without one: {waiting[:5]}")


def _figures(year: Year, ledger: Ledger) -> list[Figure]:
    scenario, exempt, slack = year.scenario, year.authority.exempt, sorted(ledger.slack)
    when, most = ledger.largest_hour()
    return [
        Figure(name="orders beyond a limit of the CA", value=0, unit="", note=f"of {year.authority.answered:,} orders"),
        Figure(
            name="certificates that ended while their DNS was right",
            value=len(ledger.expired),
            unit="",
            note=f"of {scenario.rows:,} in {scenario.days} days, {scenario.dead:.0%} dead, lifetimes 90, 64, 45 days",
        ),
        Figure(name="renewals", value=ledger.renewed, unit="", note=_exempt(dict(exempt))),
        Figure(name="first certificates", value=ledger.first, unit="", note=_waits(ledger)),
        Figure(name="orders in the mean hour", value=ledger.mean_hour, unit="/h"),
        Figure(
            name="orders in the largest hour",
            value=most,
            unit="/h",
            note=f"{most / ledger.mean_hour:.1f} times the mean; {when:%Y-%m-%d %H:00}",
        ),
        Figure(name="orders in the largest minute", value=max(ledger.minutes), unit="/min"),
        Figure(name="lifetime left at a renewal, least", value=100 * slack[0], unit="%"),
        Figure(name="lifetime left at a renewal, first percentile", value=100 * percentile(slack, 0.01), unit="%"),
        Figure(name="proofs that failed", value=ledger.failed_proofs, unit="", note="names that lead here and fail"),
        Figure(name="orders put off by our own buckets", value=ledger.deferred, unit=""),
    ]


def _exempt(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[key]:,} {key}" for key in sorted(counts)) + " by exemption"


def _waits(ledger: Ledger) -> str:
    hours = [seconds / 3600 for seconds in ledger.waits]
    return f"after right DNS: median {percentile(hours, 0.5):.1f} h, at most {max(hours):.1f} h"
