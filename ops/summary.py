"""The last words of `make run`: what came of it, or what went wrong and how to go on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from dags.runs import Run
from dags.yaml_files import read_yaml
from evenvoice.storage import read_json
from ops.board import Board, Events

LOG_LINES = 25
VERDICT_STYLES = {"PASS": "bold green", "FAIL": "bold red", "INSUFFICIENT": "bold yellow"}
Record = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the summary is made of, read from the files of a finished run."""

    verdict: Record
    selection: Record
    compute: Record
    wers: list[Record]
    """COHORT_WER on test speakers."""
    worst: str | None
    """Worst cohort of the mitigated method, as the base model shows it on discovery speakers."""
    method: str
    registered: Record
    promotion: Record

    def wer(self, model: str, cohort: str) -> str:
        """``8.1 % (7.0 to 9.3 %)`` of one model on test speakers; a dash where it may not be shown or is not known."""
        rows = [row for row in self.wers if (row["model"], row["cohort"]) == (model, cohort)]
        if not rows or rows[0]["wer"] is None:
            return "-"
        row = rows[0]
        if row["wer_low"] is None:
            return f"{100 * row['wer']:.1f} %"
        return f"{100 * row['wer']:.1f} % ({100 * row['wer_low']:.1f} to {100 * row['wer_high']:.1f} %)"


def read_outcome(run: Run) -> Outcome:
    """Read what a finished run left."""
    import pyarrow.parquet as pq  # takes a while, and only a finished run needs it
    evaluation = run.workspace / "artifacts" / "evaluation"
    verdict = read_json(run.workspace / "reports" / "verdict.json")
    method = str(read_yaml(run.workspace / "params.yaml")["mitigate"]["cohorts"])
    wers = pq.read_table(evaluation / "cohort_wer.parquet", filters=[("split", "=", "test")]).to_pylist()
    gaps = pq.read_table(evaluation / "gaps.parquet", filters=[("split", "=", "test"), ("method", "=", method)])
    worst = [row["bottom"] for row in gaps.to_pylist() if row["model"] == verdict["base"]]
    return Outcome(
        verdict=verdict, selection=read_json(evaluation / "selection.json"),
        compute=read_json(run.workspace / "artifacts" / "hypotheses" / verdict["challenger"] / "compute.json"),
        wers=[row for row in wers if row["method"] in (method, "whole")], worst=worst[0] if worst else None,
        method=method, registered=read_json(run.answer("register")), promotion=read_json(run.answer("promote")))


def print_summary(run: Run, outcome: Outcome, console: Console, *, took: str) -> None:
    """Figures, verdict, version, and where to look."""
    challenger = outcome.verdict["challenger"]
    console.print(f"\nfinished in {took}\n", highlight=False)
    for line in _wer_lines(outcome):
        console.print(line, **PLAIN)
    console.print(f"\nchosen       {challenger}: {outcome.selection['reason']}", **PLAIN)
    console.print(f"speech       {outcome.verdict['labelled']}", **PLAIN)
    console.print(f"compute      {_compute(outcome.compute)}", **PLAIN)
    verdict = outcome.verdict["verdict"]
    console.print(f"verdict      {verdict}", style=VERDICT_STYLES[verdict], **PLAIN)
    for reason in outcome.verdict["reasons"]:
        console.print(f"             - {reason}", **PLAIN)
    if healed := outcome.verdict["healed"]:
        console.print(f"healed       {healed['sentence']}", **PLAIN)
    if saving := outcome.verdict["saving"]:
        console.print(f"saved        beside its dense control it needs {saving['sentence']}", **PLAIN)
    if wanted := outcome.verdict["wanted"]:
        console.print(f"wanted       {wanted['sentence']}", **PLAIN)
    console.print(f"model        version {outcome.registered['version']}, {outcome.promotion['outcome']}: "
                  f"{outcome.promotion['reason']}", **PLAIN)
    for line in older_results(run):
        console.print(line, **PLAIN)
    console.print(f"report       {_near(run.root / 'reports' / 'index.html')}  (open it in a browser; beside it "
                  "verdict.json and model_card.md)", **PLAIN)
    console.print(f"try it       .venv/bin/evenvoice transcribe FILE.wav --stream  (the model: "
                  f"{_near(run.root / 'reports' / 'model')})", **PLAIN)
    console.print("more         `make up` starts the Airflow and MLflow user interfaces", **PLAIN)


def older_results(run: Run) -> list[str]:
    """Which results were used again although they would be made with something else today, and what to do about it."""
    stages: dict[str, list[str]] = {}
    for event in Events(run.progress).new():
        if event.get("age"):
            stages.setdefault(", ".join(event["age"]), []).append(event["stage"])
    if not stages:
        return []
    return [*(f"older        {', '.join(names)}: {age}" for age, names in stages.items()),
            "             these results were used again; make run STALE=rerun makes them anew"]


def print_failure(run: Run, board: Board, console: Console) -> None:
    """The failed stage's own words, where all of its output is, and how to go on."""
    for row in board.failed:
        console.print(f"\n{row.name} failed:", style="bold red", **PLAIN)
        console.print(row.error, **PLAIN)
        if row.log:
            console.print(f"\nall of its output: {_near(Path(row.log))}", **PLAIN)
    if not board.failed:
        console.print("\nthe run failed outside its stages; the end of its log:", style="bold red", **PLAIN)
        console.print(_tail(run.directory / "airflow.log"), **PLAIN)
    console.print("finished stages are kept: `make run` goes on from here", **PLAIN)


PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}


def _wer_lines(outcome: Outcome) -> list[str]:
    base, challenger, name = outcome.verdict["base"], outcome.verdict["challenger"], f"worst of {outcome.method}"
    rows = [("word error rate, test speakers", "before mitigation", "after"),
            ("whole", outcome.wer(base, "whole"), outcome.wer(challenger, "whole"))]
    if outcome.worst is None:
        rows.append((name, "only one cohort", ""))
    else:
        rows.append((f"{name}: {outcome.worst}", outcome.wer(base, outcome.worst),
                     outcome.wer(challenger, outcome.worst)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _compute(compute: Record) -> str:
    return (f"{compute['macs_per_audio_s']['total'] / 1e6:.1f} million MACs per second of audio, "
            f"{compute['parameters'] / 1e6:.2f} million parameters")


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else "(empty)"
    return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()[-LOG_LINES:])


def _near(path: Path) -> str:
    return os.path.relpath(path)
