"""The texts of notices and where they go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.channels import from_environment
from orchestrator.config.knobs import EVENTS as KNOBS_OF_EVENTS
from orchestrator.config.knobs import KNOBS
from orchestrator.core.errors import InvalidInput
from orchestrator.plan import notices

DEFAULTS = {name: knob.default for name, knob in KNOBS.items()}


@given(st.text(max_size=5000))
def test_a_quotation_is_bounded_and_holds_no_markup(text: str) -> None:
    inner = notices.quoted(text).removeprefix("```\n").removesuffix("\n```")
    assert len(inner.encode()) <= notices.QUOTE_BYTES
    assert not set("`{}<>[]\r\x00\x1b\u202e") & set(inner)


@pytest.mark.parametrize("event", notices.EVENTS)
@given(value=st.text(max_size=300))
def test_every_text_takes_any_value(event: str, value: str) -> None:
    names = ("service", "server", "domain", "metric", "role", "action", "task", "names", "error")
    made = notices.message(event, dict.fromkeys(names, value), 1, "2026-01-01")
    assert "\n" not in made.title
    assert len(made.title) < 600
    assert made.reference == notices.message(event, {}, 1, "2026-01-01").reference


def test_every_event_has_a_knob_that_switches_it_off_and_every_knob_an_event() -> None:
    assert {one.knob for one in notices.EVENTS.values()} == set(KNOBS_OF_EVENTS)
    for event, one in notices.EVENTS.items():
        assert notices.ways(event, {}, DEFAULTS, "a@b.example", ("email", "webhook"))
        off = {**DEFAULTS, f"events.{one.knob}": False}
        assert notices.ways(event, {}, off, "a@b.example", ("email", "webhook")) == []


def test_a_failure_never_goes_to_the_customer() -> None:
    knobs = {**DEFAULTS, "tickets.enabled": True, "notices.mail_to": "noc@p.example, ops@p.example"}
    found = notices.ways(notices.FAILED, {}, knobs, "anna@customer.example", ("ticket", "email"))
    assert found == [("ticket", ""), ("email", "noc@p.example"), ("email", "ops@p.example")]


def test_pauses_grow_and_stay_at_an_hour() -> None:
    seconds = [notices.pause(attempts).total_seconds() for attempts in range(12)]
    assert seconds == sorted(seconds)
    assert (seconds[0], seconds[-1]) == (60, 3600)


@pytest.mark.parametrize(
    ("env", "field"),
    [
        ({"TENANTRY_WHMCS_URL": "http://billing.example/api.php"}, "TENANTRY_WHMCS_URL"),
        ({"TENANTRY_WHMCS_URL": "https://billing.example/api.php"}, "TENANTRY_WHMCS_IDENTIFIER"),
        ({"TENANTRY_WEBHOOK_URL": "https://h.example/"}, "TENANTRY_WEBHOOK_SECRET"),
        ({"TENANTRY_SMTP_URL": "smtp://mail.example"}, "TENANTRY_MAIL_FROM"),
        ({"TENANTRY_SMTP_URL": "smtp://mail.example:x"}, "TENANTRY_SMTP_URL"),
        ({"TENANTRY_SMTP_URL": "http://mail.example"}, "TENANTRY_SMTP_URL"),
    ],
)
def test_a_wrong_way_out_is_named(env: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_environment(env)
    assert caught.value.field == field


def test_secrets_do_not_show_and_plain_smtp_is_for_loopback_only() -> None:
    env = {"TENANTRY_SMTP_URL": "smtp://me:canary@mail.example", "TENANTRY_MAIL_FROM": "a@b.example"}
    found = from_environment(env)
    assert "canary" not in repr(found)
    assert (found.smtp_port, found.smtp_tls, found.smtp_password) == (587, "starttls", "canary")
    local = from_environment({**env, "TENANTRY_SMTP_URL": "smtp://127.0.0.1:25"})
    assert local.smtp_tls == "none"
