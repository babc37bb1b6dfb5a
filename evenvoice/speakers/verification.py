"""How well scores tell whether two recordings are of one speaker: equal error rate and minimum detection cost.

Shapes: R recordings, D embedding width, N trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import CohortError

MAX_RECORDINGS: Final = 2000
"""All pairs of these are two million trials; more add seconds and memory, not precision."""
TARGET_PRIOR: Final = 0.05
"""Prior of a same-speaker trial in the detection cost, as in the VoxCeleb speaker recognition challenges."""


@dataclass(frozen=True)
class Verification:
    """Figures of one set of trials; None with a reason where they cannot be known."""

    same_speaker_trials: int
    different_speaker_trials: int
    eer: float | None
    min_dcf: float | None
    reason: str


def verify(embeddings_RD: NDArray[np.floating], speakers_R: NDArray[np.object_]) -> Verification:
    """Score every pair of recordings by the cosine of their unit-length embeddings."""
    chosen_R = _whole_speakers(speakers_R, MAX_RECORDINGS)
    embeddings_RD, speakers_R = embeddings_RD[chosen_R], speakers_R[chosen_R]
    first_N, second_N = np.triu_indices(len(embeddings_RD), k=1)
    scores_N = (embeddings_RD @ embeddings_RD.T)[first_N, second_N]
    same_N = np.asarray(speakers_R[first_N] == speakers_R[second_N], dtype=bool)
    same, different = int(same_N.sum()), int((~same_N).sum())
    if not same or not different:
        lacking = "two recordings of one speaker" if not same else "recordings of two speakers"
        return Verification(same, different, None, None, f"no trial has {lacking}")
    return Verification(same, different, equal_error_rate(scores_N, same_N),
                        minimum_detection_cost(scores_N, same_N), f"{same + different} trials")


def equal_error_rate(scores_N: NDArray[np.floating], same_N: NDArray[np.bool_]) -> float:
    """The rate at which misses and false alarms are equally frequent, between thresholds by a straight line.

    Raises:
        CohortError: trials of only one kind.
    """
    miss, false_alarm = error_rates(scores_N, same_N)
    after = int(np.argmax(miss >= false_alarm))  # miss rises and false_alarm falls with the threshold
    before = max(after - 1, 0)
    gap_before, gap_after = false_alarm[before] - miss[before], false_alarm[after] - miss[after]
    share = gap_before / (gap_before - gap_after) if gap_before != gap_after else 0.0
    return float(miss[before] + share * (miss[after] - miss[before]))


def minimum_detection_cost(scores_N: NDArray[np.floating], same_N: NDArray[np.bool_],
                           target_prior: float = TARGET_PRIOR) -> float:
    """min over thresholds of P_t miss + (1 - P_t) false alarm, over the cost of the better blind answer (NIST SRE)."""
    miss, false_alarm = error_rates(scores_N, same_N)
    cost = target_prior * miss + (1 - target_prior) * false_alarm
    return float(cost.min() / min(target_prior, 1 - target_prior))


def error_rates(scores_N: NDArray[np.floating], same_N: NDArray[np.bool_]) -> tuple[NDArray[np.float64],
                                                                                   NDArray[np.float64]]:
    """Miss and false-alarm rates with the threshold at each distinct score and above all of them.

    A trial is accepted when its score reaches the threshold; equal scores are accepted or refused together.

    Raises:
        CohortError: trials of only one kind.
    """
    if same_N.all() or not same_N.any():
        raise CohortError(name="verification trials", rule="hold same-speaker and different-speaker pairs",
                          value=f"{int(same_N.sum())} of {len(same_N)} same-speaker", action="Add speakers.")
    same, different = np.sort(scores_N[same_N]), np.sort(scores_N[~same_N])
    thresholds = np.append(np.unique(scores_N), np.inf)
    miss = np.searchsorted(same, thresholds, side="left") / len(same)
    false_alarm = 1 - np.searchsorted(different, thresholds, side="left") / len(different)
    return miss, false_alarm


def _whole_speakers(speakers_R: NDArray[np.object_], limit: int) -> NDArray[np.intp]:
    """Recordings of as many speakers, in order of appearance, as stay within the limit; at least two speakers."""
    kept: list[int] = []
    names = list(dict.fromkeys(speakers_R.tolist()))
    rows_of: dict[str, list[int]] = {name: [] for name in names}
    for row, name in enumerate(speakers_R.tolist()):
        rows_of[name].append(row)
    for number, name in enumerate(names):
        if number >= 2 and len(kept) + len(rows_of[name]) > limit:
            break
        kept += rows_of[name][:limit // 2]
    return np.array(sorted(kept), dtype=np.intp)
