"""A run's own workspace: whole, repeatable, and with that run's parameters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from dags.runs import Run, prune
from dags.workspace import Request, create, publish_lock, run_params
from evenvoice.errors import ParamsError, WorkspaceError
from tests.builders.checkout import checkout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return checkout(tmp_path / "checkout")


def description(run: Run) -> dict[str, object]:
    content: dict[str, object] = json.loads(run.description.read_text(encoding="utf-8"))
    return content


def params(run: Run) -> dict[str, dict[str, object]]:
    content: dict[str, dict[str, object]] = yaml.safe_load((run.workspace / "params.yaml").read_text(encoding="utf-8"))
    return content


def test_the_snapshot_holds_what_git_tracks_and_what_it_would_track(root: Path) -> None:
    (root / "new.py").write_text("not committed yet\n", encoding="utf-8")
    (root / "artifacts").mkdir()
    (root / "artifacts" / "big").write_text("ignored\n", encoding="utf-8")
    run = Run(root, "manual__1")

    create(run, Request())

    assert (run.workspace / "code.py").read_text(encoding="utf-8") == "print('hello')\n"
    assert (run.workspace / "new.py").exists()
    assert not (run.workspace / "artifacts").exists()
    assert description(run)["dirty"] is True


def test_a_clean_checkout_is_recorded_with_its_commit(root: Path) -> None:
    run = Run(root, "manual__1")

    create(run, Request())

    assert description(run)["dirty"] is False
    assert len(str(description(run)["commit"])) == 40


def test_equal_checkouts_have_equal_digests_and_a_changed_byte_another(root: Path) -> None:
    runs = [Run(root, f"manual__{number}") for number in range(3)]
    create(runs[0], Request())
    create(runs[1], Request())
    (root / "code.py").write_text("print('HELLO')\n", encoding="utf-8")
    create(runs[2], Request())

    digests = [description(run)["snapshot_sha256"] for run in runs]

    assert digests[0] == digests[1] != digests[2]


def test_making_a_workspace_again_leaves_its_results_alone(root: Path) -> None:
    run = Run(root, "manual__1")
    create(run, Request())
    (run.workspace / "result").write_text("made by a stage\n", encoding="utf-8")

    create(run, Request())

    assert (run.workspace / "result").exists()


def test_a_half_made_workspace_is_made_anew(root: Path) -> None:
    run = Run(root, "manual__1")
    run.workspace.mkdir(parents=True)
    (run.workspace / "rubbish").write_text("from a snapshot that was killed\n", encoding="utf-8")

    create(run, Request())

    assert not (run.workspace / "rubbish").exists()
    assert (run.workspace / "code.py").exists()


def test_two_run_ids_never_share_a_directory(root: Path) -> None:
    create(Run(root, "manual__a:b"), Request())

    with pytest.raises(WorkspaceError, match="manual__a:b"):
        create(Run(root, "manual__a+b"), Request())


def test_single_values_lie_over_the_profile_and_the_profile_over_params_yaml(root: Path) -> None:
    run = Run(root, "manual__1")

    create(run, Request(profile="tiny", changes={"train.steps": 7, "discover.clusters.restarts": 48}))

    assert params(run)["train"]["steps"] == 7
    assert params(run)["discover"]["clusters"]["restarts"] == 48  # type: ignore[index]
    assert params(run)["train"]["learning_rate"] == run_params(root, Request())["train"]["learning_rate"]
    assert params(run)["discover"]["min_speakers"] == 2


def test_params_yaml_keeps_its_comments_where_nothing_was_changed(root: Path) -> None:
    run = Run(root, "manual__1")

    create(run, Request())

    assert (run.workspace / "params.yaml").read_text(encoding="utf-8").startswith("# Every number")


@pytest.mark.parametrize(("request_", "words"), [
    (Request(profile="huge"), "profile must be one of .*tiny.*, got huge"),
    (Request(changes={"train.steps": 0}), r"train\.steps must be greater than or equal to 1, got 0"),
    (Request(changes={"train.stepz": 5}), r"train\.stepz must be a known name, got 5"),
])
def test_a_refused_request_leaves_nothing_behind(root: Path, request_: Request, words: str) -> None:
    run = Run(root, "manual__1")

    with pytest.raises(ParamsError, match=words):
        create(run, request_)

    assert not run.directory.exists()


def test_a_corpus_path_is_meant_from_the_checkout(root: Path) -> None:
    assert run_params(root, Request(corpus="speech/mine"))["ingest"]["corpus"] == str(root / "speech/mine")


def test_a_run_starts_from_the_last_lock_of_its_own_corpus_and_profile(root: Path) -> None:
    first, other, later = (Run(root, f"manual__{number}") for number in range(3))
    create(first, Request())
    (first.workspace / "dvc.lock").write_text("stages: {ingest: {}}\n", encoding="utf-8")
    publish_lock(first)

    create(other, Request(profile="tiny"))
    create(later, Request())

    assert not (other.workspace / "dvc.lock").exists()
    assert (later.workspace / "dvc.lock").read_text(encoding="utf-8") == "stages: {ingest: {}}\n"


def test_an_interrupted_run_hands_its_checkpoints_to_the_next(root: Path) -> None:
    stopped, later = Run(root, "manual__1"), Run(root, "manual__2")
    create(stopped, Request())
    (stopped.workspace / "checkpoints" / "base").mkdir(parents=True)
    (stopped.workspace / "checkpoints" / "base" / "latest").write_text("step 400\n", encoding="utf-8")
    stopped.finish("failed")

    create(later, Request())

    assert (later.workspace / "checkpoints" / "base" / "latest").read_text(encoding="utf-8") == "step 400\n"


def test_only_finished_runs_are_pruned_and_the_newest_stay(root: Path) -> None:
    runs = [Run(root, f"manual__{number}") for number in range(4)]
    for run in runs:
        create(run, Request())
    for run in runs[1:]:
        run.finish("success")

    removed = prune(root, keep=1)

    assert len(removed) == 2
    assert runs[0].workspace.exists()
    assert sum(run.workspace.exists() for run in runs[1:]) == 1


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    (root / ".git").rename(tmp_path / "elsewhere")

    with pytest.raises(WorkspaceError, match="must be a git checkout"):
        create(Run(root, "manual__1"), Request())
