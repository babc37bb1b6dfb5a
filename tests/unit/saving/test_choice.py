"""An amortized model may be chosen where time fell and nobody pays more than is tolerated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.saving.choice import saver
from evenvoice.saving.timed import read_timing
from tests.builders.origins import write_identity
from tests.builders.tables import write_timing


def row(cohort: str = "whole", relative: float = 0.0, *, split: str = "validate") -> dict[str, Any]:
    reach = 0.05
    return {"split": split, "method": "whole" if cohort == "whole" else "geographic", "cohort": cohort, "speakers": 30,
            "executed_share": 0.4, "relative": relative, "relative_low": relative - reach,
            "relative_high": relative + reach}


def timing(stream: float = 0.6, batches: float = 0.5) -> dict[str, dict[str, float]]:
    return {way: {"ratio": ratio, "ratio_low": ratio - 0.05, "ratio_high": ratio + 0.05}
            for way, ratio in (("stream", stream), ("batches", batches))}


def test_it_may_be_chosen_where_it_saves_and_nobody_pays() -> None:
    found = saver([row(), row("north", 0.02)], timing(), 0.03)
    assert found.refusal == ""
    assert found.saves == ("it does 40% of the encoder's work, takes 60% in a stream and 50% in batches of the time of "
                           "its dense control, with +0.0% WER of the whole on validate speakers")


@pytest.mark.parametrize(("rows", "times", "why"), [
    ([row(relative=0.04)], timing(), r"WER of the whole is \+4.0% against its dense control, on validate speakers"),
    ([row(), row("north", 0.09)], timing(), r"north of the geographic method is \+9.0% .* \(at least \+4.0%\)"),
    ([row()], timing(batches=0.97), "not shown to save time in batches: it takes 0.97 of the time .* up to 1.02"),
    ([row()], timing(stream=1.4), "not shown to save time in a stream"),
])
def test_it_may_not_where_somebody_pays_or_time_did_not_fall(rows: list[dict[str, Any]], times: Any, why: str) -> None:
    assert re.search(why, saver(rows, times, 0.03).refusal)


def test_a_cohort_that_may_be_worse_by_chance_does_not_keep_it_from_the_gate() -> None:
    assert saver([row(), row("north", 0.05)], timing(), 0.03).refusal == ""


def test_test_speakers_have_no_say() -> None:
    rows = [row(), row("north", 0.9, split="test"), row(relative=0.9, split="test")]
    assert saver(rows, timing(), 0.03).refusal == ""


def test_times_of_other_models_are_refused(tmp_path: Path) -> None:
    for model in ("dense", "amortized"):
        write_identity(tmp_path / "models", model)
    write_timing(tmp_path / "timing.json", tmp_path / "models")
    assert read_timing(tmp_path / "timing.json", tmp_path / "models")["stream"]["ratio"] == 0.6
    (tmp_path / "models" / "amortized" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match="FORCE_STAGE=timing"):
        read_timing(tmp_path / "timing.json", tmp_path / "models")
