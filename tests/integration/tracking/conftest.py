"""An MLflow of its own for every test, made from one empty database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evenvoice.tracking.location import Location
from evenvoice.tracking.store import Store
from tests.builders.models import tiny_recogniser
from tests.builders.registry import World


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: its migrations take seconds, so they run once."""
    home = tmp_path_factory.mktemp("template")
    Store(Location(home=home, tracking_uri=f"sqlite:///{home}/mlflow.db"))
    return home / "mlflow.db"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two recognisers with different weights."""
    root = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        tiny_recogniser(seed=seed).save(root / str(seed))
    return root / "0", root / "1"


@pytest.fixture
def world(tmp_path: Path, database: Path, models: tuple[Path, Path]) -> World:
    return World(tmp_path, database, models)


@pytest.fixture
def fail_once(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the next call of a method of the MLflow client fail as a server that went away does."""
    def arrange(method: str) -> None:
        from mlflow.exceptions import MlflowException

        whole = getattr(world.store._client, method)

        def failing(*_arguments: object, **_named: object) -> None:
            monkeypatch.setattr(world.store._client, method, whole)
            raise MlflowException("API request failed: connection refused")

        monkeypatch.setattr(world.store._client, method, failing)

    return arrange
