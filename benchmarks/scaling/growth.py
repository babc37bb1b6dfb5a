"""How a stage's time and memory grow from one size to a larger one, and how long a size will take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.scaling.road import Size, StageCost

MOST_TIME: Final = 1.15
"""Goal: an hour of speech takes at most so many times as long in the larger corpus."""
MOST_MEMORY: Final = 1.2
"""Goal: the larger corpus takes at most so many times as much memory."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """One stage, or all of them together, from a smaller size to a larger one."""

    stage: str
    hours: tuple[float, float]
    cpu_s_per_hour: tuple[float, float]
    wall_s_per_hour: tuple[float, float]
    memory_mb: tuple[float, float]

    @property
    def time_ratio(self) -> float:
        """CPU seconds per hour of speech, larger to smaller: 1 where time is linear, less where starting weighs."""
        return self.cpu_s_per_hour[1] / self.cpu_s_per_hour[0]

    @property
    def memory_ratio(self) -> float:
        """Larger to smaller: 1 where memory is flat."""
        return self.memory_mb[1] / self.memory_mb[0]

    @property
    def missed(self) -> tuple[str, ...]:
        """The goals that it does not reach."""
        return (("time",) if self.time_ratio > MOST_TIME else ()) + (
            ("memory",) if self.memory_ratio > MOST_MEMORY else ())


def growths(smaller: Size, larger: Size) -> list[Growth]:
    """That of each stage, in the order of the road."""
    of_larger = {stage.stage: stage for stage in larger.stages}
    return [_growth(stage, of_larger[stage.stage], (smaller.hours, larger.hours)) for stage in smaller.stages]


def _growth(smaller: StageCost, larger: StageCost, hours: tuple[float, float]) -> Growth:
    both = list(zip((smaller.cost, larger.cost), hours, strict=True))
    cpu, wall = (tuple(getattr(cost, name) / length for cost, length in both) for name in ("cpu_s", "wall_s"))
    return Growth(stage=smaller.stage, hours=hours, cpu_s_per_hour=(cpu[0], cpu[1]),
                  wall_s_per_hour=(wall[0], wall[1]), memory_mb=(smaller.cost.memory_mb, larger.cost.memory_mb))


def foretold_s(hours: float, known: Sequence[Size]) -> float | None:
    """Wall seconds of all stages at ``hours``: the line through the two largest sizes, or through one and nothing."""
    if not known:
        return None
    points = sorted((size.wanted_hours, _wall_s(size.stages)) for size in known)
    (shorter, first), (longer, last) = points[-2:] if len(points) > 1 else ((0.0, 0.0), points[0])
    return last + (hours - longer) * max(last - first, 0.0) / (longer - shorter)


def _wall_s(stages: Iterable[StageCost]) -> float:
    return sum(stage.cost.wall_s for stage in stages)
