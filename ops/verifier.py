"""What `make run DAG=train_verifier` leaves where people look, and its last words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console

from dags.runs import Run
from evenvoice.storage import fresh_directory, read_json, write_bytes, write_json
from evenvoice.verification.assembling import assemble
from ops.summary import PLAIN, VERDICT_STYLES, older_results

REPORTS = ("index.html", "model_card.md")
MODEL = "model"
"""What `evenvoice verify` uses where none is named."""


def finish_verifier(run: Run, console: Console, *, took: str) -> None:
    """Put the newest report and the verifier that it judges where people look, and sum up."""
    verdict = read_json(run.workspace / "reports" / "verifier" / "verdict.json")
    registered, promotion = read_json(run.answer("register")), read_json(run.answer("promote"))
    target = run.root / "reports" / "verifier"
    _publish(run, target, verdict, {"version": registered["version"], "promotion": promotion["outcome"],
                                    "reason": promotion["reason"], "champion": promotion["champion"],
                                    "run": run.run_id})
    _sum_up(run, console, verdict, registered, promotion, took)


def _publish(run: Run, target: Path, verdict: dict[str, Any], model: dict[str, Any]) -> None:
    calibrations = read_json(run.workspace / "artifacts" / "verification" / "calibrations.json")
    with fresh_directory(target / MODEL) as draft:
        assemble(run.workspace / "artifacts" / "speaker_models" / verdict["challenger"],
                 calibrations[verdict["challenger"]], draft)
    for name in REPORTS:
        write_bytes(target / name, (run.workspace / "reports" / "verifier" / name).read_bytes())
    write_json(target / "verdict.json", {**verdict, "model": model})


def _sum_up(run: Run, console: Console, verdict: dict[str, Any], registered: dict[str, Any],
            promotion: dict[str, Any], took: str) -> None:
    selection = read_json(run.workspace / "artifacts" / "verification" / "selection.json")
    whole, near = verdict["whole"], os.path.relpath(run.root / "reports" / "verifier")
    console.print(f"\nfinished in {took}\n", highlight=False)
    if whole["eer"] is not None:
        console.print(f"equal error  {100 * whole['eer']:.2f} % (95 % sure: at most "
                      f"{100 * whole['eer_at_most']:.2f} %) of {whole['speakers']} test speakers", **PLAIN)
    console.print(f"chosen       {verdict['challenger']}: {selection['reason']}", **PLAIN)
    console.print(f"speech       {verdict['labelled']}", **PLAIN)
    console.print(f"verdict      {verdict['verdict']}", style=VERDICT_STYLES[verdict["verdict"]], **PLAIN)
    for reason in verdict["reasons"]:
        console.print(f"             - {reason}", **PLAIN)
    console.print(f"model        version {registered['version']}, {promotion['outcome']}: {promotion['reason']}",
                  **PLAIN)
    for line in older_results(run):
        console.print(line, **PLAIN)
    console.print(f"report       {near}/index.html  (open it in a browser; beside it verdict.json and model_card.md)",
                  **PLAIN)
    console.print(f"try it       .venv/bin/evenvoice verify ONE.wav OTHER.wav  (the verifier: {near}/{MODEL})", **PLAIN)
    console.print("more         `make up` starts the Airflow and MLflow user interfaces", **PLAIN)
