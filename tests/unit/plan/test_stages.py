"""Customers get a stage for every state there is, and may only do what it allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.core.certificates import CertificateState
from orchestrator.core.states import ServiceStatus, TaskStatus
from orchestrator.plan import stages

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", list(ServiceStatus))
def test_every_state_of_a_service_has_a_stage(status: ServiceStatus) -> None:
    found = stages.stage(status, is_ordered=False)
    assert found.title
    assert found.may_write == (status == ServiceStatus.ACTIVE)
    assert found.may_retry == (status == ServiceStatus.FAILED)


def test_what_is_not_there_yet_is_ordered_or_unknown() -> None:
    assert stages.stage(None, is_ordered=True).kind == "progress"
    assert stages.stage(None, is_ordered=False).kind == "unknown"


@pytest.mark.parametrize("state", list(CertificateState))
def test_every_state_of_a_certificate_has_words(state: CertificateState) -> None:
    word, text = stages.certificate(state)
    assert word
    assert text.endswith(".")


@pytest.mark.parametrize("status", list(TaskStatus))
@pytest.mark.parametrize("unreachable", [0, 1])
def test_every_state_of_a_step_has_words(status: TaskStatus, unreachable: int) -> None:
    assert stages.step(status, 1, unreachable, NOW, NOW)


def test_a_step_that_is_tried_again_says_when_and_why() -> None:
    later = NOW + timedelta(minutes=5)
    assert stages.step("queued", 1, 1, later, NOW) == "the server does not answer; we try again at 12:05:00 UTC"
    assert stages.step("queued", 1, 0, later, NOW).startswith("that did not work; we try again")
