"""What reconciliation calls a difference, and what it would ask for."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import Desired, ServiceStatus
from orchestrator.plan.reconcile import Standing, compare, read_list

D, S = Desired, ServiceStatus


def standing(billing: Desired | None, desired: Desired | None, status: ServiceStatus | None, **more: Any) -> Standing:
    return Standing(service=7, billing=billing, desired=desired, status=status, **more)


@pytest.mark.parametrize(
    ("billing", "desired", "status"),
    [
        (D.ACTIVE, D.ACTIVE, S.ACTIVE),
        (D.SUSPENDED, D.SUSPENDED, S.SUSPENDED),
        (D.TERMINATED, D.TERMINATED, S.TERMINATED),
        (D.TERMINATED, D.SUSPENDED, S.PENDING_TERMINATE),  # its time of grace runs
        (D.TERMINATED, None, None),
        (None, D.ACTIVE, S.ACTIVE),
    ],
)
def test_agreement_is_no_difference(billing: Desired | None, desired: Desired | None, status: ServiceStatus) -> None:
    assert compare(standing(billing, desired, status)) is None


@pytest.mark.parametrize(
    ("billing", "desired", "status", "between", "action"),
    [
        (D.SUSPENDED, D.ACTIVE, S.ACTIVE, "billing", "service.suspend"),
        (D.ACTIVE, D.SUSPENDED, S.SUSPENDED, "billing", "service.unsuspend"),
        (D.TERMINATED, D.ACTIVE, S.ACTIVE, "billing", "service.terminate"),
        (D.TERMINATED, D.ACTIVE, S.FAILED, "billing", "service.terminate"),
        (D.ACTIVE, D.TERMINATED, S.TERMINATED, "billing", ""),
        (D.ACTIVE, D.SUSPENDED, S.PENDING_TERMINATE, "billing", ""),
        (D.ACTIVE, None, None, "billing", ""),
        (D.ACTIVE, D.ACTIVE, S.FAILED, "state", "service.redeploy"),
        (None, D.SUSPENDED, S.SUSPENDING, "state", "service.suspend"),
        (D.TERMINATED, D.TERMINATED, S.FAILED, "state", "service.terminate"),
    ],
)
def test_a_difference_names_what_mends_it(
    billing: Desired | None, desired: Desired | None, status: ServiceStatus | None, between: str, action: str
) -> None:
    found = compare(standing(billing, desired, status))
    assert found is not None
    assert (found.between, found.action) == (between, action)
    assert compare(standing(billing, desired, status, is_busy=True)) is None


def test_a_service_that_billing_does_not_know_is_never_removed_by_itself() -> None:
    found = compare(standing(None, D.ACTIVE, S.ACTIVE, is_listed=False))
    assert found is not None and found.action == ""
    assert "billing does not know it" in found.found


def test_a_refusal_is_told() -> None:
    found = compare(standing(D.ACTIVE, None, None, refused="domain: is taken"))
    assert found is not None and "domain: is taken" in found.found


def test_a_list_of_whmcs_is_read() -> None:
    text = "id,domainstatus\n1,Active\n2,Suspended\n\n3,Cancelled\n4,Fraud\n5,Pending\n"
    assert read_list(text) == {1: D.ACTIVE, 2: D.SUSPENDED, 3: D.TERMINATED, 4: D.TERMINATED, 5: None}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "names no service"),
        ("id,status\n", "names no service"),
        ("1,Active\nx,Active\n", "line 2"),
        ("1,Active\n2\n", "line 2"),
        ("1,Sleeping\n", "line 1"),
        ("1,Active\n1,Suspended\n", "service 1 again"),
        ("\N{SUPERSCRIPT TWO},Active\n1,Active\n-3,Active\n", "line 1"),
    ],
)
def test_a_list_that_cannot_be_read_names_the_line(text: str, line: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_list(text)
    assert line in str(refused.value)
