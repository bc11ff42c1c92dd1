"""The select of whole rows says what Peewee's own says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from peewee import Model, ModelSelect, MySQLDatabase, SqliteDatabase

from orchestrator.models.base import database
from orchestrator.models.service import Placement, Service
from orchestrator.models.task import Task


@pytest.fixture(params=[SqliteDatabase, MySQLDatabase])
def _of_kind(request: pytest.FixtureRequest) -> Iterator[None]:
    before = database.obj
    database.initialize(request.param("nowhere"))
    yield
    database.initialize(before)


def peewees(model: type[Model]) -> ModelSelect:
    return ModelSelect(model, model._meta.sorted_fields, is_default=True)


@pytest.mark.usefixtures("_of_kind")
def test_it_is_peewees_own_text() -> None:
    for model in (Task, Service, Placement):
        first, own, theirs = model._meta.sorted_fields[0], model.select(), peewees(model)
        assert own.sql() == theirs.sql()
        assert own.where(first == 3).limit(1).sql() == theirs.where(first == 3).limit(1).sql()
    inner = [select.where(Task.status == "done") for select in (Task.select(), peewees(Task))]
    assert Service.select().where(Service.id << inner[0]).sql() == peewees(Service).where(Service.id << inner[1]).sql()
    joined = [one.join(Service, on=(Service.id == Task.service_id)) for one in (Task.select(), peewees(Task))]
    assert joined[0].sql() == joined[1].sql()
