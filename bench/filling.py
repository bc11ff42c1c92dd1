"""Fills a database as years of use would: by SQL alone, a million rows in seconds."""

from __future__ import annotations

from collections.abc import Mapping

from bench.series import parts
from orchestrator.models.base import database as proxy
from orchestrator.store.database import is_sqlite

SERVICES, TASKS, CERTIFICATES, LINES = 10_000, 1_000_000, 200_000, 300_000
_SERVERS = 5


def fill(scale: float = 1.0) -> None:
    """Add services, tasks, log lines, certificates and figures; ``scale`` below 1 for a try."""
    services, tasks = int(SERVICES * scale), int(TASKS * scale)
    _rows("services", services, _service())
    _rows(
        "domain_names",
        services,
        {"name": _joined("'shop'", "seq", "'.test'"), "service_id": "seq", "kind": "'primary'"},
    )
    for role, server in (("web", f"seq % {_SERVERS} + 1"), ("mail", f"(seq + 1) % {_SERVERS} + 1")):
        _rows("placements", services, {"service_id": "seq", "role": f"'{role}'", "server_id": server})
    _rows("tasks", tasks, _task(services))
    _rows("operation_log", int(LINES * scale), _line(services))
    _rows("certificates", int(CERTIFICATES * scale), _certificate())
    for metric in ("disk", "web_disk", "mail_disk"):
        _rows("usage_current", services, _figure(metric, "'bytes'", "seq * 7919 % 100000007 * 64"))
    _rows("usage_current", services, _figure("mailboxes", "'count'", "seq % 9"))
    proxy.execute_sql("ANALYZE" if is_sqlite() else "ANALYZE TABLE tasks, operation_log, certificates, usage_current")


def _service() -> Mapping[str, str]:
    return {
        "id": "seq",
        "domain": _joined("'shop'", "seq", "'.test'"),
        "status": "CASE WHEN seq % 997 = 0 THEN 'failed' WHEN seq % 41 = 0 THEN 'suspended' ELSE 'active' END",
        "mode": "'split'",
        "roles": "'web,mail,dns'",
        "group_id": "1",
        "package_id": "1",
        "limits": "'{}'",
        "username": _joined("'w'", "seq"),
        "uid": "seq + 20000",
        "dkim_public_key": "''",
    }


def _task(services: int) -> Mapping[str, str]:
    """Nearly all are done, over thirty days; some are in error or cancelled, a thousand wait for their time."""
    when = _ago("(seq % 2592000)")
    ended = "WHEN seq % 211 = 0 THEN 'error' WHEN seq % 97 = 0 THEN 'cancelled' ELSE 'done' END"
    status = f"CASE WHEN seq % 1009 = 0 THEN 'queued' {ended}"
    action = (
        "CASE seq % 3 WHEN 0 THEN 'web.domain_present' WHEN 1 THEN 'mail.mailbox_present' ELSE 'dns.zone_present' END"
    )
    return {
        "action": action,
        "service_id": f"seq * 31 % {services} + 1",
        "server_id": f"seq % {_SERVERS} + 1",
        "status": status,
        "attempts": "1",
        "run_after": f"CASE WHEN seq % 1009 = 0 THEN {_ago('-86400')} ELSE {when} END",
        "created_at": when,
        "started_at": when,
        "finished_at": f"CASE WHEN seq % 1009 = 0 THEN NULL ELSE {when} END",
        "error": "CASE WHEN seq % 211 = 0 AND seq % 1009 > 0 THEN 'nginx -t: unknown directive' END",
    }


def _line(services: int) -> Mapping[str, str]:
    return {
        "at": _ago("(seq % 2592000)"),
        "kind": "'attempt'",
        "task_id": "seq",
        "service_id": f"seq * 31 % {services} + 1",
        "server_id": f"seq % {_SERVERS} + 1",
        "action": "'web.domain_present'",
        "outcome": "CASE WHEN seq % 211 = 0 THEN 'failed' ELSE 'changed' END",
        "message": "'it is as it should be'",
    }


def _certificate() -> Mapping[str, str]:
    state = "CASE WHEN seq % 501 = 0 THEN 'frozen' WHEN seq % 77 = 0 THEN 'normal' ELSE 'active' END"
    day = "(seq % 90)"
    end = (
        f"datetime('now', '+' || {day} || ' days') || '.000000'"
        if is_sqlite()
        else f"UTC_TIMESTAMP(6) + INTERVAL {day} DAY"
    )
    start = _ago("864000")
    return {
        "service_id": "seq",
        "role": "'web'",
        "state": state,
        "names": '\'["shop.test","www.shop.test"]\'',
        "misses": "'{}'",
        "thaws": "'[]'",
        "manual": "'[]'",
        "provisioned_at": start,
        "next_check_at": end,
        "serial": "'ab'",
        "issued_names": "'[\"shop.test\"]'",
        "not_before": start,
        "not_after": end,
    }


def _figure(metric: str, unit: str, value: str) -> Mapping[str, str]:
    key = {"service_id": "seq", "metric": f"'{metric}'", "value": value, "unit": unit, "period": "'snapshot'"}
    return {**key, "collected_at": _ago("600")}


def _joined(*parts: str) -> str:
    return " || ".join(parts) if is_sqlite() else f"CONCAT({', '.join(parts)})"


def _ago(seconds: str) -> str:
    if is_sqlite():
        return (
            f"datetime('now', '-' || {seconds} || ' seconds') || '.000000'"
            if seconds[0] != "-"
            else "'2999-01-01 00:00:00.000000'"
        )
    return f"UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND"


def _rows(table: str, count: int, columns: Mapping[str, str]) -> None:
    for series in parts(count):
        text = (
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM {series} AS numbers"
        )
        proxy.execute_sql(text if is_sqlite() else text.replace("%", "%%"))
