"""Intervals of what becomes of turns: speakers are resampled, with all their turns.

Rates are ratios of sums over speakers, bounded as word error rates are (evenvoice.metrics.bootstrap). Quantiles of
latencies weigh a turn by how often its speaker was drawn, and are bounded by the standard error of their replicates
and Student's t, in seconds: percentiles are too short for a few speakers (tests/unit/multitalker/test_coverage.py). A
figure of a whole mixture counts by the mean weight of its speakers, and one in which nobody speaks always counts once.
What two speakers of one mixture did to each other is so taken for chance of its own.

Shapes: S speakers, N turns, M mixtures, R replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.metrics.bootstrap import (
    CELLS_AT_ONCE,
    Floats,
    Integers,
    Interval,
    Mask,
    Resampled,
    SpeakerBootstrap,
    SpeakerTable,
    wer_interval,
)
from evenvoice.multitalker.served import Served, summed

Row = dict[str, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """What became of the turns of one split under one model.

    Attributes:
        served: sums of each of its (S,) speakers.
        speaker: (N,) number of each turn's speaker.
        sot_s, eot_s: (N,) latencies; NaN where none was told.
        mixtures: rows of the MIXTURE_ERRORS table.
    """

    served: Served
    speaker: Integers
    sot_s: Floats
    eot_s: Floats
    mixtures: Sequence[Row]

    @classmethod
    def of(cls, spoken: Sequence[Row], mixtures: Sequence[Row]) -> Outcomes:
        """From rows of the SPOKEN_TURNS and the MIXTURE_ERRORS table, of one model and split.

        Raises:
            GateError: nobody speaks, or the tables are not about the same words.
        """
        served = summed(spoken, mixtures)
        number = {speaker: place for place, speaker in enumerate(served.speakers)}
        return cls(served=served, speaker=np.array([number[row["speaker"]] for row in spoken], dtype=np.int64),
                   sot_s=np.array([row["sot_latency_s"] for row in spoken], dtype=np.float64),
                   eot_s=np.array([row["eot_latency_s"] for row in spoken], dtype=np.float64), mixtures=mixtures)

    @property
    def everyone(self) -> Mask:
        """(S,) true."""
        return np.ones(len(self.served.speakers), dtype=bool)

    @property
    def missed(self) -> SpeakerTable:
        """Turns whose end was never told, and turns."""
        untold_S = np.bincount(self.speaker, np.isnan(self.eot_s), len(self.served.speakers))
        return SpeakerTable(untold_S, self.served.turns_S)

    def shared(self, values_M: NDArray[Any] | Sequence[float]) -> Floats:
        """(S,) each mixture's value in equal parts to its speakers; where nobody speaks, to everyone.

        The sum of these over resampled speakers is the sum over mixtures, each by the mean weight of its speakers.
        """
        number = {speaker: place for place, speaker in enumerate(self.served.speakers)}
        parts_S = np.zeros(len(number))
        for value, row in zip(values_M, self.mixtures, strict=True):
            own = [number[speaker] for speaker in row["speakers"]]
            parts_S[own or slice(None)] += value / (len(own) or len(number))
        return parts_S

    def per_mixture(self, values_M: NDArray[Any] | Sequence[float]) -> SpeakerTable:
        """A count of each mixture, over mixtures."""
        return SpeakerTable(self.shared(values_M), self.shared(np.ones(len(self.mixtures))))


class TurnBootstrap(SpeakerBootstrap):
    """The replicates of one split; every group and model of the split shares them."""

    def rate(self, table: SpeakerTable, members_S: Mask, confidence: float) -> Interval:
        """A ratio of sums over the members; NaN where there is nothing to divide by."""
        if not table.words[members_S].sum():
            return Interval(float("nan"), float("nan"), float("nan"))
        return wer_interval(self.log_wer(table, members_S), errors=float(table.errors[members_S].sum()),
                            confidence=confidence)

    def quantiles(self, values_N: Floats, speaker_N: Integers, members_S: Mask, shares: Sequence[float]
                  ) -> list[Resampled]:
        """Quantiles of what the members' turns have, in its own unit; NaN where it is nothing.

        Each is the least value that so large a share of the weight does not exceed.

        Args:
            values_N: NaN where a turn has none.
            shares: 0 to 1.
        """
        kept_N = members_S[speaker_N] & ~np.isnan(values_N)
        speaker_K, values_K = speaker_N[kept_N], values_N[kept_N]
        order_K = np.argsort(values_K, kind="stable")
        speaker_K, values_K = speaker_K[order_K], values_K[order_K]
        replicates_RQ = self._weighted_quantiles(values_K, speaker_K, shares)
        estimates_Q = (np.quantile(values_K, shares, method="inverted_cdf") if len(values_K)
                       else np.full(len(shares), np.nan))
        return [_resampled(float(estimate), replicates_R, len(np.unique(self.units_of(speaker_K))))
                for estimate, replicates_R in zip(estimates_Q, replicates_RQ.T, strict=True)]

    def _weighted_quantiles(self, values_K: Floats, speaker_K: Integers, shares: Sequence[float]) -> Floats:
        """(R, Q) of values in order."""
        unit_K = self.units_of(speaker_K)
        replicates_RQ = np.full((len(self._weights_RU), len(shares)), np.nan)
        height = max(1, CELLS_AT_ONCE // max(1, len(values_K)))
        for start in range(0, len(self._weights_RU) if len(values_K) else 0, height):
            rows = slice(start, start + height)
            reached_RK = np.cumsum(self._weights_RU[rows][:, unit_K], axis=1, dtype=np.int32)
            drawn_R = reached_RK[:, -1] > 0
            for column, share in enumerate(shares):
                place_R = np.argmax(reached_RK >= share * reached_RK[:, -1:], axis=1)
                replicates_RQ[rows, column] = np.where(drawn_R, values_K[place_R], np.nan)
        return replicates_RQ


def _resampled(estimate: float, replicates_R: Floats, speakers: int) -> Resampled:
    """Resampling S speakers understates the variance by (S - 1) / S."""
    known_R = replicates_R[~np.isnan(replicates_R)]
    spread = (float(known_R.std()) * float(np.sqrt(speakers / (speakers - 1))) if speakers > 1 and len(known_R)
              else float("nan"))
    return Resampled(estimate, replicates_R, spread, speakers - 1)
