"""The whole road with the tiny profile, through Airflow, as a person walks it: run, run again, change one number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders.checkout import full_checkout


@dataclass(frozen=True)
class Walk:
    """One `make run`."""

    output: str
    states: dict[str, str]
    """Stage -> how it ended."""


def walk(root: Path, *options: str, expected: int = 0) -> Walk:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW", "EVENVOICE"))}
    before = set((root / ".evenvoice" / "runs").glob("*"))
    done = subprocess.run([sys.executable, "-m", "ops", "run", "--profile", "tiny", *options], cwd=root, env=env,
                          capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stdout[-4000:] + done.stderr[-4000:]
    [run] = set((root / ".evenvoice" / "runs").glob("*")) - before
    events = [json.loads(line) for line in (run / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
    return Walk(done.stdout, {event["stage"]: event["state"] for event in events if "state" in event})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_checkout(tmp_path_factory.mktemp("clone") / "evenvoice")


@pytest.fixture(scope="module")
def first(root: Path) -> Walk:
    return walk(root)


def verdict(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "reports" / "verdict.json").read_text(encoding="utf-8"))
    return content


def test_a_fresh_clone_ends_in_a_verdict_and_a_registered_version(root: Path, first: Walk) -> None:
    assert set(first.states.values()) == {"done"}
    assert "mitigate@ewc" in first.states
    assert "mitigate@frozen" not in first.states
    assert "left out by mitigate.arms: l2sp, frozen, interpolate, rehearsal" in first.output
    assert verdict(root)["verdict"] in ("PASS", "FAIL", "INSUFFICIENT")
    assert verdict(root)["reasons"]
    assert verdict(root)["model"]["version"] == 1
    assert (root / "reports" / "index.html").stat().st_size > 10_000
    assert "word error rate" in first.output
    assert "million MACs per second of audio" in first.output
    assert f"verdict      {verdict(root)['verdict']}" in first.output
    assert "version 1" in first.output


def test_running_again_skips_every_stage_and_registers_nothing_new(root: Path, first: Walk) -> None:
    again = walk(root)

    stages = {name for name in first.states if name not in EFFECTS}
    assert {again.states[name] for name in stages} == {"cached"}
    assert verdict(root)["model"]["version"] == 1


def test_one_changed_number_runs_only_the_stages_behind_it(root: Path, first: Walk) -> None:
    changed = walk(root, "--set", "gate.max_gap=0.4")

    assert {name for name, state in changed.states.items() if state == "done"} - EFFECTS == {"wanted", "gate", "report"}
    assert verdict(root)["limits"]["max_gap"] == 0.4


def test_a_recogniser_of_two_talkers_is_made_from_what_the_first_run_left(root: Path, first: Walk) -> None:
    walked = walk(root, "--dag", "train_multitalker")

    assert {name for name, state in walked.states.items() if state == "done"} - EFFECTS == {
        "mix", *(f"{stage}_multitalker" for stage in ("train", "transcribe", "evaluate", "gate", "report"))}
    judged = json.loads((root / "reports" / "multitalker" / "verdict.json").read_text(encoding="utf-8"))
    assert (judged["challenger"], judged["model"]["version"]) == ("multitalker", 1)
    assert f"verdict      {judged['verdict']}" in walked.output
    assert (root / "reports" / "multitalker" / "model" / "model.safetensors").is_file()
    assert "evenvoice transcribe MEETING.wav --talkers 2" in walked.output


def test_a_failed_stage_shows_its_own_words_and_how_to_go_on(root: Path, first: Walk) -> None:
    manifest = root / "speech.csv"
    manifest.write_text("path,speaker,text\nmissing.wav,ann,hello\n", encoding="utf-8")  # one speaker, four splits

    failed = walk(root, "--corpus", "speech.csv", expected=1)

    assert failed.states["ingest"] == "failed"
    assert "CorpusError: split 'discover' must have a speaker" in failed.output
    assert "all of its output:" in failed.output
    assert "`make run` goes on from here" in failed.output


EFFECTS = {"snapshot", "plan", "record", "register", "promote", "promote_approved", "leave_at_challenger"}
