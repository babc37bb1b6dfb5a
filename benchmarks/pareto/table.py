"""Figures of a corpus for people and for files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.pareto.changes import Seed, Standing
from benchmarks.pareto.goal import percent
from evenvoice.metrics.bootstrap import Interval
from evenvoice.params import BASE


def markdown(lines: Sequence[Standing]) -> str:
    """The table as the documentation shows it; controls in italics, the Pareto front with a star."""
    rows = ["| arm | | bottom cohort | seeds in which it fell | top cohort | whole | variance over cohorts "
            "| whole against fine-tuning's at equal bottom gain |", "| --- " * 8 + "|"]
    for line in lines:
        fell = sum(change < 0 for change in line.bottom_seeds)
        arm = f"*{line.point.arm}*" if line.point.control else line.point.arm
        beyond = ", never reached" if line.beyond else ""
        rows.append(f"| {arm}{' ★' if line.front else ''} | {line.point.said} | {percent(line.bottom)} "
                    f"| {fell} of {len(line.bottom_seeds)} | {percent(line.top)} | {percent(line.whole)} "
                    f"| {percent(line.variance)} | {percent(line.against)}{beyond} |")
    return "\n".join(rows)


def seeds_markdown(seeds: Sequence[Seed]) -> str:
    """What the arms began with."""
    rows = ["| seed | bottom cohort | its test speakers | its WER | test speakers | WER of the whole |",
            "| --- " * 6 + "|"]
    for seed in seeds:
        told = seed_record(seed)
        rows.append(f"| {seed.seed} | {told['bottom'] or '-'}{_because(seed)} | {told['bottom_speakers']} "
                    f"| {_share(told['bottom_wer'])} | {told['speakers']} | {_share(told['whole_wer'])} |")
    return "\n".join(rows)


def seed_record(seed: Seed) -> dict[str, Any]:
    """The base model on one seed's test speakers, as JSON knows it."""
    whole, bottom = seed.table.table(BASE), seed.table.table(BASE, seed.bottom)
    return {"seed": seed.seed, "left_out": seed.left_out,
            "bottom": seed.partition.bottom if seed.partition.comparable else None,
            "cohorts": len(seed.partition.cohorts), "bottom_speakers": len(bottom.words),
            "bottom_wer": _or_none(bottom.wer), "speakers": len(whole.words), "words": int(whole.words.sum()),
            "whole_wer": _or_none(whole.wer)}


def standing_record(line: Standing) -> dict[str, Any]:
    """A line of the table, as JSON knows it."""
    intervals = {name: _interval(getattr(line, name))
                 for name in ("bottom", "top", "whole", "variance", "against", "against_together")}
    return {**asdict(line), "point": {**asdict(line.point), "control": line.point.control}, **intervals}


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    return None if interval is None else {name: _or_none(value) for name, value in asdict(interval).items()}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _because(seed: Seed) -> str:
    return f" (left out: {seed.left_out})" if seed.left_out else ""


def _share(wer: float | None) -> str:
    return "-" if wer is None else f"{100 * wer:.1f} %"
