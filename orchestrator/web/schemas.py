"""What goes in and out, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Id = int
MAXIMUM_ID = 2**63 - 1


class Wish(BaseModel):
    """A request as a row of `tasks`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    action: str = Field(min_length=1, max_length=64, examples=["service.suspend"])
    service_id: int = Field(ge=1, le=999_999_999)
    params: dict[str, Any] = Field(default_factory=dict, description="See the action's parameters")
    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern="^[ -~]+$",
        description="A second request with it is refused",
    )
    priority: int = Field(default=100, ge=0, le=1000)


class Accepted(BaseModel):
    """A request was written down."""

    id: int


class Link(BaseModel):
    """Where a customer's page is, for a while."""

    path: str
    expires_at: str


class Problem(BaseModel):
    """What went wrong and what to do."""

    detail: str


class Service(BaseModel):
    """A row of v_services."""

    id: int
    domain: str
    status: str
    mode: str
    error: str | None
    servers: str | None
    updated_at: str


class Task(BaseModel):
    """A row of v_tasks."""

    id: int
    action: str
    service_id: int | None
    server: str | None
    operation_id: int | None
    status: str
    attempts: int
    requested_by: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    error: str | None


class Step(BaseModel):
    """A row of v_timeline."""

    operation_id: int
    service_id: int | None
    step: str
    server: str | None
    status: str
    attempts: int
    started_at: str | None
    finished_at: str | None
    error: str | None


class Figure(BaseModel):
    """A row of v_usage."""

    service_id: int
    metric: str
    value: int
    unit: str
    period: str
    collected_at: str


class Certificate(BaseModel):
    """A row of v_certificates."""

    service_id: int
    role: str
    state: str
    source: str
    names: str
    not_after: str | None
    error: str | None
    updated_at: str


class Health(BaseModel):
    """Whether it is well."""

    status: str
