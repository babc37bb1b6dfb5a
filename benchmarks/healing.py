"""Harm found, speech collected, harm healed: the two runs of the README over seeds, and what the forecast was worth.

The first run finds the bottom cohort, forecasts how many more of its training speakers are wanted, and says how many it
lacks for its share. The latter are collected in the regions that are left out, and the second run, with the first one's
cohorts watched, is held against what was forecast for it. Test speakers are heard in both; nothing is chosen by them.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.hardware import hardware, write_result
from benchmarks.whole_runs import options_of_runs, run_graph
from evenvoice.data.corpora.synthetic import world
from evenvoice.data.corpora.synthetic.speakers import apportion
from evenvoice.data.schemas import COMPARISONS, GAPS
from evenvoice.data.tables import read_table
from evenvoice.params import BASE, load_params
from evenvoice.storage import read_json

METHOD = "geographic"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One seed.

    Attributes:
        gap_base: of the bottom cohort on test speakers, base model of the first run, with its interval.
        gap_before: the same of the challenger; ``gap_after`` of the second run's, in the cohorts of the first.
        chosen: the challenger of the first run.
        lost: relative WER of the bottom cohort on test speakers that the best arm would have had less, of those that
            truly keep whole and top cohort within the margin as far as test speakers show.
        forecast: more training speakers wanted; ``collected`` is how many were lacking, and so collected.
        gap_forecast: with those collected, as the curve has it.
    """

    seed: int
    verdict_before: str
    gap_base: dict[str, float] | None
    chosen: str
    lost: float | None
    gap_before: float | None
    forecast: dict[str, int | None] | None
    refused: str
    gap_forecast: dict[str, float] | None
    collected: int
    verdict_after: str | None
    gap_after: float | None

    @property
    def held(self) -> bool | None:
        """Whether the gap that came out lies in the forecast's interval."""
        if self.gap_forecast is None or self.gap_after is None:
            return None
        return self.gap_forecast["low"] <= self.gap_after <= self.gap_forecast["high"]


def main() -> None:
    """Run all seeds, print the table, write the result."""
    options = options_of_runs(__doc__, "healing", seeds=10).parse_args()
    began = time.monotonic()
    with ThreadPoolExecutor(options.processes) as pool:
        outcomes = list(pool.map(lambda seed: heal(seed, options.work), range(1, options.seeds + 1)))
    print(table(outcomes))
    path = write_result("healing", {"hardware": hardware(), "runs_at_once": options.processes,
                                    "wall_s": time.monotonic() - began,
                                    "seeds": [{**asdict(outcome), "held": outcome.held} for outcome in outcomes]})
    print(path)


def heal(seed: int, work: Path) -> Outcome:
    """Both runs of one seed."""
    first, second = work / f"{seed}-found", work / f"{seed}-healed"
    run_graph(first, {"seed": seed})
    found, before = read_json(first / "artifacts" / "wanted.json"), read_json(first / "reports" / "verdict.json")
    outcome: dict[str, Any] = {
        "seed": seed, "verdict_before": before["verdict"], "gap_base": _base_gap(first), "chosen": before["challenger"],
        "lost": _lost(first, before["challenger"]), "gap_before": _bottom_gap(before, METHOD),
        "forecast": found["more_speakers"], "refused": found["refused"], "gap_forecast": None, "collected": 0,
        "verdict_after": None, "gap_after": None}
    if found["more_speakers"] is None:
        return Outcome(**outcome)
    run_graph(second, {"seed": seed, "synthetic": {"collect": _spread(found["lacking"])},
                       "discover": {"watched": {"rules": str(first / "artifacts" / "cohorts" / METHOD)}}})
    after = read_json(second / "reports" / "verdict.json")
    return Outcome(**{**outcome, "collected": found["lacking"], "gap_forecast": found["gap_with_due"],
                      "verdict_after": after["verdict"], "gap_after": _bottom_gap(after, "watched")})


def _base_gap(place: Path) -> dict[str, float] | None:
    rows = [row for row in read_table(place / "artifacts" / "evaluation" / "gaps.parquet", GAPS).to_pylist()
            if (row["model"], row["method"], row["split"]) == (BASE, METHOD, "test")]
    names = {"estimate": "gap_over_top", "low": "gap_over_top_low", "high": "gap_over_top_high"}
    return {bound: rows[0][name] for bound, name in names.items()} if rows else None


def _lost(place: Path, chosen: str) -> float | None:
    """What choosing cost the bottom cohort: (W_chosen - W_best) / W_base, by test speakers."""
    selection = read_json(place / "artifacts" / "evaluation" / "selection.json")
    described = read_json(place / "artifacts" / "cohorts" / METHOD / "description.json")
    if selection["bottom"] is None:
        return None
    top, margin = described["cohorts"][-1]["cohort"], load_params(place / "params.yaml").gate.regression_margin
    rows = read_table(place / "artifacts" / "evaluation" / "comparisons.parquet", COMPARISONS).to_pylist()
    changes = {(row["arm"], row["cohort"]): row["relative"] for row in rows if row["split"] == "test"
               and row["method"] in (METHOD, "whole")}
    arms = [candidate["model"] for candidate in selection["candidates"]
            if not candidate["control"] and candidate["model"] != BASE]
    kept = [arm for arm in arms if max(changes[arm, "whole"], changes[arm, top]) <= margin]
    best = min([0.0, *(changes[arm, selection["bottom"]] for arm in kept)])
    lost: float = (0.0 if chosen == BASE else changes[chosen, selection["bottom"]]) - best
    return lost


def _bottom_gap(verdict: dict[str, Any], method: str) -> float | None:
    gaps = {row["cohort"]: row["gap"] for row in verdict["cohorts"] if row["method"] == method}
    return next(iter(gaps.values()), None)


def _spread(speakers: int) -> dict[str, int]:
    """Over the regions that are left out, alike."""
    places = [region.place for region in world.REGIONS if region.disadvantaged]
    shares = apportion(speakers, [1.0] * len(places))
    return {place: count for place, count in zip(places, shares, strict=True) if count}


def table(outcomes: list[Outcome]) -> str:
    """Markdown."""
    lines = ["| seed | gap, base | arm, and what a better choice had gained | gap | first verdict | wanted | "
             "collected | second verdict | gap | forecast of it |",
             f"{'| --- ' * 10}|"]
    for one in outcomes:
        more = one.forecast
        wanted = one.refused if more is None else f"{more['estimate']} ({more['low']} to {more['high']})"
        interval = one.gap_forecast
        forecast = "" if interval is None else (f"{interval['estimate']:.0%} ({interval['low']:.0%} to "
                                                f"{interval['high']:.0%}), {'held' if one.held else 'missed'}")
        base = "" if one.gap_base is None else (f"{one.gap_base['estimate']:.0%} ({one.gap_base['low']:.0%} to "
                                                f"{one.gap_base['high']:.0%})")
        lines.append(f"| {one.seed} | {base} | {one.chosen}, {_percent(one.lost)} | {_percent(one.gap_before)} | "
                     f"{one.verdict_before} | {wanted} | {one.collected} | {one.verdict_after or ''} | "
                     f"{_percent(one.gap_after)} | {forecast} |")
    return "\n".join(lines)


def _percent(gap: float | None) -> str:
    return "" if gap is None else f"{gap:.0%}"


if __name__ == "__main__":
    main()
