"""Which stages a run works on, by DVC's own answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dags.dvc_graph import load_graph
from dags.plan import forced_stages, make_plan, read_plan
from dags.runs import Run
from dags.workspace import Request, create, publish_lock
from evenvoice.errors import ParamsError
from tests.builders.checkout import small_checkout

EVERYTHING = {"first", "second@a", "second@b", "report"}


def planned(root: Path, run_id: str, request: Request | None = None) -> Run:
    run = Run(root, run_id)
    create(run, request or Request())
    make_plan(run)
    return run


def reproduce(run: Run) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=run.workspace, check=True)
    publish_lock(run)


def test_only_what_changed_and_what_lies_behind_it_is_stale(tmp_path: Path) -> None:
    root = small_checkout(tmp_path / "checkout")

    fresh = planned(root, "manual__1")
    assert read_plan(fresh).stale == EVERYTHING
    reproduce(fresh)

    unchanged = planned(root, "manual__2")
    assert read_plan(unchanged).stale == set()
    assert (unchanged.workspace / "out" / "report").read_text(encoding="utf-8") == "hello\n"

    forced = planned(root, "manual__3", Request(force_stage="second@a"))
    assert read_plan(forced).stale == {"second@a", "report"}
    assert read_plan(forced).forced == {"second@a"}

    changed = planned(root, "manual__4", Request(changes={"seed": 7}))
    assert read_plan(changed).stale == EVERYTHING


def test_a_group_forces_all_of_its_items_and_no_one_else(tmp_path: Path) -> None:
    graph = load_graph(small_checkout(tmp_path / "checkout"))

    assert forced_stages(graph, everything=False, stage="second") == {"second@a", "second@b"}
    assert forced_stages(graph, everything=False, stage="") == set()
    assert forced_stages(graph, everything=True, stage="") == EVERYTHING


def test_an_unknown_stage_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    graph = load_graph(small_checkout(tmp_path / "checkout"))

    with pytest.raises(ParamsError, match=r"force_stage must be one of first, second@a, .*, got fourth"):
        forced_stages(graph, everything=False, stage="fourth")
