"""A run's own workspace: whole, repeatable, and with that run's parameters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dags.runs import Run, prune
from dags.workspace import Request, create, publish_lock, run_params
from evenvoice import dvc_lock
from evenvoice.errors import ParamsError, WorkspaceError
from tests.builders.checkout import archive, checkout
from tests.builders.corpora import write_audio, write_manifest


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


def test_the_workspace_of_a_run_has_no_stage_for_arms_that_it_leaves_out(root: Path) -> None:
    run = Run(root, "manual__1")

    create(run, Request(changes={"mitigate.arms": ["placebo", "ewc"]}))

    there, here = (yaml.safe_load((place / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["mitigate"]["matrix"]
                   for place in (root, run.workspace))
    assert set(there["arm"]) > set(here["arm"]) == {"ewc", "placebo"}
    listed = subprocess.run([sys.executable, "-m", "dvc", "stage", "list", "--all", "--name-only"], cwd=run.workspace,
                            capture_output=True, text=True, check=True)
    assert listed.stdout.count("mitigate@") == 2


@pytest.mark.parametrize(("request_", "words"), [
    (Request(profile="huge"), "profile must be one of .*tiny.*, got huge"),
    (Request(changes={"train.steps": 0}), r"train\.steps must be greater than or equal to 1, got 0"),
    (Request(changes={"train.stepz": 5}), r"^SET: train\.stepz must be a known name, got 5 .*you mean train\.steps"),
    (Request(profile="tiny", changes={"train.stepz": 5}), r"^SET: train\.stepz must be a known name"),
    (Request(profile="tiny", changes={"train.steps": 0}), r"^SET: train\.steps must be greater"),
    (Request(changes={"mitigate.arms": ["ewcc"]}), r"^SET: mitigate\.arms\.0 must be one of .*ewc.* you mean ewc\?"),
    (Request(changes={"train": {"steps": 5}}), r"^SET: train must be given by its dotted name train\.steps, got "),
    (Request(changes={"train": 5}), r"^SET: train must be the name of one value, such as train\.encoder, got 5"),
    (Request(changes={"gate.max_gap": "yes"}), r"^SET: gate\.max_gap must be a valid number, got 'yes' instead"),
])
def test_a_refused_request_leaves_nothing_behind(root: Path, request_: Request, words: str) -> None:
    run = Run(root, "manual__1")

    with pytest.raises(ParamsError, match=words):
        create(run, request_)

    assert not run.directory.exists()


@pytest.mark.parametrize(("line", "words"), [
    ("  steps: 0", r"^profiles/mine\.yaml, line 3: train\.steps must be greater than or equal to 1, got 0 instead"),
    ("  stepz: 5", r"^profiles/mine\.yaml, line 3: train\.stepz must be a known name.* Did you mean train\.steps"),
    ("  steps: 01200", r"^profiles/mine\.yaml, line 3: train\.steps must mean the same to every reader of YAML"),
])
def test_a_slip_in_a_profile_is_blamed_on_the_profile(root: Path, line: str, words: str) -> None:
    (root / "profiles" / "mine.yaml").write_text(f"train:\n  size: tiny\n{line}\n", encoding="utf-8")

    with pytest.raises(ParamsError, match=words):
        run_params(root, Request(profile="mine", changes={"train.steps": 7}))


def test_a_slip_in_params_yaml_is_blamed_on_params_yaml(root: Path) -> None:
    text = (root / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(text.replace("max_wer: 0.25", "max_wer: yes"), encoding="utf-8")
    line = text[:text.index("max_wer: 0.25")].count("\n") + 1

    with pytest.raises(ParamsError, match=rf"^params\.yaml, line {line}: gate\.max_wer must be .* number, got 'yes'"):
        run_params(root, Request(profile="tiny", changes={"gate.max_wer": 0.5}))


def test_a_corpus_path_is_meant_from_the_checkout(root: Path) -> None:
    assert run_params(root, Request(corpus="speech/mine"))["ingest"]["corpus"] == str(root / "speech/mine")


def test_a_run_starts_from_the_last_lock_of_its_own_corpus_and_profile(root: Path) -> None:
    first, other, later = (Run(root, f"manual__{number}") for number in range(3))
    create(first, Request())
    dvc_lock.write(first.workspace / "dvc.lock", {"ingest": {"outs": []}, "a stage of last year": {"outs": []}})
    publish_lock(first)

    create(other, Request(profile="tiny"))
    create(later, Request())

    assert not (other.workspace / "dvc.lock").exists()
    assert dvc_lock.entries(later.workspace / "dvc.lock") == {"ingest": {"outs": []}}


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


def test_a_clone_that_git_cannot_read_is_refused(root: Path) -> None:
    (root / ".git" / "HEAD").write_text("nonsense\n", encoding="utf-8")

    with pytest.raises(WorkspaceError, match="must be a git checkout"):
        create(Run(root, "manual__1"), Request())


def test_an_archive_without_git_makes_the_workspace_of_a_clone(root: Path, tmp_path: Path) -> None:
    unpacked = archive(root, tmp_path / "unpacked")
    clone, archived = Run(root, "manual__1"), Run(unpacked, "manual__1")

    create(clone, Request())
    create(archived, Request())

    assert description(archived)["snapshot_sha256"] == description(clone)["snapshot_sha256"]
    assert description(archived)["commit"] == "none"


def test_a_census_that_was_changed_in_place_is_seen_and_one_that_is_missing_leaves_nothing_behind(root: Path) -> None:
    census = root / "census.csv"
    census.write_text("postal_code,share\n10115,0.5\n", encoding="utf-8")
    runs = [Run(root, f"manual__{number}") for number in range(3)]
    request = Request(changes={"ingest.census": "census.csv"})
    create(runs[0], request)
    census.write_text("postal_code,share\n10115,0.6\n", encoding="utf-8")
    create(runs[1], request)
    census.unlink()

    with pytest.raises(ParamsError, match=r"ingest\.census must name a file or folder that exists, got .*census\.csv"):
        create(runs[2], request)

    described = [(run.workspace / "corpus.json").read_text(encoding="utf-8") for run in runs[:2]]
    assert described[0] != described[1]
    assert not runs[2].workspace.exists()


def test_content_that_a_run_has_read_is_known_to_the_runs_after_it(root: Path) -> None:
    write_audio(root / "speech" / "a.flac")
    write_manifest(root / "speech", [{"path": "a.flac", "text": "stop", "speaker": "a"}])
    runs = [Run(root, f"manual__{number}") for number in range(3)]
    for run, verify in zip(runs, (True, False, True), strict=True):
        run.directory.mkdir(parents=True)
        create(run, Request(corpus="speech", verify=verify))

    described = [(run.workspace / "corpus.json").read_text(encoding="utf-8") for run in runs]

    assert described[0] == described[1] == described[2]
    assert json.loads(described[0])["told_by"] == "content"
    notes = [json.loads(line).get("note") for line in runs[2].progress.read_text(encoding="utf-8").splitlines()]
    assert "content of 1 of 1 files is what it was" in notes
    assert not runs[1].progress.exists()
