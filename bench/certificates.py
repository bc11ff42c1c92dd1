"""Certificates: a pass of the scheduler over many rows, looks at the DNS and at TLS, and what one costs in requests to the CA."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from bench.figures import Figure, percentile
from bench.queue import schema_at
from orchestrator.certs import issuing, tls_probe
from orchestrator.certs.accounts import Accounts
from orchestrator.certs.acme_client import Directory
from orchestrator.certs.dns_lookup import Lookup, Resolvers
from orchestrator.certs.ordering import Desk
from orchestrator.certs.proving import HTTP, Pace
from orchestrator.certs.tls_probe import Place
from orchestrator.config import keys
from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.clock import utc_now
from orchestrator.models.base import database as proxy
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import machine
from orchestrator.store import certificates
from orchestrator.store.database import transaction
from tests.support import acme_proxy, pebble
from tests.support.dns_server import Zone, serve

_ROWS = 200_000
_PASSES = 20
_TAKEN = 64  # certificates that one pass takes
_THREADS, _LOOKS = 16, 400  # as the watcher has them
_NAMES = ("shop{}.test", "www.shop{}.test", "blog.shop{}.test", "news.shop{}.test")
_CERTIFICATES = 20
_TYPICAL = {  # of a row that works
    "state": "active",
    "names": json.dumps(["shop.test", "www.shop.test"]),
    "misses": "{}",
    "thaws": "[]",
    "manual": "[]",
    "serial": "04a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7",
    "issued_names": json.dumps(["shop.test", "www.shop.test"]),
    "renewal_id": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE",
}


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure on SQLite and on loopback; nothing of it needs nodes."""
    del options
    return [*_pass(), *_looks(), *_conversations()]


def _pass() -> list[Figure]:
    """Measure in a process of its own: its memory is only what a pass needs."""
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        url = f"sqlite:///{folder}/tenantry.db"
        with schema_at(url):
            _fill()
        command = [sys.executable, "-m", "bench.certificates", url]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=600, check=True)
    idle, busy, memory = json.loads(done.stdout)
    label = f"{_ROWS:,} certificates"
    return [
        Figure(name=f"pass over {label}, none due", value=percentile(idle, 0.5), unit="ms", note=_worst(idle)),
        Figure(name=f"pass over {label}, {_TAKEN} taken", value=percentile(busy, 0.5), unit="ms", note=_worst(busy)),
        Figure(name="memory of the process at its most", value=memory, unit="MiB", note="resident; aim: under 200"),
    ]


def _worst(values: list[float]) -> str:
    return f"at most {max(values):.1f} ms; aim: under 1000"


def _fill() -> None:
    """Add certificates that work and are looked at within the next six hours."""
    columns = ", ".join(_TYPICAL)
    marks = ", ".join("?" for _ in _TYPICAL)
    soon = "strftime('%Y-%m-%d %H:%M:%f000', 'now', '+' || (600 + seq % 21600) || ' seconds')"
    text = (
        f"WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < {_ROWS}) "
        f"INSERT INTO certificates (service_id, role, provisioned_at, next_check_at, not_before, not_after, {columns}) "
        f"SELECT seq, 'web', strftime('%Y-%m-%d %H:%M:%f000', 'now', '-1 day'), {soon}, "
        f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-30 day'), strftime('%Y-%m-%d %H:%M:%f000', 'now', '+60 day'), {marks} FROM n"
    )
    proxy.execute_sql(text, tuple(_TYPICAL.values()))


def measure(url: str) -> None:
    """Print (milliseconds with none due, with some due, MiB) of passes over a database that is filled."""
    with schema_at(url):
        idle = [_timed(_one_pass) for _ in range(_PASSES)]
        busy = []
        for _ in range(_PASSES):
            due = CertificateRow.select(CertificateRow.id).where(CertificateRow.lease_until.is_null()).limit(_TAKEN)
            CertificateRow.update(next_check_at=utc_now()).where(CertificateRow.id << [row.id for row in due]).execute()
            busy.append(_timed(_one_pass))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([idle, busy, int(peak.split()[1]) / 1024]))


def _one_pass() -> None:
    certificates.lost(50, utc_now())
    certificates.claim("bench", timedelta(minutes=5), _TAKEN, utc_now())


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _looks() -> list[Figure]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tenantry-bench-")))
        ca, lookup = stack.enter_context(pebble.server(folder)), stack.enter_context(_zone())
        place = Place(address="127.0.0.1", port=ca.port, name="localhost")
        names, shown = _rate(lambda: lookup.answers("shop.test").error), _rate(lambda: tls_probe.look(place).error)
    note = f"{_THREADS} at once, loopback; the other end shares the processors"
    return [
        Figure(name="looks at the DNS of a name (A, AAAA, CAA, two name servers)", value=names, unit="/s", note=note),
        Figure(name="looks at what a server shows", value=shown, unit="/s", note=note),
    ]


@contextlib.contextmanager
def _zone() -> Iterator[Lookup]:
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(serve(Zone("127.0.0.2")))
        two = stack.enter_context(serve(Zone("127.0.0.3", port=one.port)))
        resolver = stack.enter_context(serve(Zone("127.0.0.1")))
        for zone in (resolver, one, two):
            zone.add("shop.test", "NS", "ns1.dns.test.", "ns2.dns.test.")
            zone.add("ns1.dns.test", "A", "127.0.0.2")
            zone.add("ns2.dns.test", "A", "127.0.0.3")
            zone.add("shop.test", "A", "192.0.2.1")
        yield Lookup(Resolvers(addresses=("127.0.0.1",), port=resolver.port, authoritative_port=one.port))


def _rate(work: Callable[[], str]) -> float:
    """Return how often a second this can be done; raises when it went wrong once."""
    with ThreadPoolExecutor(_THREADS) as pool:
        began = time.perf_counter()
        errors = set(pool.map(lambda _: work(), range(_LOOKS)))
        seconds = time.perf_counter() - began
    if errors != {""}:
        raise RuntimeError(f"a look failed: {errors}")
    return _LOOKS / seconds


def _conversations() -> list[Figure]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tenantry-bench-")))
        stack.enter_context(schema_at(f"sqlite:///{folder}/tenantry.db"))
        ca = stack.enter_context(pebble.server(folder))
        between = stack.enter_context(acme_proxy.proxy(ca))
        keys.ensure_private_key(folder)
        directory = Directory(url=between.directory, ca_file=ca.ca_file)
        opened = Accounts(directory=directory, storage_key=keys.storage_key(folder), clock=utc_now)
        desk = Desk(accounts=opened, registered_domain=lambda name: name)
        ca.web.thumbprint = issuing.open_account(opened)[0].thumbprint
        before, began = len(between.requests), time.perf_counter()
        for number in range(_CERTIFICATES):
            _issue(desk, number)
        seconds = time.perf_counter() - began
    each = (len(between.requests) - before) / _CERTIFICATES
    note = f"{len(_NAMES)} names each, one after another, from the order to the store"
    return [
        Figure(name="requests to the CA for a certificate", value=each, unit="", note="four names; aim: at most 20"),
        Figure(name="certificates from the CA, no nodes", value=60 * _CERTIFICATES / seconds, unit="/min", note=note),
    ]


def _issue(desk: Desk, number: int) -> None:
    names = [name.format(number) for name in _NAMES]
    transaction(lambda: certificates.wanted({"service_id": number + 1}, {"web": names}, utc_now()))
    [row] = certificates.of_service(number + 1)
    certificates.write(row, machine.ordered(certificates.view(row), utc_now()))
    row = certificates.get(row.id)
    problem = issuing.issue(desk, row, names, "", HTTP, Pace(sleep=lambda _: time.sleep(0.02)))
    if problem is not None:
        raise RuntimeError(f"{problem.kind}: {problem.detail}")


if __name__ == "__main__":
    measure(sys.argv[1])
