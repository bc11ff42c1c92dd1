"""The year as a suite of the bench: every figure that the automation is held to, in full size."""

from __future__ import annotations

import argparse
import time

from bench import figures
from bench.figures import Figure, percentile
from bench.simulation.estate import Scenario
from bench.simulation.ledger import Ledger
from bench.simulation.year import Year


def run(options: argparse.Namespace) -> list[Figure]:
    """Let a year pass over so many certificates; raises, with the figures shown, as `require` does."""
    began, used = time.monotonic(), time.process_time()
    year = Year(Scenario(rows=options.certificates))
    ledger = year.run(lambda day, ledger: _tell(day, ledger, time.monotonic() - began))
    note = f"of one processor, for {ledger.events:,} events; {time.monotonic() - began:.0f} s on the clock"
    taken = Figure(name="run time", value=time.process_time() - used, unit="s", note=note)
    found = [*_figures(year, ledger), taken]
    try:
        require(year)
    except RuntimeError:
        figures.show("simulation", found)
        raise
    return found


def _tell(day: int, ledger: Ledger, seconds: float) -> None:
    """Say that it goes on: a year of many certificates takes minutes."""
    print(f"day {day}: {ledger.events:,} events, {ledger.renewed:,} renewals, {seconds:.0f} s", flush=True)


def require(year: Year) -> None:
    """Raise RuntimeError when an order was refused, one ended needlessly, one is missing, or renewals came in a herd."""
    ledger, waiting, denied = year.ledger, year.waiting(), dict(year.authority.denied)
    expired, most = ledger.expired, max(ledger.renewals)
    if denied or expired or waiting:
        raise RuntimeError(f"refused by the CA: {denied}; ended needlessly: {expired[:5]}; without one: {waiting[:5]}")
    if most > ledger.herd:
        raise RuntimeError(f"a herd: {most} renewals within an hour, at most {ledger.herd} expected")


def _figures(year: Year, ledger: Ledger) -> list[Figure]:
    scenario, authority, slack = year.scenario, year.authority, sorted(ledger.slack)
    when, most = ledger.largest_hour()
    denied = sum(authority.denied.values())
    return [
        Figure(name="orders beyond a limit of the CA", value=denied, unit="", note=f"of {authority.answered:,} orders"),
        Figure(
            name="certificates that ended while their DNS was right",
            value=len(ledger.expired),
            unit="",
            note=f"of {scenario.rows:,} in {scenario.days} days, {scenario.dead:.0%} dead, lifetimes 90, 64, 45 days",
        ),
        Figure(name="renewals", value=ledger.renewed, unit="", note=_exempt(dict(authority.exempt))),
        Figure(name="first certificates", value=ledger.first, unit="", note=_waits(ledger)),
        Figure(name="orders in the mean hour", value=ledger.mean_hour, unit="/h"),
        Figure(
            name="orders in the largest hour",
            value=most,
            unit="/h",
            note=f"{most / ledger.mean_hour:.1f} times the mean; {when:%Y-%m-%d %H:00}",
        ),
        Figure(
            name="renewals in the largest hour", value=max(ledger.renewals), unit="/h", note=f"allowed {ledger.herd:,}"
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
