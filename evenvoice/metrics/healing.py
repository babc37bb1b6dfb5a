"""What mitigation healed: the challenger against the base, and its controls beside it, on test speakers.

Nothing is computed here. The figures, their two-sided intervals included, are those that the evaluation wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from evenvoice.data.schemas import COMPARISONS, VARIANCES
from evenvoice.data.tables import read_table
from evenvoice.params import BASE

Row = Mapping[str, Any]
SPLIT: Final = "test"
FIGURES: Final = ("bottom", "whole", "variance")


@dataclass(frozen=True, kw_only=True)
class Change:
    """(arm - base) / base on the same test speakers, and its two-sided interval."""

    relative: float
    relative_low: float
    relative_high: float


@dataclass(frozen=True, kw_only=True)
class ArmChanges:
    """What one arm changed; None where it could not be measured.

    Attributes:
        bottom: of the WER of the bottom cohort of the method that the arms aimed at.
        whole: of everyone's WER.
        variance: of the variance of WER over the cohorts of that method (evenvoice.metrics.variance).
    """

    arm: str
    bottom: Change | None
    whole: Change | None
    variance: Change | None


@dataclass(frozen=True, kw_only=True)
class Healed:
    """The challenger's changes beside those of the controls, none of which aimed at the bottom cohort."""

    method: str
    bottom: str | None
    challenger: ArmChanges
    controls: tuple[ArmChanges, ...]

    def to_json(self) -> dict[str, Any]:
        """An entry of verdict.json."""
        content = {**asdict(self), "controls": [asdict(control) for control in self.controls]}
        return {**content, "sentence": sentence(content)}


def read_healed(evaluation: Path, selection: Row) -> Healed | None:
    """Read what the evaluation says of the challenger; None where the base model stays, since nothing was changed.

    Raises:
        ArtifactError: a table is missing or unreadable.
    """
    if selection["challenger"] == BASE:
        return None
    comparisons = _of_test(read_table(evaluation / "comparisons.parquet", COMPARISONS).to_pylist())
    variances = _of_test(read_table(evaluation / "variances.parquet", VARIANCES).to_pylist())
    method, bottom = selection["method"], selection["bottom"]

    def changes(arm: str) -> ArmChanges:
        of_arm = {(row["method"], row["cohort"]): row for row in comparisons if row["arm"] == arm}
        variance = [row for row in variances if (row["arm"], row["method"]) == (arm, method)]
        return ArmChanges(arm=arm, bottom=_change(of_arm.get((method, bottom))),
                          whole=_change(of_arm.get(("whole", "whole"))), variance=_change(next(iter(variance), None)))

    return Healed(method=method, bottom=bottom, challenger=changes(selection["challenger"]),
                  controls=tuple(changes(candidate["model"]) for candidate in selection["candidates"]
                                 if candidate["control"]))


def _of_test(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["split"] == SPLIT]


def _change(row: Row | None) -> Change | None:
    if row is None or row["relative"] is None:
        return None
    return Change(relative=row["relative"], relative_low=row["relative_low"], relative_high=row["relative_high"])


def without(healed: Row, *, bottom: bool, variance: bool) -> dict[str, Any]:
    """The entry of verdict.json without the figures of the bottom cohort, or of all cohorts.

    Args:
        bottom: leave out what it says about the bottom cohort; ``variance`` likewise.
    """
    gone = {name: None for name, left_out in (("bottom", bottom), ("variance", variance)) if left_out}
    content = {**healed, "bottom": None if bottom else healed["bottom"], "challenger": {**healed["challenger"], **gone},
               "controls": [{**control, **gone} for control in healed["controls"]]}
    return {**content, "sentence": sentence(content)}


def sentence(healed: Row) -> str:
    """One sentence: ``region-1 -14 % (-20 to -8 %), everyone -5 % (...), ...; the control placebo: -1 %, 0 %``.

    It names the first control; all of them stand beside it.
    """
    names = {"bottom": healed["bottom"], "whole": "everyone", "variance": f"variance over {healed['method']} cohorts"}
    shown = [figure for figure in FIGURES if healed["challenger"][figure] is not None]
    if not shown:
        return "Nothing can be said of what changed."
    parts = [f"{names[figure]} {with_interval(healed['challenger'][figure])}" for figure in shown]
    controls = [f"; the control {control['arm']}: {', '.join(_alone(control[figure]) for figure in shown)}"
                for control in healed["controls"][:1]]
    return ", ".join(parts) + "".join(controls)


def with_interval(change: Row) -> str:
    """``-14 % (-20 to -8 %)``."""
    return f"{_whole(change['relative'])} % ({_whole(change['relative_low'])} to {_whole(change['relative_high'])} %)"


def _alone(change: Row | None) -> str:
    return "unknown" if change is None else f"{_whole(change['relative'])} %"


def _whole(share: float) -> str:
    rounded = round(100 * share)
    return f"{rounded:+d}" if rounded else "0"
