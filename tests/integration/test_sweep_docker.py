"""The sweep of test_sweep_process.py with stages in containers of a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dags.dvc_graph import load_graph
from dags.pipelines import RECOGNISER
from dags.runners.docker import IMAGE, DockerRunner
from dags.runs import Run
from ops.images.build import Image
from tests.builders.engine import Engine
from tests.builders.sweep import (
    begin,
    below,
    changes_of,
    expected,
    finish,
    found,
    steps,
    sweep_checkout,
    sweep_image,
    work_off,
)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, docker_engine: Engine, stage_image: Image) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("sweep")
    root = sweep_checkout(directory / "evenvoice")
    (directory / "image").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(IMAGE, sweep_image(docker_engine.client.path, root, directory / "image"))
        yield root


def one_run(root: Path, name: str, changes: dict[str, object]) -> tuple[Run, frozenset[str]]:
    run = begin(root, name, DockerRunner(), changes)
    worked = work_off(run, DockerRunner)
    finish(run)
    assert found(run.workspace) == expected(run.workspace)
    return run, worked


@pytest.fixture(scope="module")
def first(root: Path) -> Run:
    run, worked = one_run(root, "first", {})
    assert worked == set(load_graph(root).leading_to(RECOGNISER.last).names)
    return run


def test_changes_run_exactly_what_lies_below_them_and_going_back_runs_nothing(root: Path, first: Run) -> None:
    changes: dict[str, object] = {}
    for sections in steps():
        changes |= changes_of(sections)
        run, worked = one_run(root, f"changed-{sections[0]}", changes)

        assert worked == below(load_graph(run.workspace), changes_of(sections)), sections

    back, worked = one_run(root, "back", {})

    assert worked == frozenset()
    assert found(back.workspace) == found(first.workspace)
