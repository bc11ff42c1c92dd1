"""Figures in Prometheus's text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.plan.usage.metrics import METRICS
from orchestrator.store import execution, notices, usage_statistics, views

CONTENT_TYPE = "text/plain; version=0.0.4"
_Samples = Iterable[tuple[Mapping[str, str], int]]


def metrics() -> str:
    """Return how many services and tasks there are by status, notices that do not get through, and sums of usage."""
    failing, given_up = notices.undelivered()
    lines = [
        *_samples(
            "tenantry_attempts_total",
            "How attempts were started, and why not faster",
            [({"way": way}, number) for way, number in execution.totals().items()],
            "counter",
        ),
        *_gauge("tenantry_services", "Services by status", _by_status("v_services")),
        *_gauge("tenantry_tasks", "Tasks by status", _by_status("v_tasks")),
        *_gauge(
            "tenantry_notices_undelivered",
            "Notices that wait for another attempt or were given up",
            [({"state": "waiting"}, failing), ({"state": "given_up"}, given_up)],
        ),
        *_gauge(
            "tenantry_usage",
            "Sum over all services; of a counter that of the running month",
            [({"metric": name, "unit": METRICS[name].unit}, value) for name, value in usage_statistics.whole().items()],
        ),
    ]
    return "\n".join(lines) + "\n"


def _by_status(view: str) -> list[tuple[Mapping[str, str], int]]:
    return [({"status": status}, number) for status, number in sorted(views.counts(view).items())]


def _gauge(name: str, help_: str, samples: _Samples) -> list[str]:
    return _samples(name, help_, samples, "gauge")


def _samples(name: str, help_: str, samples: _Samples, kind: str) -> list[str]:
    head = [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
    return head + [f"{name}{{{_labels(labels)}}} {value}" for labels, value in samples]


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
