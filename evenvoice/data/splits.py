"""Who goes into train, discover, validate and test.

Speakers are ordered by a hash of the seed and their name and cut by shares: the order of rows does not matter, and
another recording of a known speaker moves nobody.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from evenvoice.data.checks import rejected
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.schemas import SPLITS
from evenvoice.errors import CorpusError
from evenvoice.params import Ingest, Split

SPELLINGS: Final = {"train": "train", "training": "train", "discover": "discover", "dev": "validate",
                    "valid": "validate", "validate": "validate", "validation": "validate", "test": "test"}


def draw(names: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Assign each distinct name to a split.

    Counts are the shares rounded by largest remainder, and at least one wherever there are enough names for it.
    """
    ordered = sorted(set(names), key=lambda name: _rank(name, seed))
    counts = _counts(len(ordered), shares)
    splits = [split for split in shares for _ in range(counts[split])]
    return dict(zip(ordered, splits, strict=True))


@dataclass(frozen=True)
class Placement:
    """Who goes where, as one look at all recordings decided it; holds no recording."""

    speakers: frozenset[tuple[str, str]]
    """Every speaker with each split that they are in."""
    by_speaker: Mapping[str, str] = field(default_factory=dict)
    within: Mapping[str, _Parts] = field(default_factory=dict)
    """How the train part of each speaker is divided, where speakers are in several splits."""

    def place(self, recording: Recording) -> Recording:
        """Give a recording its split, or leave it the one it has."""
        if recording.split == "train" and recording.speaker in self.within:
            split: str | None = self.within[recording.speaker].of(recording.key)
        else:
            split = self.by_speaker.get(recording.speaker)
        return recording if split is None else recording.altered(split=split)


@dataclass(frozen=True)
class _Parts:
    """What :func:`draw` gives to the ids of one speaker, by the places of their ranks alone; holds no id."""

    seed: int
    splits: tuple[str, ...]
    """Those that get any, in order."""
    ends: tuple[int, ...]
    """The last rank of each."""

    @classmethod
    def drawn(cls, ranks: array[int], shares: Mapping[str, float], seed: int) -> _Parts:
        """Cut the ranks of all ids of a speaker, as :func:`_short_rank` gives them."""
        counts = {split: count for split, count in _counts(len(ranks), shares).items() if count}
        ordered, last = sorted(ranks), np.cumsum(list(counts.values())) - 1
        return cls(seed, tuple(counts), tuple(ordered[place] for place in last))

    def of(self, key: str) -> str:
        """The split of one of the ids."""
        return self.splits[bisect_left(self.ends, _short_rank(key, self.seed))]


def by_speaker(recordings: Iterable[Recording], settings: Ingest, seed: int) -> Placement:
    """Draw splits over speakers, whatever the corpus brings."""
    split_of = draw((recording.speaker for recording in recordings), shares_of(settings.split), seed)
    return Placement(frozenset(split_of.items()), by_speaker=split_of)


def canonical(recording: Recording) -> Recording:
    """Bring the corpus's own split to our spelling.

    Raises:
        RecordingRejected: no split, or an unknown one.
    """
    split = SPELLINGS.get((recording.split or "").lower())
    if split is None:
        raise rejected(recording, f"name its split ({', '.join(SPELLINGS)})", repr(recording.split),
                       "Fill in the column, or set ingest.splits to speakers.")
    return recording.altered(split=split)


def by_corpus(recordings: Iterable[Recording], settings: Ingest, seed: int) -> Placement:
    """Keep the corpus's split; what it lacks of discover and validate is taken from its train part.

    The train part is divided by speaker; where speakers overlap anyway (``ingest.allow_speaker_overlap``), it is
    divided by recording, within each speaker.

    Raises:
        CorpusError: a speaker in two splits without that setting.
    """
    found: dict[str, set[str]] = defaultdict(set)
    ranks: dict[str, array[int]] = defaultdict(lambda: array("Q"))
    for recording in recordings:
        found[recording.speaker].add(str(recording.split))
        if settings.allow_speaker_overlap and recording.split == "train":
            ranks[recording.speaker].append(_short_rank(recording.key, seed))
    overlap = sorted(speaker for speaker, splits in found.items() if len(splits) > 1)
    if overlap and not settings.allow_speaker_overlap:
        raise CorpusError(name=f"speaker {overlap[0]!r}", rule="be in one split only",
                          value=f"{len(overlap)} such speakers in several", action="Correct the corpus's split, set "
                          "ingest.splits to speakers, or accept it with ingest.allow_speaker_overlap: the fairness "
                          "gate then cannot PASS.")
    present = set().union(*found.values())
    shares = {split: share for split, share in shares_of(settings.split).items()
              if split == "train" or (split in ("discover", "validate") and split not in present)}
    others = {(speaker, split) for speaker, splits in found.items() for split in splits if split != "train"}
    if overlap:
        within = {speaker: _Parts.drawn(own, shares, seed) for speaker, own in ranks.items()}
        pairs = {(speaker, split) for speaker, parts in within.items() for split in parts.splits}
        return Placement(frozenset(others | pairs), within=within)
    split_of = draw((speaker for speaker, splits in found.items() if "train" in splits), shares, seed)
    return Placement(frozenset(others | set(split_of.items())), by_speaker=split_of)


def shares_of(split: Split) -> dict[str, float]:
    """Shares by name, in the order of SPLITS."""
    return dict(zip(SPLITS, (split.train, split.discover, split.validate_, split.test), strict=True))


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()


def _short_rank(key: str, seed: int) -> int:
    """The first eight bytes of the rank, by which a few million ids are in the same order as by all of them."""
    return int.from_bytes(_rank(key, seed)[:8])


def _counts(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that add up to ``total``, as close to the shares as can be."""
    wanted = {split: share for split, share in shares.items() if share > 0}
    scale = sum(wanted.values())
    floor = 1 if total >= len(wanted) else 0
    counts = {split: max(floor, int(total * share / scale)) if split in wanted else 0
              for split, share in shares.items()}

    def surplus(split: str) -> float:
        return counts[split] - total * wanted[split] / scale

    while wanted and sum(counts.values()) < total:
        counts[min(wanted, key=surplus)] += 1
    while sum(counts.values()) > total:
        counts[max((split for split in wanted if counts[split] > floor), key=surplus)] -= 1
    return counts
