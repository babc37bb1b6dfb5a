"""Ends of turns by silence alone, which the model's ends stand beside: an energy detector with hang-over.

A frame is speech where its mean power is above a threshold, and a turn ends once there was no speech for so long. The
threshold is the one that tells frames of validate mixtures apart best. Only turns that end in silence are looked at:
energy cannot tell that a turn ends while somebody else speaks.

The detector knows no turns, so an end that it tells is that of the turn in which it last heard speech. Matching its
segments like the turns of a model would be unfair to it: one that holds two turns could only be the end of one of them,
and of the longer one, which need not be the one that it ended with.

Letters: T frame, M mel band.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import Floats, Mask
from evenvoice.multitalker.heard import Said
from evenvoice.multitalker.speaking import Span, end_in_silence, speech_spans
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.turns import Turn

HANGOVERS_S: Final = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
ROUNDING_S: Final = 1e-6
Row = dict[str, Any]


def log_power(features_TM: NDArray[np.float16]) -> Floats:
    """Logarithm (T,) of the mean power over bands, of logarithms of the power in each."""
    logs_TM = features_TM.astype(np.float64)
    most_T = logs_TM.max(axis=1)
    return np.asarray(most_T + np.log(np.exp(logs_TM - most_T[:, None]).mean(axis=1)))


def spoken_frames(turns: Sequence[Turn], frames: int, hop_s: float) -> Mask:
    """(T,) whether somebody speaks in the middle of each frame."""
    middle_T = (np.arange(frames) + 0.5) * hop_s
    spoken_T = np.zeros(frames, dtype=bool)
    for turn in turns:
        for start_s, end_s in speech_spans(turn):
            spoken_T |= (middle_T >= start_s) & (middle_T < end_s)
    return spoken_T


def best_threshold(power_T: Floats, spoken_T: Mask) -> float:
    """The value that has as many frames as possible of both kinds on their own side: the best balanced accuracy.

    It lies in the middle between the two frames that it parts.

    Raises:
        ArtifactError: frames of only one kind.
    """
    if spoken_T.all() or not spoken_T.any():
        raise ArtifactError(name="validate mixtures", rule="hold speech and silence, which the energy detector parts",
                            value="only speech" if spoken_T.all() else "only silence",
                            action="Correct the times of turns, or leave gaps between them (mix.longest_gap_s).")
    order_T = np.argsort(power_T, kind="stable")
    sorted_T, kind_T = power_T[order_T], spoken_T[order_T]
    silent_T, missed_T = np.cumsum(~kind_T), np.cumsum(kind_T)
    accuracy_T = silent_T / silent_T[-1] + 1 - missed_T / missed_T[-1]
    apart = np.flatnonzero(sorted_T[:-1] < sorted_T[1:])
    if not len(apart):
        return float(sorted_T[0])
    place = apart[np.argmax(accuracy_T[apart])]
    return float((sorted_T[place] + sorted_T[place + 1]) / 2)


def told_ends(speech_T: Mask, hop_s: float, hangover_s: float) -> list[Span]:
    """When speech ended and when that was told, ``hangover_s`` later; not where somebody spoke again before.

    Behind the recording there is silence: how soon after the last turn it was cut off says nothing of the detector.
    """
    frames = np.flatnonzero(speech_T)
    quiet_s = np.append((np.diff(frames) - 1) * hop_s, np.inf)[:len(frames)]
    last = frames[quiet_s >= hangover_s - ROUNDING_S]
    return [(end_s, end_s + hangover_s) for end_s in ((last + 1) * hop_s).tolist()]


def latencies(turns: Sequence[Turn], ends: Sequence[Span]) -> list[float | None]:
    """Of each turn, from its end until an end was first told for it; None where none was.

    Args:
        ends: as :func:`told_ends` has them.
    """
    told: dict[int, float] = {}
    for ended_s, told_s in ends:
        owner = _owner(turns, ended_s)
        if owner is not None:
            told[owner] = min(told.get(owner, np.inf), told_s - turns[owner].end_s)
    return [told.get(number) for number in range(len(turns))]


def _owner(turns: Sequence[Turn], ended_s: float) -> int | None:
    """The turn that has speech then, or else the one that last had."""
    spans = [(min(end_s, ended_s), end_s, number) for number, turn in enumerate(turns)
             for start_s, end_s in speech_spans(turn) if start_s <= ended_s]
    return max(spans)[2] if spans else None


def endpointing_rows(store: MixtureStore, *, validate: Sequence[Said], test: Sequence[Said], spoken: Iterable[Row],
                     hop_s: float, cut_tolerance_s: float) -> list[Row]:
    """Rows of the ENDPOINTING table; none where no turn ends in silence.

    Args:
        spoken: rows of the SPOKEN_TURNS table, of the model on test mixtures.
        hop_s: between the frames of the store.
        cut_tolerance_s: an end that is told earlier by no more than this does not cut a turn off.

    Raises:
        ArtifactError: validate mixtures are all speech or all silence.
    """
    known = [(log_power(store.features(one.place)), one.turns) for one in validate]
    threshold = best_threshold(np.concatenate([power_T for power_T, _ in known]), np.concatenate(
        [spoken_frames(turns, len(power_T), hop_s) for power_T, turns in known]))
    speech = [log_power(store.features(one.place)) > threshold for one in test]
    rows = _row("model", None, [(row["eot_latency_s"], row["cut"]) for row in spoken if row["into_silence"]])
    for hangover_s in HANGOVERS_S:
        told = [late_s for one, speech_T in zip(test, speech, strict=True)
                for late_s, quiet in zip(latencies(one.turns, told_ends(speech_T, hop_s, hangover_s)),
                                         end_in_silence(one.turns), strict=True) if quiet]
        rows += _row("vad", hangover_s, [(late_s, late_s is not None and late_s < -cut_tolerance_s)
                                         for late_s in told])
    return rows


def _row(kind: str, hangover_s: float | None, told: Sequence[tuple[float | None, bool]]) -> list[Row]:
    if not told:
        return []
    latencies_s = [late_s for late_s, _ in told if late_s is not None]
    middle, late = (float(np.quantile(latencies_s, share, method="inverted_cdf")) if latencies_s else None
                    for share in (0.5, 0.9))
    return [{"kind": kind, "hangover_s": hangover_s, "turns": len(told), "cut": sum(cut for _, cut in told) / len(told),
             "missed": 1 - len(latencies_s) / len(told), "eot_p50_s": middle, "eot_p90_s": late}]
