"""Samples of a mixture from those of its recordings.

Speech is cut out of each recording, brought to one level, and laid where the plan says, over a little noise. A pause is
put into a recording at the quietest place of its middle, so that what ends a turn is not silence alone.

Tensor names: T sample, F frame of 20 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenvoice.multitalker.plans import Plan, PlannedTurn, placed
from evenvoice.multitalker.turns import Turn

Samples = NDArray[np.float32]
FRAME_S: Final = 0.02
QUIET_DB: Final = 35.0
"""So much below the loudest frames, before the first word and behind the last, is not speech any more [design]."""
MARGIN_S: Final = 0.04
"""Left at both ends: consonants begin and end more softly than that."""
MIDDLE: Final = (0.3, 0.7)
"""Where in a recording a pause may be put."""
LEVEL: Final = 10 ** (-25 / 20)
"""Root mean square of a turn without gain, of full scale 1."""
FADE_S: Final = 0.005
"""Over which samples fade where they are cut, so that no click marks the place."""
FAINT: Final = 1e-9


class Mixed(NamedTuple):
    """A mixture and what is said in it."""

    samples_T: Samples
    turns: tuple[Turn, ...]


class Voiced(NamedTuple):
    """The speech of a recording, with its text."""

    samples_T: Samples
    text: str


def mixed(plan: Plan, recordings: Sequence[Voiced], rate: int, noise_db: float) -> Mixed:
    """Make a mixture.

    Args:
        plan: what of.
        recordings: of each planned turn, in order, as :func:`speech_of` cuts them out.
        rate: of all samples, in Hz.
        noise_db: level of the noise, against full scale.
    """
    turns = [_with_pause(one.samples_T, turn.pause_s, rate) for one, turn in zip(recordings, plan.turns, strict=True)]
    starts = placed(plan, [len(samples_T) / rate for samples_T, _ in turns])
    end_s = max((turn.start_s + len(samples_T) / rate for turn, (samples_T, _) in zip(starts, turns, strict=True)),
                default=plan.edge_s)
    noise = np.random.default_rng(plan.noise_seed).standard_normal(round((end_s + plan.tail_s) * rate), np.float32)
    samples_T = noise * np.float32(10 ** (noise_db / 20))
    said = []
    for turn, (own_T, pause), recording in zip(starts, turns, recordings, strict=True):
        first = round(turn.start_s * rate)
        samples_T[first:first + len(own_T)] += _levelled(own_T, turn.gain_db)[:len(samples_T) - first]
        said.append(_turn(turn, recording.text, len(own_T) / rate, pause))
    peak = float(np.abs(samples_T).max(initial=0.0))
    return Mixed(samples_T / peak if peak > 1 else samples_T, tuple(said))


def speech_of(samples_T: Samples, rate: int) -> Samples:
    """The samples from the first to the last that is loud enough to be speech; all of them where nothing is."""
    energy_F = _energy(samples_T, rate)
    loud_F = np.flatnonzero(energy_F > np.quantile(energy_F, 0.95) * 10 ** (-QUIET_DB / 10))
    if not len(loud_F):
        return samples_T
    frame, margin = round(FRAME_S * rate), round(MARGIN_S * rate)
    return samples_T[max(0, int(loud_F[0]) * frame - margin):(int(loud_F[-1]) + 1) * frame + margin]


def _with_pause(samples_T: Samples, pause_s: float, rate: int) -> tuple[Samples, tuple[float, float] | None]:
    """The samples with a silence inside, and when that is."""
    energy_F = _energy(samples_T, rate)
    low, high = (round(share * len(energy_F)) for share in MIDDLE)
    if not pause_s or high <= low:
        return samples_T, None
    frame = round(FRAME_S * rate)
    cut = (low + int(energy_F[low:high].argmin())) * frame + frame // 2
    before_T, after_T = samples_T[:cut].copy(), samples_T[cut:].copy()
    fade = min(round(FADE_S * rate), len(before_T), len(after_T))
    slope_T = np.linspace(1, 0, fade, dtype=np.float32)
    before_T[len(before_T) - fade:] *= slope_T
    after_T[:fade] *= slope_T[::-1]
    silence_T = np.zeros(round(pause_s * rate), np.float32)
    return np.concatenate([before_T, silence_T, after_T]), (cut / rate, (cut + len(silence_T)) / rate)


def _turn(turn: PlannedTurn, text: str, length_s: float, pause: tuple[float, float] | None) -> Turn:
    pauses = () if pause is None else ((turn.start_s + pause[0], turn.start_s + pause[1]),)
    return Turn(speaker=turn.speaker, start_s=turn.start_s, end_s=turn.start_s + length_s, text=text, pauses=pauses)


def _levelled(samples_T: Samples, gain_db: float) -> Samples:
    spoken_T = samples_T[samples_T != 0]
    rms = float(np.sqrt(np.mean(np.square(spoken_T, dtype=np.float64)))) if len(spoken_T) else 0.0
    return samples_T * np.float32(LEVEL * 10 ** (gain_db / 20) / max(rms, FAINT))


def _energy(samples_T: Samples, rate: int) -> NDArray[np.float64]:
    """Mean power of each whole frame, at least one."""
    frame = round(FRAME_S * rate)
    whole = max(1, len(samples_T) // frame)
    padded_T = np.pad(samples_T, (0, max(0, whole * frame - len(samples_T))))[:whole * frame]
    power_F: NDArray[np.float64] = np.square(padded_T.reshape(whole, frame), dtype=np.float64).mean(axis=1)
    return power_F
