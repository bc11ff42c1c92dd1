"""What a playbook refuses before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.tenantry.hosting.plugins.action.preflight import refusal

from orchestrator.execute.job import CANARY

ACTION, ACCEPTS = "web.domain_present", ("domain", "username")
JOB: dict[str, Any] = {"action": ACTION, "canary": CANARY, "params": {"domain": "shop.test"}}


@pytest.mark.parametrize(
    "job",
    [
        JOB,
        {"action": ACTION, "params": {}},  # by hand: without a canary
        {**JOB, "service": {"id": 1}, "fence": {}},
        {**JOB, "params": {"domain": "{{ 1+1 }}", "username": "w1"}},
    ],
)
def test_a_job_for_this_playbook_passes(job: object) -> None:
    assert refusal(job, ACTION, ACCEPTS) == ""


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (None, "no object"),
        ([], "no object"),
        ({"action": ACTION}, "no object with params"),
        ({"action": ACTION, "params": [1]}, "no object with params"),
        ({"params": {}}, "is for no action, but this playbook does web.domain_present"),
        ({**JOB, "action": "web.domain_absent"}, "is for web.domain_absent"),
        ({**JOB, "action": "x" * 500}, "xxx..."),
        ({**JOB, "canary": "2"}, "not read as plain data"),
        ({**JOB, "canary": None}, "not read as plain data"),
        (
            {**JOB, "params": {"domain": "x", "uid": 0}},
            "params: uid is not known; web.domain_present takes domain, username",
        ),
    ],
)
def test_anything_else_is_refused_with_a_reason(job: object, said: str) -> None:
    assert said in refusal(job, ACTION, ACCEPTS)
    assert len(refusal(job, ACTION, ACCEPTS)) < 400
