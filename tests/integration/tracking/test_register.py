"""One version per inputs, whatever fails in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
import sqlalchemy.event

from evenvoice.errors import TrackingError, TransientError
from evenvoice.tracking.names import RECOGNISER
from tests.builders.registry import World

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


def test_a_run_that_was_not_recorded_is_not_registered(world: World) -> None:
    with pytest.raises(TrackingError, match="be recorded first"):
        world.register(world.run("run-1"))


def test_a_version_carries_its_lineage_and_the_run_links_to_it(world: World) -> None:
    files = world.registered("run-1")
    tags = world.store.version(1).tags
    assert tags["evenvoice.verdict"] == "PASS"
    assert tags["evenvoice.arm"] == "ewc"
    assert tags["evenvoice.dag_run"] == "run-1"
    assert tags["evenvoice.data"] == files.data_hash()
    assert world.store.alias("challenger") == 1
    run = world.store.find_run("run-1")
    assert run is not None
    assert run.tags["evenvoice.model_version"] == "1"


def test_the_same_inputs_of_another_run_are_the_same_version(world: World) -> None:
    world.registered("run-1")
    again = world.run("run-2")
    world.record(again)
    assert world.register(again).version == 1
    run = world.store.find_run("run-2")
    assert run is not None
    assert run.tags["evenvoice.model_version"] == "1"


@pytest.mark.parametrize("other", [{"model": 1}, {"verdict": "FAIL"}])
def test_other_weights_or_another_verdict_are_another_version(world: World, other: dict[str, object]) -> None:
    world.registered("run-1")
    world.registered("run-2", **other)
    assert world.store.alias("challenger") == 2


@pytest.mark.parametrize("call", ["create_model_version", "set_registered_model_alias"])
def test_mlflow_down_in_the_middle_of_registering_leaves_one_version(
        world: World, fail_once: Callable[[str], None], call: str) -> None:
    files = world.run("run-1")
    world.record(files)
    fail_once(call)
    with pytest.raises(TransientError):
        world.register(files)
    assert world.register(files).version == 1
    assert world.store.alias("challenger") == 1
    assert len(world.store._client.search_model_versions(f"name = '{RECOGNISER.model}'")) == 1
    logged = list((world.location.home / "mlflow/artifacts/models").iterdir())
    assert len(logged) == 1


def test_a_locked_database_is_worth_another_try(world: World) -> None:
    files = world.run("run-1")
    sqlalchemy.event.listen(world.store._client._tracking_client.store.engine, "before_cursor_execute", wait_less,
                            retval=True)
    holder = sqlite3.connect(world.location.database or "", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TransientError, match="locked"):
            world.record(files)
    finally:
        holder.close()
    assert world.record(files).verdict == "PASS"


def wait_less(_connection: object, _cursor: object, statement: str, parameters: object, _context: object,
              _many: bool) -> tuple[str, object]:
    """MLflow waits 20 s for a lock, in every session."""
    return statement.replace("busy_timeout = 20000", "busy_timeout = 10"), parameters
