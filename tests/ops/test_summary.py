"""The last words of `make run`, from the files of a finished run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from dags.runs import Run
from evenvoice.data.schemas import COHORT_WER, GAPS
from evenvoice.data.tables import write_table
from evenvoice.origins import PLACED
from evenvoice.params import METHODS
from evenvoice.storage import read_json, write_json, write_text
from ops.board import Board
from ops.run import publish_reports
from ops.summary import print_failure, print_summary, read_outcome


def wer(model: str, cohort: str, errors: int, low: float | None, high: float | None) -> dict[str, Any]:
    shown = None if low is None else errors / 1000
    return {"model": model, "method": "whole" if cohort == "whole" else "geographic", "cohort": cohort,
            "split": "test", "speakers": 40, "words": 1000, "errors": errors, "wer": shown, "wer_low": low,
            "wer_high": high, "share": 1.0}


WERS = [wer("base", "whole", 100, 0.09, 0.112), wer("ewc", "whole", 98, 0.087, 0.11),
        wer("base", "region-2", 240, 0.2, 0.29), wer("ewc", "region-2", 190, 0.15, 0.23),
        wer("base", "region-1", 70, 0.06, 0.08)]
GAP = {"model": "base", "method": "geographic", "split": "test", "cohorts": 2, "bottom": "region-2", "top": "region-1",
       "bottom_share": 0.2, "gap_over_top": 2.4, "gap_over_top_low": 1.0, "gap_over_top_high": 4.0,
       "gap_over_bottom": 0.7, "spread": 2.4, "null_spread": 0.4, "null_spread_high": 0.8}


def finished_run(root: Path, wers: list[dict[str, Any]]) -> Run:
    run = Run(root, "make-1")
    space = run.workspace
    write_text(space / "params.yaml", "mitigate: {cohorts: geographic}\n")
    write_json(space / "reports/verdict.json", {"verdict": "FAIL", "reasons": ["region-2 is too far from region-1."],
                                                "base": "base", "challenger": "ewc", "labelled": "semi-synthetic",
                                                "healed": {"sentence": "region-2 -21 % (-30 to -11 %)"},
                                                "saving": {"sentence": "40 % of the encoder's work"},
                                                "wanted": {"sentence": "About 60 more of region-2."}})
    write_text(space / "reports/index.html", "<html></html>")
    write_text(space / "reports/model_card.md", "# card")
    write_text(space / "artifacts/models/ewc/config.json", "the challenger's")
    for method in METHODS:
        write_json(space / "artifacts/cohorts" / method / "rules.json", {"method": method})
        write_json(space / "artifacts/cohorts" / method / "description.json", {"title": f"What {method} found"})
        write_text(space / "artifacts/cohorts" / method / "cohorts.parquet", "who is in which")
    write_json(space / "artifacts/evaluation/selection.json", {"reason": "lowest WER of the bottom cohort."})
    write_json(space / "artifacts/hypotheses/ewc/compute.json",
               {"macs_per_audio_s": {"total": 31.4e6}, "parameters": 1_560_000})
    write_table(space / "artifacts/evaluation/cohort_wer.parquet", pa.Table.from_pylist(wers, schema=COHORT_WER))
    write_table(space / "artifacts/evaluation/gaps.parquet", pa.Table.from_pylist([GAP], schema=GAPS))
    write_json(run.answer("register"), {"version": 7})
    write_json(run.answer("promote"), {"outcome": "refused", "reason": "the verdict is FAIL", "champion": 5})
    return run


def printed(run: Run) -> list[str]:
    console = Console(file=io.StringIO(), record=True, width=60)
    print_summary(run, read_outcome(run), console, took="9m12s")
    return console.export_text().splitlines()


def test_the_summary_names_wer_before_and_after_verdict_version_and_report(tmp_path: Path) -> None:
    lines = printed(finished_run(tmp_path, WERS))

    assert "whole                            10.0 % (9.0 to 11.2 %)    9.8 % (8.7 to 11.0 %)" in lines
    assert "worst of geographic: region-2    24.0 % (20.0 to 29.0 %)   19.0 % (15.0 to 23.0 %)" in lines
    assert "chosen       ewc: lowest WER of the bottom cohort." in lines
    assert ("compute      31.4 million MACs per second of audio, 1.56 million parameters"
            in lines)
    assert "speech       semi-synthetic" in lines
    assert "verdict      FAIL" in lines
    assert "             - region-2 is too far from region-1." in lines
    assert "saved        beside its dense control it needs 40 % of the encoder's work" in lines
    assert "healed       region-2 -21 % (-30 to -11 %)" in lines
    assert "wanted       About 60 more of region-2." in lines
    assert "model        version 7, refused: the verdict is FAIL" in lines


def test_a_suppressed_cohort_shows_no_figure(tmp_path: Path) -> None:
    suppressed = [row if row["cohort"] != "region-2" else {**row, "wer": None, "wer_low": None, "wer_high": None}
                  for row in WERS]

    lines = printed(finished_run(tmp_path, suppressed))

    assert next(line.split() for line in lines if "region-2" in line)[-2:] == ["-", "-"]


def test_the_published_verdict_says_what_became_of_the_model(tmp_path: Path) -> None:
    run = finished_run(tmp_path, WERS)

    publish_reports(run, read_outcome(run))

    verdict = read_json(tmp_path / "reports/verdict.json")
    assert verdict["reasons"] == ["region-2 is too far from region-1."]
    assert verdict["model"] == {"version": 7, "promotion": "refused", "reason": "the verdict is FAIL", "champion": 5,
                                "run": "make-1"}
    assert (tmp_path / "reports/index.html").exists()
    assert (tmp_path / "reports/model/config.json").read_text() == "the challenger's"


def test_the_cohorts_are_published_without_anybody_in_them(tmp_path: Path) -> None:
    run = finished_run(tmp_path, WERS)
    write_text(tmp_path / "reports/cohorts/of_last_year/rules.json", "{}")

    publish_reports(run, read_outcome(run))

    published = {str(file.relative_to(tmp_path / "reports/cohorts"))
                 for file in (tmp_path / "reports/cohorts").rglob("*") if file.is_file()}
    assert published == {f"{method}/{name}" for method in METHODS for name in ("rules.json", "description.json")}


def test_cohorts_of_which_a_part_is_missing_are_not_published_at_all(tmp_path: Path) -> None:
    run = finished_run(tmp_path, WERS)
    (run.workspace / "artifacts/cohorts" / METHODS[-1] / "rules.json").unlink()

    with pytest.raises(FileNotFoundError):
        publish_reports(run, read_outcome(run))

    assert not (tmp_path / "reports/cohorts").exists()


def test_the_published_model_names_no_speaker(tmp_path: Path) -> None:
    run = finished_run(tmp_path, WERS)
    write_text(run.workspace / "artifacts/models/ewc" / PLACED, "who is in which cohort")

    publish_reports(run, read_outcome(run))

    assert [path.name for path in (tmp_path / "reports/model").iterdir()] == ["config.json"]


@pytest.mark.parametrize("failed", [True, False])
def test_a_failure_shows_words_log_and_the_way_on(tmp_path: Path, failed: bool) -> None:
    run, board = Run(tmp_path, "make-1"), Board(["ingest"])
    write_text(run.directory / "airflow.log", "\x1b[31mno space left on device\x1b[0m\n")
    if failed:
        board.apply({"at": 1.0, "stage": "ingest", "state": "failed", "error": "CorpusError: row 7", "log": "/x/log"})
    console = Console(file=io.StringIO(), record=True)

    print_failure(run, board, console)

    text = console.export_text()
    assert ("CorpusError: row 7" in text) == failed
    assert ("no space left on device" in text) != failed
    assert "`make run` goes on from here" in text
