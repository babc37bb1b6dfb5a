"""Which turns a mixture is made of, and when each begins: drawn by a seed alone, before any sample is touched.

A mixture has up to so many turns of up to so many speakers, at most two at once. Neighbouring turns of different
speakers overlap, or a gap lies between them; a turn may have a pause inside, drawn like a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from evenvoice.multitalker.turns import CHANNELS
from evenvoice.params import Mix

EDGE_S: Final = (0.2, 1.0)
"""Silence before the first turn, from and to [design]."""
TAIL_S: Final = (1.0, 2.0)
"""Behind the last one: time enough to tell its end [design]."""
SILENCE_S: Final = (3.0, 8.0)
"""Length of a mixture in which nobody speaks [design]."""


@dataclass(frozen=True, kw_only=True)
class PlannedTurn:
    """One recording as a turn.

    Attributes:
        recording: its number among those to draw from.
        speaker: its speaker.
        gain_db: how loud, against the other turns.
        pause_s: length of the silence put inside; 0 puts none.
        gap_s: silence before it, where it does not overlap the turn before.
        overlap: share of the shorter of this turn and the one before that overlaps; 0 does not.
        start_s: when it begins, once the lengths of recordings are known.
    """

    recording: int
    speaker: str
    gain_db: float
    pause_s: float
    gap_s: float
    overlap: float
    start_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One mixture; of one in which nobody speaks, the edge and the tail are all there is."""

    name: str
    turns: tuple[PlannedTurn, ...]
    edge_s: float
    tail_s: float
    noise_seed: int


@dataclass(frozen=True)
class Recordings:
    """What there is to draw from, in order: the recordings of each speaker."""

    of: dict[str, list[int]]

    @classmethod
    def by_speaker(cls, speakers: Sequence[str]) -> Recordings:
        """From the speaker of each recording."""
        of: dict[str, list[int]] = {}
        for number, speaker in enumerate(speakers):
            of.setdefault(speaker, []).append(number)
        return cls({speaker: of[speaker] for speaker in sorted(of)})


def plan_mixtures(recordings: Recordings, *, count: int, split: str, settings: Mix, seed: int) -> list[Plan]:
    """Draw the mixtures of a split; nothing else than these arguments decides them."""
    rng = np.random.default_rng([seed, *split.encode()])
    return [_plan(recordings, f"{split}-{number:06d}", settings, rng) for number in range(count)]


def _plan(recordings: Recordings, name: str, settings: Mix, rng: np.random.Generator) -> Plan:
    noise_seed = int(rng.integers(2**31))
    edge_s, tail_s = rng.uniform(*EDGE_S), rng.uniform(*TAIL_S)
    if rng.random() < settings.silent_share or not recordings.of:
        return Plan(name=name, turns=(), edge_s=rng.uniform(*SILENCE_S), tail_s=0.0, noise_seed=noise_seed)
    turns = int(rng.integers(1, settings.most_turns + 1))
    speakers = _speakers(list(recordings.of), turns, settings, rng)
    return Plan(name=name, edge_s=edge_s, tail_s=tail_s, noise_seed=noise_seed,
                turns=tuple(_turn(recordings, speaker, before, settings, rng)
                            for speaker, before in zip(speakers, (None, *speakers), strict=False)))


def _speakers(known: list[str], turns: int, settings: Mix, rng: np.random.Generator) -> list[str]:
    """Who speaks in turn: everybody once, the others as it comes."""
    most = min(settings.most_speakers, turns, len(known))
    chosen = [known[i] for i in rng.choice(len(known), int(rng.integers(1, most + 1)), replace=False)]
    further = [chosen[i] for i in rng.integers(len(chosen), size=turns - len(chosen))]
    order = [*chosen, *further]
    return [order[i] for i in rng.permutation(turns)]


def _turn(recordings: Recordings, speaker: str, before: str | None, settings: Mix,
          rng: np.random.Generator) -> PlannedTurn:
    of_speaker = recordings.of[speaker]
    gaps = settings.shortest_gap_s, settings.longest_gap_s
    recording = of_speaker[int(rng.integers(len(of_speaker)))]
    gain_db = rng.uniform(-settings.gain_db / 2, settings.gain_db / 2)
    pause_s = rng.uniform(*gaps) if rng.random() < settings.pause_share else 0.0
    gap_s, overlap = rng.uniform(*gaps), rng.uniform(0, settings.overlap)
    overlaps = rng.random() < settings.overlapping_share and before not in (None, speaker)
    return PlannedTurn(recording=recording, speaker=speaker, gain_db=float(gain_db), pause_s=float(pause_s),
                       gap_s=float(gap_s), overlap=float(overlap) if overlaps else 0.0)


def placed(plan: Plan, lengths_s: Sequence[float]) -> list[PlannedTurn]:
    """The turns with their starts, for so many seconds of each.

    A turn never begins before one of the channels is free, nor before its own speaker has been silent for a gap; where
    that leaves silence between turns, it is a gap too.
    """
    ends_s: list[float] = []
    of_speaker: dict[str, float] = {}
    found: list[PlannedTurn] = []
    for place, (turn, length_s) in enumerate(zip(plan.turns, lengths_s, strict=True)):
        start_s = plan.edge_s
        if place:
            free_s = sorted(ends_s)[-CHANNELS] if len(ends_s) >= CHANNELS else 0.0
            overlap_s = turn.overlap * min(length_s, lengths_s[place - 1])
            silent_s, own_s = max(ends_s), of_speaker.get(turn.speaker, -turn.gap_s) + turn.gap_s
            start_s = max(ends_s[-1] - overlap_s, free_s, found[-1].start_s, own_s)
            if not overlap_s or start_s > silent_s:
                start_s = silent_s + turn.gap_s
        ends_s.append(start_s + length_s)
        of_speaker[turn.speaker] = ends_s[-1]
        found.append(replace(turn, start_s=start_s))
    return found
