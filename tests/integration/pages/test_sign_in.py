"""Signing in to the console, and what keeps others out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from orchestrator.config import keys
from orchestrator.core.clock import utc_now
from orchestrator.models.operator import ConsoleAudit, ConsoleSession, Operator
from orchestrator.models.task import Task
from orchestrator.store import fleet as knobs
from orchestrator.store import operators, tasks
from orchestrator.web.console import site as console_site
from tests.integration.pages.conftest import PASSWORD, Visitor
from tests.support import fleet
from tests.support.bench import Bench

Make = Callable[[], Visitor]


def test_a_session_is_new_at_sign_in_and_the_one_before_ends(visitor: Make, people: dict[str, str]) -> None:
    one = visitor()
    one.cookies["tenantry_session"] = "chosen-by-an-attacker"
    assert one.sign_in(people["admin"]).status_code == 303
    first = one.cookies["tenantry_session"]
    assert first != "chosen-by-an-attacker"
    assert ConsoleSession.select().where(ConsoleSession.digest.contains(first)).count() == 0  # only a digest is kept
    one.sign_in(people["admin"])
    old = visitor()
    old.cookies["tenantry_session"] = first
    assert old.ask("GET", "/console/").status_code == 303
    assert one.ask("GET", "/console/").status_code == 200
    cookie = one.sign_in(people["admin"]).headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/console"))


def test_a_session_ends_by_rest_by_age_and_by_signing_out(visitor: Make, people: dict[str, str]) -> None:
    one = visitor()
    one.sign_in(people["admin"])
    ConsoleSession.update(seen_at=utc_now() - timedelta(minutes=61)).execute()
    assert one.ask("GET", "/console/").status_code == 303
    one.sign_in(people["admin"])
    ConsoleSession.update(expires_at=utc_now() - timedelta(seconds=1)).execute()
    assert one.ask("GET", "/console/").status_code == 303
    one.sign_in(people["admin"])
    assert one.ask("POST", "/console/signout", data={"csrf": one.csrf()}).status_code == 303
    assert ConsoleSession.select().count() == 0
    assert one.ask("GET", "/console/tasks").headers["location"] == "/console/signin?next=/console/tasks"


def test_a_region_that_refreshes_by_itself_keeps_nobody_signed_in(visitor: Make, people: dict[str, str]) -> None:
    one = visitor()
    one.sign_in(people["admin"])
    earlier = utc_now() - timedelta(minutes=30)
    ConsoleSession.update(seen_at=earlier).execute()
    one.ask("GET", "/console/tasks", headers={"X-Auto": "1"})
    assert ConsoleSession.get().seen_at == earlier
    one.ask("GET", "/console/tasks")
    assert ConsoleSession.get().seen_at > earlier


def test_wrong_passwords_let_the_account_rest_and_then_the_right_one_is_refused(
    visitor: Make, people: dict[str, str]
) -> None:
    one = visitor()
    for _ in range(5):
        assert one.sign_in(people["admin"], "a wrong password").status_code == 403
    assert one.sign_in(people["admin"]).status_code == 403
    Operator.update(locked_until=utc_now() - timedelta(seconds=1)).execute()
    assert one.sign_in(people["admin"]).status_code == 303
    refused = ConsoleAudit.select().where((ConsoleAudit.action == "sign in") & (ConsoleAudit.detail == "refused"))
    assert refused.count() == 6


def test_one_address_gets_so_many_attempts(visitor: Make, people: dict[str, str]) -> None:
    one = visitor()
    codes = [one.sign_in(f"nobody{number}", "x").status_code for number in range(25)]
    assert codes[:20] == [403] * 20
    assert 429 in codes[20:]
    assert one.ask("POST", "/console/signin", headers={"X-Real-IP": "192.0.2.7"}).status_code == 429


def test_a_second_factor_is_asked_for_and_no_code_works_twice(
    visitor: Make, people: dict[str, str], bench: Bench
) -> None:
    address = operators.new_totp(keys.storage_key(bench.app.settings.home), people["admin"])
    secret = parse_qs(urlsplit(address).query)["secret"][0]
    assert secret not in Operator.get(Operator.name == people["admin"]).totp
    one = visitor()
    assert one.sign_in(people["admin"]).status_code == 403
    code = pyotp.TOTP(secret).now()
    assert one.sign_in(people["admin"], code=code).status_code == 303
    assert visitor().sign_in(people["admin"], code=code).status_code == 403


def test_a_change_of_password_role_or_state_ends_the_sessions(visitor: Make, people: dict[str, str]) -> None:
    for change in (
        lambda: operators.set_password(people["admin"], PASSWORD),
        lambda: operators.set_role(people["admin"], "admin"),
        lambda: operators.set_active(people["admin"], active=False),
    ):
        one = visitor()
        assert one.sign_in(people["admin"]).status_code == 303
        change()
        assert one.ask("GET", "/console/").status_code == 303
    assert visitor().sign_in(people["admin"]).status_code == 403


@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test", "/console/../../x", "javascript:alert(1)"])
def test_after_signing_in_nobody_is_led_elsewhere(visitor: Make, people: dict[str, str], target: str) -> None:
    form = {"name": people["admin"], "password": PASSWORD, "next": target}
    location = visitor().ask("POST", "/console/signin", data=form).headers["location"]
    assert location.startswith("/console/")
    assert ".." not in location


def routes() -> list[tuple[str, str]]:
    """Return method and path of every route of the console, with numbers and words filled in."""
    found = []
    for part in console_site._PARTS:
        for route in part.router.routes:
            path = re.sub(r"\{(\w+_id|id)\}", "1", route.path)
            path = path.replace("{action}", "retry").replace("{role}", "web").replace("{name}", "redeploy")
            found += [(method, f"/console{path}") for method in sorted(route.methods - {"HEAD"})]
    return found


def test_every_route_but_the_sign_in_asks_who_it_is(visitor: Make, people: dict[str, str]) -> None:
    walked = [(method, path) for method, path in routes() if not path.endswith("/signin")]
    assert len(walked) > 25
    for method, path in walked:
        answer = visitor().ask(method, path, data={} if method == "POST" else None)
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/console/signin"), (method, path)


def test_nothing_changes_without_the_token_of_the_form(visitor: Make, people: dict[str, str]) -> None:
    one, other = visitor(), visitor()
    one.sign_in(people["admin"])
    other.sign_in(people["support"])
    posts = [path for method, path in routes() if method == "POST" and not path.endswith("/signin")]
    for path in posts:
        for token in ("", "0" * 64, other.csrf()):
            assert one.ask("POST", path, data={"csrf": token}).status_code == 403, path
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert one.ask("POST", posts[0], data={"csrf": one.csrf()}, headers=foreign).status_code == 403
    wrong = {"Origin": "https://evil.test"}
    assert one.ask("POST", posts[0], data={"csrf": one.csrf()}, headers=wrong).status_code == 403
    assert one.ask("GET", "/console/").status_code == 200  # nothing of that has signed out


def test_a_rank_may_what_it_may(visitor: Make, people: dict[str, str], bench: Bench) -> None:
    fleet.build()
    task = tasks.enqueue("service.redeploy", service_id=1)
    looker, helper = visitor(), visitor()
    looker.sign_in(people["read-only"])
    helper.sign_in(people["support"])
    sent = {"csrf": looker.csrf()}
    for method, path in routes():
        if method == "POST" and not path.endswith(("/signin", "/signout")):
            assert looker.ask("POST", path, data=sent).status_code == 403, path
    assert looker.ask("GET", "/console/tasks").status_code == 200
    mine = {"csrf": helper.csrf()}
    for path in (
        "settings/tasks.max_attempts",
        "tasks-clean",
        "servers/web1/drain",
        "servers/web1/room",
        f"tasks/{task}/force-fail",
    ):
        assert helper.ask("POST", f"/console/{path}", data=mine | {"value": "7"}).status_code == 403, path
    assert helper.ask("POST", "/console/tasks", data=mine | {"action": "delete", "id": task}).status_code == 403
    assert helper.ask("GET", "/console/services/1/ask/terminate").status_code == 403
    assert knobs.knob_value("tasks.max_attempts") == 5
    assert helper.ask("POST", f"/console/tasks/{task}/cancel", data=mine).status_code == 303
    assert Task.get_by_id(task).status == "cancelled"
    entry = ConsoleAudit.select().order_by(ConsoleAudit.id.desc()).first()
    assert (entry.actor, entry.action, entry.target) == (f"user:{people['support']}", "task cancel", f"task {task}")
