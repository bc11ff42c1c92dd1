"""The HTTP API: who may, what is written, what is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.core.clock import utc_now
from orchestrator.models.access import ApiToken, AuditRow
from orchestrator.models.task import Task
from orchestrator.store import access
from orchestrator.web import routes as web_routes
from orchestrator.web import stream
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.http_api import Api, serving, token

ORDER = {"domain": "shop.test", "package": "small", "group": "standard"}
PUBLIC = {"/v1/services/{service_id}/events": "read", "/v1/openapi.json": "read"}  # not in the document


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    """Yield the API over the bench's database."""
    with serving(bench.app) as running:
        yield running


def test_an_order_by_http_becomes_an_active_service(api: Api, bench: Bench) -> None:
    fleet.build()
    writer, reader, monitor = token("w", "write"), token("r", "read"), token("m", "monitor")
    wish = {"action": "service.create", "service_id": 1001, "params": ORDER, "idempotency_key": "one"}
    answer = api.ask("POST", "/v1/tasks", writer, json=wish)
    assert answer.status_code == 202, answer.text
    again = api.ask("POST", "/v1/tasks", writer, json=wish)
    assert (again.status_code, Task.select().count()) == (409, 1)
    assert Task.get().requested_by == "api:w"
    bench.settle()

    def read(path: str) -> Any:
        found = api.ask("GET", path, reader)
        assert found.status_code == 200, found.text
        return found.json()

    assert read(f"/v1/tasks/{answer.json()['id']}")["status"] == "done"
    assert read("/v1/services/1001")["status"] == "active"
    assert [row["id"] for row in read("/v1/services")] == [1001]
    steps = read("/v1/services/1001/timeline")
    assert {step["status"] for step in steps} == {"done"}
    assert read("/v1/services/1001/usage") == []
    assert {row["role"] for row in read("/v1/services/1001/certificates")} == {"web", "mail"}
    events = api.ask("GET", "/v1/services/1001/events", reader).text
    assert events.startswith("event: timeline\ndata: {")
    assert events.endswith("event: end\ndata: {}\n\n")
    figures = api.ask("GET", "/metrics", monitor).text
    assert 'tenantry_services{status="active"} 1' in figures
    assert api.ask("GET", "/ready", monitor).json() == {"status": "ok"}
    rows = [(row.token, row.method, row.status) for row in AuditRow.select().order_by(AuditRow.id)]
    assert rows == [("w", "POST", 202), ("w", "POST", 409)]


def test_a_plan_is_asked_for_like_anything_else(api: Api, bench: Bench) -> None:
    fleet.build()
    writer, reader = token("w", "write"), token("r", "read")
    api.ask("POST", "/v1/tasks", writer, json={"action": "service.create", "service_id": 1001, "params": ORDER})
    bench.settle()
    wish = {"action": "service.plan", "service_id": 1001, "params": {"action": "service.redeploy"}}
    assert api.ask("POST", "/v1/tasks", reader, json=wish).status_code == 403
    answer = api.ask("POST", "/v1/tasks", writer, json=wish)
    bench.settle()
    found = api.ask("GET", f"/v1/tasks/{answer.json()['id']}", reader).json()
    assert (found["status"], found["operation_id"], found["requested_by"]) == ("done", None, "api:w")
    assert {step["status"] for step in api.ask("GET", "/v1/services/1001/timeline", reader).json()} == {"done"}


@pytest.mark.parametrize(
    ("wish", "code", "told"),
    [
        ({"action": "service.create", "service_id": 1, "params": {}}, 422, "domain"),
        ({"action": "no.such", "service_id": 1}, 422, "action"),
        ({"action": "service.repair"}, 422, "service_id"),
        ({"action": "service.plan", "service_id": 1, "params": {"action": "service.plan"}}, 422, "has no plan"),
        (
            {"action": "service.plan", "service_id": 1, "params": {"action": "service.repair", "params": {"x": 1}}},
            422,
            "params.x",
        ),
        ({"action": "service.repair", "service_id": 1, "status": "done"}, 422, "status"),
        (
            {"action": "service.create", "service_id": 1, "params": {**ORDER, "password_sealed": "canary"}},
            422,
            "password",
        ),
        ([], 422, "body"),
    ],
)
def test_a_bad_wish_is_told_and_not_written(api: Api, wish: object, code: int, told: str) -> None:
    answer = api.ask("POST", "/v1/tasks", token("w", "write"), json=wish)
    assert (answer.status_code, told in answer.json()["detail"]) == (code, True), answer.text
    assert "canary" not in answer.text
    assert Task.select().count() == 0


def test_every_route_refuses_who_may_not(api: Api, bench: Bench) -> None:
    document = bench_document(api)
    wanted = {(path, method): scope for path, method, scope in routes(document)}
    known = {route.path for router in (web_routes.router, stream.router) for route in router.routes}
    assert {path for path, _ in wanted} == known, "no route is left out here"
    secrets = {scope: token(scope, scope) for scope in access.SCOPES}
    expired = token("expired", *access.SCOPES)
    ApiToken.update(expires_at=utc_now() - timedelta(seconds=1)).where(ApiToken.name == "expired").execute()
    revoked = token("revoked", *access.SCOPES)
    access.revoke("revoked")
    for (path, method), scope in wanted.items():
        place = path.format(service_id=1, task_id=1)
        for bad in (None, "", "wrong", "tnt_ä".encode().decode("latin-1"), expired, revoked, secrets[scope][:-1]):
            assert api.ask(method, place, bad).status_code == 401, (path, bad)
        for other in set(access.SCOPES) - {scope}:
            assert api.ask(method, place, secrets[other]).status_code == 403, (path, other)
        assert api.ask(method, place, secrets[scope]).status_code not in (401, 403, 500), path
    stored = json.dumps([row.__data__ for row in ApiToken.select()], default=str)
    assert not any(secret in stored for secret in (*secrets.values(), expired))


def bench_document(api: Api) -> dict[str, object]:
    """Return the OpenAPI document."""
    found: dict[str, object] = api.ask("GET", "/v1/openapi.json", token("doc", "read")).json()
    return found


def routes(document: dict[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield (path, method, the scope it wants) of every route."""
    for path, methods in document["paths"].items():
        for method in methods:
            yield path, method, scope_of(path, method)
    for path, scope in PUBLIC.items():
        yield path, "get", scope


def scope_of(path: str, method: str) -> str:
    if path.endswith("/link"):
        return "link"
    return "write" if method == "post" else "read" if path.startswith("/v1") else "monitor"


def test_who_asks_too_often_is_told_to_wait(bench: Bench) -> None:
    with serving(bench.app, per_second=0.01, burst=3) as api:
        secret, other = token("busy", "read"), token("other", "read")
        codes = [api.ask("GET", "/v1/services", secret).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        assert api.ask("GET", "/v1/services", other).status_code == 200
        guesses = [api.ask("GET", "/v1/services", f"tnt_{number}").status_code for number in range(5)]
        assert guesses == [401, 401, 401, 429, 429]


def test_a_body_without_a_length_or_too_long_is_refused(api: Api) -> None:
    secret = token("w", "write")
    assert api.ask("POST", "/v1/tasks", secret, data=iter([b"{}"])).status_code == 422
    assert api.ask("POST", "/v1/tasks", secret, data=b" " * (2**20 + 1)).status_code == 422
