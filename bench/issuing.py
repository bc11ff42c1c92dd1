"""Certificates through the whole path: looks at DNS and TLS, an order, the proof on the nodes, and what they then serve."""

from __future__ import annotations

import argparse
import time

from bench.figures import Figure, median, percentile
from bench.site import connected, order, wait_for
from demo import certificates
from demo.installation import Installation
from lab import acme, nodes
from orchestrator.models.certificate import CertificateRow, Material
from orchestrator.models.service import Service
from orchestrator.store import tasks

_FIRST = 40_000  # number of the first service
_ROLES = 2  # web and mail have one each
_WAIT_SECONDS = 1800.0


def run(options: argparse.Namespace, site: Installation) -> list[Figure]:
    """Let many services become due at the moment that the installation gets its CA."""
    ids = list(range(_FIRST, _FIRST + options.issued))
    nodes.up(site.lab, [acme.NODE])
    with connected(site):
        for service in ids:
            tasks.enqueue("service.create", service_id=service, params=order(service))
        wait_for(lambda: _count(Service, ids, "status") == len(ids), _WAIT_SECONDS, "all services are active")
        certificates.use_lab(site)
        began, wanted, served = time.monotonic(), _ROLES * len(ids), list[float]()

        def is_done() -> bool:
            count = _count(CertificateRow, ids, "state")
            served.extend([time.monotonic() - began] * (count - len(served)))
            return count == wanted

        try:
            wait_for(is_done, _WAIT_SECONDS, f"{wanted} certificates are served")
        finally:
            site.tenantry("settings", "set", "ssl.directory", "")  # what is measured afterwards has no part of it
        return _figures(wanted, served, _orders(ids))


def _count(model: type[Service] | type[CertificateRow], ids: list[int], column: str) -> int:
    number = Service.id if model is Service else CertificateRow.service_id
    return int(model.select().where((number << ids) & (getattr(model, column) == "active")).count())


def _orders(ids: list[int]) -> int:
    """How many certificates the CA made."""
    ours = CertificateRow.select(CertificateRow.id).where(CertificateRow.service_id << ids)
    return int(Material.select().where(Material.certificate_id << ours).count())


def _figures(wanted: int, served: list[float], made: int) -> list[Figure]:
    note = f"{wanted} at once, {made} made; web with two names, mail with four, on four nodes"
    return [
        Figure(name="certificates, due to served", value=60 * wanted / served[-1], unit="/min", note=note),
        Figure(name="one of them, p50", value=median(served), unit="s"),
        Figure(name="one of them, p95", value=percentile(served, 0.95), unit="s"),
    ]
