"""Who goes into train, discover, validate and test.

Speakers are ordered by a hash of the seed and their name and cut by shares: the order of rows does not matter, and
another recording of a known speaker moves nobody.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

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


def by_speaker(recordings: Sequence[Recording], settings: Ingest, seed: int) -> list[Recording]:
    """Draw splits over speakers, whatever the corpus brings."""
    split_of = draw((recording.speaker for recording in recordings), shares_of(settings.split), seed)
    return [replace(recording, split=split_of[recording.speaker]) for recording in recordings]


def canonical(recording: Recording) -> Recording:
    """Bring the corpus's own split to our spelling.

    Raises:
        RecordingRejected: no split, or an unknown one.
    """
    split = SPELLINGS.get((recording.split or "").lower())
    if split is None:
        raise rejected(recording, f"name its split ({', '.join(SPELLINGS)})", repr(recording.split),
                       "Fill in the column, or set ingest.splits to speakers.")
    return replace(recording, split=split)


def by_corpus(recordings: Sequence[Recording], settings: Ingest, seed: int) -> list[Recording]:
    """Keep the corpus's split; what it lacks of discover and validate is taken from its train part.

    The train part is divided by speaker; where speakers overlap anyway (``ingest.allow_speaker_overlap``), it is
    divided by recording, within each speaker.

    Raises:
        CorpusError: a speaker in two splits without that setting.
    """
    overlap = overlapping(recordings)
    if overlap and not settings.allow_speaker_overlap:
        raise CorpusError(name=f"speaker {overlap[0]!r}", rule="be in one split only",
                          value=f"{len(overlap)} such speakers in several", action="Correct the corpus's split, set "
                          "ingest.splits to speakers, or accept it with ingest.allow_speaker_overlap: the fairness "
                          "gate then cannot PASS.")
    present = {recording.split for recording in recordings}
    shares = {split: share for split, share in shares_of(settings.split).items()
              if split == "train" or (split in ("discover", "validate") and split not in present)}
    train = [recording for recording in recordings if recording.split == "train"]
    part_of = _divide(train, shares, seed, within_speakers=bool(overlap))
    return [replace(recording, split=part_of.get(recording.key, recording.split)) for recording in recordings]


def overlapping(recordings: Iterable[Recording]) -> list[str]:
    """Names of speakers in more than one split, sorted."""
    splits: dict[str, set[str | None]] = defaultdict(set)
    for recording in recordings:
        splits[recording.speaker].add(recording.split)
    return sorted(speaker for speaker, found in splits.items() if len(found) > 1)


def shares_of(split: Split) -> dict[str, float]:
    """Shares by name, in the order of SPLITS."""
    return dict(zip(SPLITS, (split.train, split.discover, split.validate_, split.test), strict=True))


def _divide(train: Sequence[Recording], shares: Mapping[str, float], seed: int, *,
            within_speakers: bool) -> dict[str, str]:
    """Split by recording key."""
    if not within_speakers:
        split_of = draw((recording.speaker for recording in train), shares, seed)
        return {recording.key: split_of[recording.speaker] for recording in train}
    keys: dict[str, list[str]] = defaultdict(list)
    for recording in train:
        keys[recording.speaker].append(recording.key)
    return {key: split for own in keys.values() for key, split in draw(own, shares, seed).items()}


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()


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
