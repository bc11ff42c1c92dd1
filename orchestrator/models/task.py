"""The queue: tasks, what they wait for, the operations they belong to, and the log of what happened."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, BooleanField, CharField, CompositeKey, IntegerField, TextField

from orchestrator.core.states import TaskStatus
from orchestrator.models.base import BaseModel, JsonField, UtcDateTimeField


class Task(BaseModel):
    """One action on one target. Other programs insert rows here; see docs/reference/database.md."""

    id = BigAutoField()
    action = CharField()
    service_id = BigIntegerField(null=True)
    params = TextField()  # JSON, kept as text: a row that others wrote is parsed when it is claimed
    idempotency_key = CharField(null=True, unique=True)
    requested_by = CharField()
    priority = IntegerField()
    run_after = UtcDateTimeField()
    server_id = IntegerField(null=True)
    operation_id = BigIntegerField(null=True)
    step = CharField()  # unique in the operation: "web.domain_present@web1"
    generation = IntegerField()
    status = CharField()
    attempts = IntegerField()
    unreachable = IntegerField()  # attempts that never reached the server; they have their own budget
    lease_owner = CharField(null=True)
    lease_until = UtcDateTimeField(null=True)
    lease_token = BigIntegerField(null=True)
    cancel_requested = BooleanField()
    blocked_by = BigIntegerField(null=True)  # the task in error that keeps this one waiting
    created_at = UtcDateTimeField()
    started_at = UtcDateTimeField(null=True)
    finished_at = UtcDateTimeField(null=True)
    result = JsonField(null=True)
    error = TextField(null=True)
    lane = CharField()  # generated: "server:service"

    @property
    def is_next(self) -> bool:
        """True when it is taken for a run that is under way, and its turn has not come."""
        return self.status == TaskStatus.RUNNING and self.started_at is None

    @property
    def shown_status(self) -> str:
        """The status as people are told: what is next waits."""
        return TaskStatus.WAITING if self.is_next else self.status

    class Meta:
        """Peewee's options."""

        table_name = "tasks"


class TaskDependency(BaseModel):
    """``task_id`` waits until ``needs_id`` is done."""

    task_id = BigIntegerField()
    needs_id = BigIntegerField()

    class Meta:
        """Peewee's options."""

        table_name = "task_dependencies"
        primary_key = CompositeKey("task_id", "needs_id")


class Operation(BaseModel):
    """The tasks that one intent fanned out into."""

    id = BigAutoField()
    intent = CharField()
    intent_task_id = BigIntegerField()
    service_id = BigIntegerField(null=True)
    generation = IntegerField()
    status = CharField()  # running, done, error, cancelled
    requested_by = CharField()
    error = TextField(null=True)
    created_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True)

    class Meta:
        """Peewee's options."""

        table_name = "operations"


class LogEntry(BaseModel):
    """One line of the operation log; only ever appended."""

    id = BigAutoField()
    at = UtcDateTimeField()
    kind = CharField()  # attempt, planned, superseded, cancelled, rescued, late_result, ...
    task_id = BigIntegerField(null=True)
    operation_id = BigIntegerField(null=True)
    service_id = BigIntegerField(null=True)
    server_id = IntegerField(null=True)
    action = CharField()
    attempt = IntegerField()
    started_at = UtcDateTimeField(null=True)
    outcome = CharField()
    reason = CharField()
    message = TextField()
    detail = JsonField(null=True)
    actor = CharField()

    class Meta:
        """Peewee's options."""

        table_name = "operation_log"


class OutboxRow(BaseModel):
    """A notice to be delivered, written in the transaction that caused it."""

    id = BigAutoField()
    event = CharField()
    subject_key = CharField()  # what it is about: one ticket a key
    payload = JsonField()
    created_at = UtcDateTimeField()
    run_after = UtcDateTimeField()
    attempts = IntegerField()
    spread_at = UtcDateTimeField(null=True)  # when its deliveries were written
    delivered_at = UtcDateTimeField(null=True)  # when the last of them had ended
    error = TextField(null=True)

    class Meta:
        """Peewee's options."""

        table_name = "outbox"
