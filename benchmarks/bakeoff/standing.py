"""What the trials say: WER of each arm over seeds, and paired differences from the reference.

Shapes: S speakers, N seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.metrics.bootstrap import Interval, SpeakerTable, compare_models

REPLICATES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Scored:
    """One arm on one corpus: errors (N, S) of the same speakers under every seed."""

    words_S: NDArray[np.int64]
    errors_NS: NDArray[np.int64]
    macs: float
    parameters: int
    cpu_s: float
    recipe: str

    @property
    def wers(self) -> NDArray[np.float64]:
        """(N,) pooled WER of each seed."""
        return np.asarray(self.errors_NS.sum(axis=1) / self.words_S.sum(), dtype=np.float64)

    @property
    def table(self) -> SpeakerTable:
        """Errors summed over seeds, words as often."""
        return SpeakerTable(self.errors_NS.sum(axis=0), self.words_S * len(self.errors_NS))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A line of the table.

    Attributes:
        sd: over seeds; None of a single one.
        change: (W - W_reference) / W_reference over seeds, with its interval from resampled speakers.
        seed_changes: the same of each seed by itself, paired.
    """

    arm: str
    parameters: int
    macs: float
    cpu_s: float
    recipe: str
    wers: tuple[float, ...]
    mean: float
    sd: float | None
    change: Interval
    seed_changes: tuple[float, ...]


    def record(self) -> dict[str, Any]:
        """As JSON knows it: what was not measured is null."""
        change = {name: None if math.isnan(value) else value for name, value in asdict(self.change).items()}
        return {**asdict(self), "change": change}


def standings(scored: Mapping[str, Scored], reference: str) -> list[Standing]:
    """Best first; every arm against ``reference``."""
    base = scored[reference]
    lines = [_standing(arm, one, base) for arm, one in scored.items()]
    return sorted(lines, key=lambda line: line.mean)


def _standing(arm: str, one: Scored, base: Scored) -> Standing:
    change = compare_models(one.table, base.table, replicates=REPLICATES, confidence=CONFIDENCE, seed=1)
    return Standing(arm=arm, parameters=one.parameters, macs=one.macs, cpu_s=one.cpu_s,
                    recipe=one.recipe, wers=tuple(one.wers.tolist()), mean=float(one.wers.mean()),
                    sd=float(one.wers.std(ddof=1)) if len(one.wers) > 1 else None, change=change,
                    seed_changes=tuple((one.wers / base.wers - 1).tolist()))


def markdown(lines: Sequence[Standing]) -> str:
    """The table as the documentation shows it."""
    rows = ["| encoder | recipe | WER, mean over seeds | sd | against lstm (speakers resampled) "
            "| seeds better than lstm | parameters | MMACs per s of audio | CPU s of training |", "| --- " * 9 + "|"]
    for line in lines:
        better = sum(change < 0 for change in line.seed_changes)
        rows.append(
            f"| {line.arm} | {line.recipe} | {100 * line.mean:.2f} % | {_percent(line.sd)} "
            f"| {100 * line.change.estimate:+.1f} % ({100 * line.change.low:+.1f} to {100 * line.change.high:+.1f}) "
            f"| {better} of {len(line.seed_changes)} | {line.parameters:,} "
            f"| {line.macs / 1e6:.1f} | {line.cpu_s:.0f} |")
    return "\n".join(rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
