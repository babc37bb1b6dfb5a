"""A figure has the same interval wherever it is shown, and the gate's bounds have names of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from evenvoice.params import load_params
from evenvoice.report import read_contents, render_model_card, render_page
from evenvoice.storage import read_json
from evenvoice.tracking import published
from evenvoice.tracking.run_files import RunFiles
from tests.builders.report import WER, write_evaluation

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")


class Shown:
    """What a finished run shows of itself."""

    def __init__(self, workspace: Path) -> None:
        sources = write_evaluation(workspace / "artifacts", verdict=workspace / "reports" / "verdict.json")
        contents = self.contents = read_contents(sources, minimum=5)
        self.page = render_page(contents, ingest=PARAMS.ingest, report=PARAMS.report, seed=1)
        self.card = render_model_card(contents, ingest=PARAMS.ingest, seed=1)
        self.verdict = read_json(sources.verdict)
        self.recorded = published.metrics(RunFiles(workspace), 5)
        self.challenger = self.verdict["challenger"]

    def row(self, cohort: str) -> str:
        """The text of a cohort's row on the page."""
        rows = re.findall(r"<tr><td>.*?</tr>", self.page, re.S)
        [row] = [row for row in rows if row.startswith(f"<tr><td>{cohort}<")]
        return unescape(re.sub(r"<[^>]*>", " ", row))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return Shown(tmp_path_factory.mktemp("run"))


def names(content: Any) -> Iterator[str]:
    for below in content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else []:
        yield from names(below)
    yield from content if isinstance(content, Mapping) else []


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def test_the_verdict_has_bounds_and_no_second_interval(shown: Shown) -> None:
    healed, known = shown.verdict["healed"], set(names({**shown.verdict, "healed": None, "wanted": None}))

    assert {"wer_at_least", "wer_at_most", "gap_at_least", "gap_at_most", "relative_at_least",
            "relative_at_most"} <= known
    assert not {name for name in known if name.endswith(("_low", "_high"))}
    assert {name for name in names(healed) if name.endswith(("_low", "_high", "_at_least", "_at_most"))} == {
        "relative_low", "relative_high"}


def test_what_was_healed_has_the_intervals_of_the_evaluation(shown: Shown) -> None:
    healed = shown.verdict["healed"]
    for arm in (healed["challenger"], *healed["controls"]):
        for figure, row in zip(("bottom", "whole", "variance"), shown.contents.changes(arm["arm"]), strict=True):
            assert row is not None
            assert arm[figure] == {name: row[name] for name in ("relative", "relative_low", "relative_high")}


@pytest.mark.parametrize("cohort", WER)
def test_the_interval_of_a_cohort_is_the_same_on_the_page_on_the_card_and_in_the_records(
        shown: Shown, cohort: str) -> None:
    scope = f"{shown.challenger}/test/geographic/{cohort}"
    low, high = (percent(shown.recorded[f"{bound}/{scope}"]) for bound in ("wer_low", "wer_high"))

    assert f"{low} – {high} %" in shown.row(cohort)
    assert f"| {low} – {high} % |" in next(line for line in shown.card.splitlines() if line.startswith(f"| {cohort} "))


def test_the_interval_of_everyone_is_the_same_on_the_page_on_the_card_and_in_the_records(shown: Shown) -> None:
    low, high = (percent(shown.recorded[f"{bound}/{shown.challenger}/test/whole"]) for bound in ("wer_low", "wer_high"))

    assert f"<span>WER of everyone, challenger</span><b>{percent(shown.verdict['whole']['wer'])} %</b>" \
           f"<span>{low} – {high} %</span>" in shown.page
    assert f"| {low} – {high} % |" in next(line for line in shown.card.splitlines() if line.startswith("| everyone "))


def test_every_estimate_of_the_verdict_is_the_recorded_one(shown: Shown) -> None:
    recorded = shown.recorded[f"wer/{shown.challenger}/test/whole"]
    assert shown.verdict["whole"]["wer"] == pytest.approx(recorded, rel=1e-12)
    for found in shown.verdict["cohorts"]:
        recorded = shown.recorded[f"wer/{shown.challenger}/test/{found['method']}/{found['cohort']}"]
        assert found["wer"] == pytest.approx(recorded, rel=1e-12)


def test_the_page_calls_the_bounds_of_the_gate_bounds_of_the_gate(shown: Shown) -> None:
    judged = next(found for found in shown.verdict["cohorts"] if found["gap"] is not None)

    assert f"at least {percent(judged['gap_at_least'])} %, at most {percent(judged['gap_at_most'])} %" \
        in shown.row(judged["cohort"])
