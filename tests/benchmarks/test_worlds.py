"""The table of worlds says what was found, and where nothing was."""

from __future__ import annotations

from benchmarks.worlds import Said, table
from evenvoice.metrics.bootstrap import Interval


def said(cause: str, **changes: object) -> Said:
    usual = {"cause": cause, "seed": 1, "wer_left_out": 0.08, "wer_others": 0.02, "found": {}, "verdict": "FAIL",
             "challenger": "base", "more_speakers": None, "refused": "no cohort"}
    return Said(**{**usual, **changes})  # type: ignore[arg-type]


def test_each_run_is_a_row_with_every_method_that_found_something_anywhere() -> None:
    found = said("noise", found={"geographic": Interval(estimate=3.0, low=2.0, high=4.5)})
    lines = table([found, said("none", wer_left_out=None)]).splitlines()

    assert lines[0].split(" | ")[3] == "geographic"
    assert lines[2] == ("| noise | 1 | 8.0%, 2.0% | 300% (200% to 450%) | FAIL (base) | not forecast: no cohort |")
    assert lines[3].startswith("| none | 1 | nobody, 2.0% | nothing found |")


def test_a_forecast_without_an_upper_bound_says_so() -> None:
    one = said("voice", more_speakers={"estimate": 60, "low": 40, "high": None})

    assert "| 60 more (40 or more) |" in table([one])
