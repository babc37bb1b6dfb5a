"""Harm found, speech collected, harm healed: the two runs of the README over seeds, and what the forecast was worth.

The first run finds the bottom cohort and forecasts how many more of its training speakers are wanted. As many as the
forecast's upper bound are collected in the regions that are left out, and the second run, with the first one's cohorts
watched, is held against it. Test speakers are heard in both; nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.hardware import hardware, write_result
from benchmarks.whole_runs import ROOT, run_graph
from evenvoice.data.corpora.synthetic import world
from evenvoice.data.corpora.synthetic.speakers import apportion
from evenvoice.storage import read_json

METHOD = "geographic"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One seed.

    Attributes:
        gap_before: of the bottom cohort, challenger of the first run, test speakers; ``gap_after`` likewise of the
            second run, in the cohorts of the first.
        forecast: more training speakers wanted; collected is how many there were.
        gap_forecast: with those collected, as the curve has it.
    """

    seed: int
    verdict_before: str
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
    options = _options()
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
        "seed": seed, "verdict_before": before["verdict"], "gap_before": _bottom_gap(before, METHOD),
        "forecast": found["more_speakers"], "refused": found["refused"], "gap_forecast": None, "collected": 0,
        "verdict_after": None, "gap_after": None}
    if found["more_speakers"] is None:
        return Outcome(**outcome)
    wanted = found["more_speakers"]["high"] or found["more_speakers"]["estimate"]
    run_graph(second, {"seed": seed, "synthetic": {"collect": _spread(wanted)},
                       "discover": {"watched": str(first / "artifacts" / "cohorts" / METHOD)}})
    after = read_json(second / "reports" / "verdict.json")
    return Outcome(**{**outcome, "collected": wanted, "gap_forecast": found["gap_with"],
                      "verdict_after": after["verdict"], "gap_after": _bottom_gap(after, "watched")})


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
    lines = ["| seed | first verdict | gap | wanted | collected | second verdict | gap | forecast of it |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for one in outcomes:
        more = one.forecast
        wanted = one.refused if more is None else f"{more['estimate']} ({more['low']} to {more['high']})"
        interval = one.gap_forecast
        forecast = "" if interval is None else (f"{interval['estimate']:.0%} ({interval['low']:.0%} to "
                                                f"{interval['high']:.0%}), {'held' if one.held else 'missed'}")
        lines.append(f"| {one.seed} | {one.verdict_before} | {_percent(one.gap_before)} | {wanted} | {one.collected} | "
                     f"{one.verdict_after or ''} | {_percent(one.gap_after)} | {forecast} |")
    return "\n".join(lines)


def _percent(gap: float | None) -> str:
    return "" if gap is None else f"{gap:.0%}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="runs at once, one core each")
    parser.add_argument("--work", type=Path, default=ROOT / ".evenvoice" / "healing", help="where runs are kept")
    options = parser.parse_args()
    options.work = options.work.resolve()
    return options


if __name__ == "__main__":
    main()
