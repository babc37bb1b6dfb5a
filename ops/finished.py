"""What a finished run of a product beside the recogniser leaves where people look, and its last words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from rich.console import Console

from dags.pipelines import Pipeline
from dags.runs import Run
from evenvoice.storage import fresh_directory, read_json, write_bytes, write_json
from ops.summary import PLAIN, VERDICT_STYLES, older_results

REPORTS: Final = ("index.html", "model_card.md")
MODEL: Final = "model"
"""What a command of evenvoice uses where none is named."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run with what came of it.

    Attributes:
        reports: where its page, verdict and model card lie, below the workspace and below the checkout.
        registered, promotion: answers of these effects.
    """

    run: Run
    reports: str
    verdict: dict[str, Any]
    registered: dict[str, Any]
    promotion: dict[str, Any]

    @classmethod
    def read(cls, run: Run, making: Pipeline) -> Self:
        """Read what the run left."""
        return cls(run=run, reports=making.reports, verdict=read_json(run.workspace / making.reports / "verdict.json"),
                   registered=read_json(run.answer("register")), promotion=read_json(run.answer("promote")))

    def publish(self, write_model: Callable[[Path], object]) -> None:
        """Put the newest report and the model that it judges where people look.

        What became of the model is added to verdict.json.

        Args:
            write_model: fills the directory of the model that it is given.
        """
        target = self.run.root / self.reports
        with fresh_directory(target / MODEL) as draft:
            write_model(draft)
        for name in REPORTS:
            write_bytes(target / name, (self.run.workspace / self.reports / name).read_bytes())
        model = {"version": self.registered["version"], "promotion": self.promotion["outcome"],
                 "reason": self.promotion["reason"], "champion": self.promotion["champion"], "run": self.run.run_id}
        write_json(target / "verdict.json", {**self.verdict, "model": model})

    def sum_up(self, console: Console, figures: Iterable[str], *, took: str, try_it: str) -> None:
        """Figures, verdict, version, and where to look.

        Args:
            figures: lines that come first.
            try_it: a command, to which is added where the model lies.
        """
        near = os.path.relpath(self.run.root / self.reports)
        console.print(f"\nfinished in {took}\n", highlight=False)
        for line in figures:
            console.print(line, **PLAIN)
        console.print(f"speech       {self.verdict['labelled']}", **PLAIN)
        console.print(f"verdict      {self.verdict['verdict']}", style=VERDICT_STYLES[self.verdict["verdict"]], **PLAIN)
        for reason in self.verdict["reasons"]:
            console.print(f"             - {reason}", **PLAIN)
        console.print(f"model        version {self.registered['version']}, {self.promotion['outcome']}: "
                      f"{self.promotion['reason']}", **PLAIN)
        for line in older_results(self.run):
            console.print(line, **PLAIN)
        console.print(f"report       {near}/index.html  (open it in a browser; beside it verdict.json and "
                      "model_card.md)", **PLAIN)
        console.print(f"try it       {try_it}: {near}/{MODEL})", **PLAIN)
        console.print("more         `make up` starts the Airflow and MLflow user interfaces", **PLAIN)
