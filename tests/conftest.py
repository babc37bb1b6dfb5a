"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os

# Before anything imports torch. Tests run side by side; threads that wait by spinning, OpenMP's default, then take the
# cores from one another: a test of half a second took two minutes (docs/experiments.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Iterator

import pytest
from hypothesis import settings

from ops.images.build import Image
from tests.builders.engine import Engine, built_image, reach_engine
from tests.builders.object_server import ObjectServer, serving

# how long an example takes says nothing of the code on a machine that does other work
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A real object store, one per test process; each test makes buckets of its own."""
    with serving(tmp_path_factory.mktemp("objects")) as server:
        yield server


@pytest.fixture(scope="session")
def reachable_object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """The same, on every address of this machine, so that containers reach it at their bridge's."""
    with serving(tmp_path_factory.mktemp("reachable-objects"), host="0.0.0.0") as server:
        yield server


@pytest.fixture(scope="session")
def docker_engine() -> Engine:
    """A real engine, installed and started where the machine allows it; otherwise the test is skipped."""
    return reach_engine()


@pytest.fixture(scope="session")
def stage_image(docker_engine: Engine) -> Image:
    """evenvoice/stage:local with this checkout's code."""
    return built_image(docker_engine, "stage")


@pytest.fixture(scope="session")
def airflow_image(docker_engine: Engine) -> Image:
    """evenvoice/airflow:local with this checkout's code."""
    return built_image(docker_engine, "airflow")
