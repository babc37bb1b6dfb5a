"""Connected strings: several short recordings of one speaker and split, joined with short silences.

Single words make no sentence; strings of them do (digits read as numbers are the usual case).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from evenvoice.data.audio import Waveform, resample, within_full_scale
from evenvoice.data.corpora.recording import Audio, Recording

STREAM: Final = 11
"""Second seed of the random numbers that join recordings."""
GAP_S: Final = (0.02, 0.15)
"""Shortest and longest silence between two recordings: connected speech, not a list."""


@dataclass(frozen=True, slots=True)
class JoinedAudio:
    """Audio of several recordings, one after the other."""

    parts: tuple[Audio, ...]
    gaps_s: tuple[float, ...]
    """Silence before each part but the first."""

    def load(self, *, name: str, max_duration_s: float) -> Waveform:
        """Load every part at the rate of the first; see :class:`evenvoice.data.corpora.recording.Audio`.

        The whole counts as scaled where any part was.
        """
        first = self.parts[0].load(name=name, max_duration_s=max_duration_s)
        pieces, scaled = [first.samples], first.scaled
        for part, gap_s in zip(self.parts[1:], self.gaps_s, strict=True):
            piece = resample(part.load(name=name, max_duration_s=max_duration_s), first.rate)
            pieces += [np.zeros(round(gap_s * first.rate), np.float32), piece.samples]
            scaled |= piece.scaled
        return within_full_scale(Waveform(samples=np.concatenate(pieces), rate=first.rate, scaled=scaled), scaled=False)


def join(recordings: Iterable[Recording], *, shortest: int, longest: int, repeats: int, seed: int) -> list[Recording]:
    """Join recordings of each speaker and split into strings of ``shortest`` to ``longest``.

    What is drawn for a speaker follows from the seed and from their own recordings, whoever else there is. Each
    recording is used ``repeats`` times. A rest that is too short for a string of its own makes the strings before it
    shorter or longer within the limits; a speaker with fewer than ``shortest`` recordings in a split gives one string
    of those there are.
    """
    groups: dict[tuple[str | None, str], list[Recording]] = defaultdict(list)
    for recording in recordings:
        groups[recording.split, recording.speaker].append(recording)
    return [string for seat, own in groups.items() for string in _strings(own, shortest, longest, repeats,
                                                                          _random(seed, *seat))]


def _random(seed: int, split: str | None, speaker: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{split}\0{speaker}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng([seed, STREAM, int.from_bytes(digest[:8])])


def _strings(recordings: list[Recording], shortest: int, longest: int, repeats: int,
             rng: np.random.Generator) -> Iterator[Recording]:
    for turn in range(repeats):
        for parts in _cut(recordings, shortest, longest, rng):
            yield _string(parts, f"round {turn}", rng)


def _cut(recordings: Sequence[Recording], shortest: int, longest: int,
         rng: np.random.Generator) -> list[list[Recording]]:
    """Shuffle, then cut at random lengths; the last string borrows from earlier ones rather than be too short."""
    shuffled = [recordings[i] for i in rng.permutation(len(recordings))]
    lengths: list[int] = []
    while (rest := len(shuffled) - sum(lengths)) > 0:
        lengths.append(min(rest, int(rng.integers(shortest, longest + 1))))
    for i in range(len(lengths) - 1):
        lent = min(shortest - lengths[-1], lengths[i] - shortest)
        if lent > 0:
            lengths[i] -= lent
            lengths[-1] += lent
    ends = np.cumsum(lengths).tolist()
    return [shuffled[end - length:end] for end, length in zip(ends, lengths, strict=True)]


def _string(parts: list[Recording], turn: str, rng: np.random.Generator) -> Recording:
    gaps_s = tuple(float(gap) for gap in rng.uniform(*GAP_S, size=len(parts) - 1))
    return replace(parts[0], key=f"{turn}: {' + '.join(part.key for part in parts)}",
                   text=" ".join(part.text for part in parts),
                   audio=JoinedAudio(tuple(part.audio for part in parts), gaps_s))
