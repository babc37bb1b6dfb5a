"""The question of the benchmark, answered in one sentence that is computed from the figures.

Is another arm on the Pareto front strictly better than fine-tuning at equal bottom gain, and does any lower the bottom
cohort's WER by 15 % or more with the whole not worse?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.pareto.changes import Standing
from evenvoice.metrics.bootstrap import Interval

GAIN: Final = -0.15
PLACEBO: Final = "placebo"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Both halves of the goal, and the words for them."""

    better: bool
    better_together: bool
    healed: bool
    sentence: str


def answer(lines: Sequence[Standing], margin: float) -> Answer:
    """Answer from the table.

    Args:
        margin: relative rise of the whole that still counts as not worse (gate.regression_margin); the upper bound of
            the change must not exceed it.
    """
    arms = [line for line in lines if not line.point.control]
    compared = [line for line in arms if line.against is not None]
    ahead = [line for line in compared if line.front and _high(line.against) < 0]
    together = [line for line in ahead if _high(line.against_together) < 0]
    healed = [line for line in arms if line.bottom.estimate <= GAIN and line.whole.high <= margin]
    reached = ("Goal reached", "Goal half reached", "Goal missed")[2 - bool(ahead) - bool(healed)]
    parts = [_front_part(arms, compared, ahead, together), _healed_part(arms, healed, margin), *_control_part(lines)]
    return Answer(better=bool(ahead), better_together=bool(together), healed=bool(healed),
                  sentence=f"{reached}: {'; '.join(parts)}.")


def _front_part(arms: Sequence[Standing], compared: Sequence[Standing], ahead: Sequence[Standing],
                together: Sequence[Standing]) -> str:
    on_front = [line for line in compared if line.front]
    if not on_front:
        names = ", ".join(dict.fromkeys(line.point.arm for line in arms if line.front))
        return f"no arm but fine-tuning gains for the bottom on the Pareto front, which is of {names or 'nobody'}"
    if not ahead:
        best = min(on_front, key=lambda line: _estimate(line.against))
        return ("no arm on the Pareto front is established to be better than fine-tuning at equal bottom gain; the "
                f"best is {name_of(best)} with {_whole_against(best)}")
    best = min(ahead, key=lambda line: _high(line.against))
    arms_ahead = ", ".join(dict.fromkeys(line.point.arm for line in ahead))
    holds = "which holds" if together else "which does not hold"
    return (f"on the Pareto front and strictly better than fine-tuning at equal bottom gain: {arms_ahead}, most surely "
            f"{name_of(best)} with {_whole_against(best)}, {holds} for all {len(compared)} compared points at once")


def _healed_part(arms: Sequence[Standing], healed: Sequence[Standing], margin: float) -> str:
    if healed:
        level = [line for line in healed if line.top.estimate <= margin]  # the gate refuses who levels down
        best = min(level or healed, key=lambda line: line.bottom.estimate)
        most = ", the most of those that keep the top cohort within the margin" if level else ""
        return f"{name_of(best)} lowers the bottom by 15 % or more with the whole not worse{most}: {_changes(best)}"
    missed = "no arm lowers the bottom by 15 % or more with the whole not worse"
    if not arms:
        return missed
    unharmed = [line for line in arms if line.whole.high <= margin]
    best = min(unharmed or arms, key=lambda line: line.bottom.estimate)
    told = "lowers it most without that" if unharmed else "lowers it most, not established to leave the whole alone"
    return f"{missed}, {name_of(best)} {told}: {_changes(best)}"


def _control_part(lines: Sequence[Standing]) -> list[str]:
    return [f"the control {PLACEBO}: {_changes(line)}" for line in lines if line.point.arm == PLACEBO]


def _whole_against(line: Standing) -> str:
    assert line.against is not None
    where = ", and fine-tuning never gains as much" if line.beyond else ""
    return (f"the whole {percent(line.against)} against fine-tuning's where the bottom changes by "
            f"{100 * line.bottom.estimate:+.1f} %{where}")


def _changes(line: Standing) -> str:
    return f"bottom {percent(line.bottom)}, top {percent(line.top)}, whole {percent(line.whole)}"


def name_of(line: Standing) -> str:
    """``ewc (weight 0.01)``."""
    return line.point.arm + (f" ({line.point.said})" if line.point.said else "")


def percent(interval: Interval | None) -> str:
    """``-14.2 % (-20.0 to -8.1)``; a dash where nothing was measured."""
    if interval is None or interval.estimate != interval.estimate:
        return "-"
    return f"{100 * interval.estimate:+.1f} % ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


def _estimate(interval: Interval | None) -> float:
    return float("inf") if interval is None else interval.estimate


def _high(interval: Interval | None) -> float:
    return float("inf") if interval is None else interval.high
