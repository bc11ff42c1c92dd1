"""What a CA's answer means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.core.certificates import Trouble
from orchestrator.plan.certificates.problems import Problem, of_document
from tests.unit.certificates.given import DAY, NOW

ACME = "urn:ietf:params:acme:error:"


def problem(kind: str, detail: str = "", status: int = 400, retry_after: str | None = None, **more: Any) -> Problem:
    return of_document({"type": f"{ACME}{kind}", "detail": detail, **more}, status, retry_after, NOW)


@pytest.mark.parametrize(
    ("kind", "status", "trouble"),
    [
        ("connection", 400, Trouble.VALIDATION),
        ("unauthorized", 403, Trouble.VALIDATION),
        ("dns", 400, Trouble.VALIDATION),
        ("caa", 403, Trouble.VALIDATION),
        ("rejectedIdentifier", 400, Trouble.PERMANENT),
        ("malformed", 400, Trouble.PERMANENT),
        ("accountDoesNotExist", 400, Trouble.ACCOUNT),
        ("externalAccountRequired", 403, Trouble.ACCOUNT),
        ("badNonce", 400, Trouble.TRANSIENT),
        ("serverInternal", 500, Trouble.TRANSIENT),
        ("alreadyReplaced", 409, Trouble.REPLACED),
        ("neverHeardOf", 503, Trouble.TRANSIENT),
        ("neverHeardOf", 0, Trouble.TRANSIENT),
        ("neverHeardOf", 429, Trouble.RATE_LIMITED),
        ("neverHeardOf", 404, Trouble.PERMANENT),
    ],
)
def test_whose_fault_it_is(kind: str, status: int, trouble: Trouble) -> None:
    assert problem(kind, status=status).trouble is trouble


def test_a_deactivated_account_is_no_failed_validation() -> None:
    said = problem("unauthorized", "An account with the provided public key exists but is deactivated", 403)
    assert said.trouble is Trouble.ACCOUNT
    assert problem("unauthorized", "Invalid response from http://a.test/", 403).trouble is Trouble.VALIDATION


def test_a_limit_with_a_header_is_waited_for() -> None:
    """Number 6."""
    assert problem("rateLimited", status=429, retry_after="3600").until == NOW + timedelta(hours=1)
    dated = problem("rateLimited", status=429, retry_after="Wed, 25 Nov 2026 12:00:00 GMT")
    assert dated.until == datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_a_limit_without_a_header_is_read_from_the_text() -> None:
    """Number 7."""
    said = problem("rateLimited", "too many, retry after 2030-01-01 00:00:00 UTC: see https://x", 429)
    assert said.until == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "99999999999999", "Wed, 99 Nov 2026"])
def test_a_limit_that_says_nothing_useful_is_an_hour(header: str | None) -> None:
    assert problem("rateLimited", "no", 429, header).until == NOW + timedelta(hours=1)


def test_a_header_is_not_believed_for_ever() -> None:
    assert problem("rateLimited", status=429, retry_after="999999999").until == NOW + 8 * DAY


def test_a_paused_name_needs_a_person() -> None:
    """Number 8."""
    said = problem("rateLimited", "paused. Please visit: https://portal.test/sfe/v1/unpause?jwt=abc.", 429, "60")
    assert (said.trouble, said.link) == (Trouble.PAUSED, "https://portal.test/sfe/v1/unpause?jwt=abc")


@pytest.mark.parametrize(
    ("anchor", "bucket"),
    [
        ("new-orders-per-account", "orders"),
        ("new-certificates-per-registered-domain", "domain"),
        ("new-certificates-per-exact-set-of-identifiers", "set"),
        ("authorization-failures-per-identifier-per-account", "failures"),
        ("something-new", ""),
    ],
)
def test_the_limit_is_named_by_its_anchor(anchor: str, bucket: str) -> None:
    """Number 9."""
    said = problem("rateLimited", f"see https://letsencrypt.org/docs/rate-limits/#{anchor}", 429, "60")
    assert said.bucket == bucket


def test_the_parts_of_a_problem_name_the_names() -> None:
    parts = [
        {"identifier": {"type": "dns", "value": "a.test"}, "detail": "CAA forbids"},
        {"detail": "something\nelse"},
        "nonsense",
    ]
    said = problem("caa", "Rechecking CAA", 403, subproblems=parts)
    assert said.detail == "Rechecking CAA; a.test: CAA forbids; something else"


def test_a_long_text_is_cut() -> None:
    assert len(problem("dns", "x" * 5000).detail) == 1000


def test_an_answer_that_is_no_problem_document_is_judged_by_its_status() -> None:
    assert of_document({}, 502, None, NOW) == Problem(trouble=Trouble.TRANSIENT, kind="status 502", detail="")
