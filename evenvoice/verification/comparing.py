"""Error rates of one verifier for everybody and for every group, and how two verifiers differ on the same speakers.

Shapes: S speakers, N trials, R replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenvoice.metrics.bootstrap import Floats, Interval, Resampled, ratio_of_models
from evenvoice.verification.calibration import Calibration
from evenvoice.verification.groups import WHOLE, Grouping, Labels
from evenvoice.verification.heard import Heard
from evenvoice.verification.resampling import PairBootstrap

Scope = tuple[str, str]
"""A grouping and a group of it, or (:data:`WHOLE`, :data:`WHOLE`)."""
EVERYONE: Scope = (WHOLE, WHOLE)


@dataclass(frozen=True, eq=False)
class Rates:
    """One verifier on one scope; each a logarithm, None without trials of its kind."""

    speakers: int
    same_trials: int
    different_trials: int
    eer: Resampled | None
    miss: Resampled | None
    false_alarm: Resampled | None


class Verifier:
    """The trials of one verifier on one split, with its calibration, resampled as all others are."""

    def __init__(self, heard: Heard, calibration: Calibration, bootstrap: PairBootstrap) -> None:
        self._heard, self._calibration, self._bootstrap = heard, calibration, bootstrap
        self._rates: dict[bytes, Rates] = {}

    def rates(self, members_S: np.ndarray) -> Rates:
        """Rates over trials within these speakers; worked out once for each."""
        key = np.packbits(members_S).tobytes()
        if key not in self._rates:
            self._rates[key] = rates(self._heard.within(members_S), self._calibration, self._bootstrap)
        return self._rates[key]


def rates(heard: Heard, calibration: Calibration, bootstrap: PairBootstrap) -> Rates:
    """Rates over these trials."""
    same_N = heard.same
    accepted_N = calibration.accepts(heard.scores)
    own, others = heard.pairs.where(same_N), heard.pairs.where(~same_N)
    return Rates(
        speakers=len(np.unique(own.first)), same_trials=int(same_N.sum()), different_trials=int((~same_N).sum()),
        eer=bootstrap.log_equal_error_rate(heard.scores, heard.pairs) if heard.has_both_kinds else None,
        miss=bootstrap.log_rate(~accepted_N[same_N], own) if same_N.any() else None,
        false_alarm=bootstrap.log_rate(accepted_N[~same_N], others) if not same_N.all() else None)


def scopes(groupings: Sequence[Grouping], labels: Labels, speakers: tuple[str, ...], split: str
           ) -> dict[Scope, np.ndarray]:
    """Everybody, and each group that somebody of the split is in: who is in it."""
    found = {EVERYONE: np.ones(len(speakers), dtype=bool)}
    for grouping in groupings:
        for group in (*grouping.judged, *grouping.aside):
            members_S = labels.members(grouping.name, group, speakers, split)
            if members_S.any():
                found[grouping.name, group] = members_S
    return found


def change(model: Resampled | None, reference: Resampled | None, confidence: float) -> Interval:
    """Relative difference of two rates on the same speakers; NaN where either is unknown."""
    if model is None or reference is None:
        return Interval(float("nan"), float("nan"), float("nan"))
    bounds = ratio_of_models(model, reference).interval(confidence)
    return Interval(*(float(np.expm1(value)) for value in (bounds.estimate, bounds.low, bounds.high)))


def row_of(rates: Rates, confidence: float, *, bounded: bool) -> dict[str, float | int | None]:
    """Columns of the VERIFICATION table."""
    row: dict[str, float | int | None] = {"speakers": rates.speakers, "same_trials": rates.same_trials,
                                          "different_trials": rates.different_trials}
    for name in ("eer", "miss", "false_alarm"):
        rate: Resampled | None = getattr(rates, name)
        row[name] = None if rate is None else estimate_of(rate)
        bounds = rate.interval(confidence) if rate is not None and bounded else None
        row[f"{name}_low"] = None if bounds is None else _share(bounds.low)
        row[f"{name}_high"] = None if bounds is None else _share(bounds.high)
    return row


def estimate_of(rate: Resampled) -> float:
    """The rate itself."""
    return float(np.exp(rate.estimate))


def _share(log_rate: float) -> float | None:
    return float(min(1.0, np.exp(log_rate))) if np.isfinite(log_rate) else None


@dataclass(frozen=True, eq=False)
class Apart:
    """How far equal error rates of groups lie apart: the estimate, and what resampling makes of it."""

    value: float
    replicates: Floats
    freedom: int

    def interval(self, confidence: float) -> Interval:
        """By the bootstrap's standard error and Student's t."""
        from scipy.special import stdtrit

        spread = float(np.nanstd(self.replicates))
        reach = float(stdtrit(max(1, self.freedom), (1 + confidence) / 2)) * spread
        return Interval(self.value, self.value - reach, self.value + reach)

    def less(self, other: Apart) -> Apart:
        """The difference, replicate by replicate."""
        return Apart(self.value - other.value, self.replicates - other.replicates, self.freedom)


def gap_and_spread(grouping: Grouping, rates: Mapping[Scope, Rates]) -> dict[str, Apart]:
    """EER of the bottom group less that of the top group, and the standard deviation of EERs over groups.

    Empty with fewer than two groups that have an EER.
    """
    known = {group: found.eer for group in grouping.judged
             if (found := rates.get((grouping.name, group))) is not None and found.eer is not None}
    if not {grouping.bottom, grouping.top} <= known.keys() or len(known) < 2:
        return {}
    values = {group: np.concatenate([[np.exp(eer.estimate)], np.exp(eer.replicates)]) for group, eer in known.items()}
    freedom = int(min(eer.freedom for eer in known.values()))
    gaps = values[grouping.bottom] - values[grouping.top]
    spreads = np.std(np.stack(list(values.values())), axis=0, ddof=1)
    return {"gap": Apart(float(gaps[0]), gaps[1:], freedom), "spread": Apart(float(spreads[0]), spreads[1:], freedom)}


def as_row(name: str, apart: Apart, changed: Apart, confidence: float) -> dict[str, Any]:
    """Columns of the VERIFICATION_GAPS table."""
    own, other = apart.interval(confidence), changed.interval(confidence)
    return {"figure": name, "value": own.estimate, "low": own.low, "high": own.high, "change": other.estimate,
            "change_low": other.low, "change_high": other.high}
