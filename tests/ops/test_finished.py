"""What runs of the products beside the recogniser leave where people look, and their last words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dags.pipelines import PIPELINES
from dags.runs import Run
from evenvoice.commands.talkers import DEFAULT_MULTITALKER
from evenvoice.storage import read_json, write_json, write_text
from ops.multitalker import finish_multitalker
from ops.run import FINISH

WHOLE = {"speakers": 90, "words": 5000, "wer": 0.142, "wer_at_most": 0.171}
CUT = {"speakers": 90, "turns": 700, "cut": 0.031, "cut_at_most": 0.052}


def finished_run(root: Path, **changes: Any) -> Run:
    """A run of train_multitalker whose effects have answered."""
    run = Run(root, "make-1")
    reports = run.workspace / "reports/multitalker"
    write_json(reports / "verdict.json", {
        "verdict": "INSUFFICIENT", "reasons": ["fast (pace) may make 60 % more errors than slow."],
        "challenger": "multitalker", "labelled": "synthetic", "limits": {"confidence": 0.95}, "whole": WHOLE,
        "cut": CUT, **changes})
    write_text(reports / "index.html", "<html></html>")
    write_text(reports / "model_card.md", "# card")
    write_text(run.workspace / "artifacts/multitalker_models/multitalker/config.json", "the judged one's")
    write_json(run.workspace / "artifacts/multitalker/figures.json",
               {"multitalker": {"counting_accuracy": 0.81, "mixtures": 600}})
    write_json(run.answer("register"), {"version": 3})
    write_json(run.answer("promote"), {"outcome": "waiting for a person", "champion": 2,
                                       "reason": "the verdict is INSUFFICIENT"})
    return run


def last_words(run: Run) -> str:
    console = Console(file=io.StringIO(), width=100)
    finish_multitalker(run, console, took="2:03")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_every_product_has_its_end() -> None:
    assert set(FINISH) == {pipeline.product for pipeline in PIPELINES.values()}


def test_the_last_words_are_figures_verdict_version_and_what_to_try(tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert last_words(finished_run(tmp_path)).splitlines() == [
        "", "finished in 2:03", "",
        "word errors  14.2 % (ORC-WER, 95 % sure: at most 17.1 %) of 90 test speakers",
        "turns        counted right in 81.0 % of 600 mixtures",
        "cut off      3.1 % (95 % sure: at most 5.2 %) of 700 turns",
        "speech       synthetic",
        "verdict      INSUFFICIENT",
        "             - fast (pace) may make 60 % more errors than slow.",
        "model        version 3, waiting for a person: the verdict is INSUFFICIENT",
        "report       reports/multitalker/index.html  (open it in a browser; beside it verdict.json and model_card.md)",
        "try it       .venv/bin/evenvoice transcribe MEETING.wav --talkers 2  (the recogniser: "
        "reports/multitalker/model)",
        "more         `make up` starts the Airflow and MLflow user interfaces"]


def test_what_could_not_be_judged_is_not_told(tmp_path: Path) -> None:
    nothing = {"whole": {**WHOLE, "wer": None, "wer_at_most": None}, "cut": {**CUT, "cut": None, "cut_at_most": None}}

    said = last_words(finished_run(tmp_path, **nothing))

    assert "word errors" not in said
    assert "cut off" not in said
    assert "counted right" in said


def test_the_model_lies_where_the_command_looks_and_the_verdict_says_what_became_of_it(tmp_path: Path) -> None:
    last_words(finished_run(tmp_path))

    assert (tmp_path / DEFAULT_MULTITALKER / "config.json").read_text(encoding="utf-8") == "the judged one's"
    assert (tmp_path / "reports/multitalker/model_card.md").is_file()
    assert read_json(tmp_path / "reports/multitalker/verdict.json")["model"] == {
        "version": 3, "promotion": "waiting for a person", "reason": "the verdict is INSUFFICIENT", "champion": 2,
        "run": "make-1"}
