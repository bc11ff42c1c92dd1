"""Two servers that have the same zone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import nodes
from lab.config import Lab
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import BOTH, SERVICE, ZONE, at_once, zone
from tests.support.steps import Steps


@pytest.fixture(scope="module")
def servers(lab: Lab, steps: Steps) -> Iterator[Lab]:
    """Yield a lab with two prepared servers that have the zone."""
    nodes.down(lab, BOTH)
    nodes.up(lab, BOTH)

    def build(node: str) -> list[Outcome]:
        return [steps.prepare(node).outcome, zone(steps, node, ZONE, SERVICE).outcome]

    assert at_once(build) == [[Outcome.CHANGED, Outcome.CHANGED]] * 2
    yield lab
    nodes.down(lab, BOTH)
