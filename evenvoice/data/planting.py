"""A planted difference: which speakers ``ingest.plant`` changes, and which of them training does without.

So real recordings become a world in which the truth about who is worse off is known. Who was chosen stands in no
table, since discovery is to find it: a recording carries it from here to where its audio is changed, and the summary
of the corpus has counts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from typing import Final

from evenvoice.data.corpora.recording import Labelled, Recording
from evenvoice.data.schemas import SPLITS
from evenvoice.data.transforms import Change
from evenvoice.errors import CorpusError
from evenvoice.params import Plant
from evenvoice.progress import Progress

SHOWN: Final = 5
"""Values of an attribute that an error shows."""
Trait = str | tuple[float, float]
Seats = Set[tuple[str, str]]
"""Pairs of a speaker and a split that they are in."""


@dataclass
class Candidates:
    """What is known of everybody that bears on who is chosen; memory grows with speakers."""

    settings: Plant
    decimals: int
    """Coordinates count as rounded to these, since discovery sees no others."""
    seed: int
    traits: dict[str, Trait | None] = field(default_factory=dict)
    """Of each speaker the first known value or place."""

    def watched(self, recordings: Iterable[Recording]) -> Iterator[Recording]:
        """Pass recordings on, and keep what they tell where anybody is to be chosen by it."""
        if self.settings.who is None:
            yield from recordings
            return
        for recording in recordings:
            if self.traits.get(recording.speaker) is None:
                self.traits[recording.speaker] = self._trait(recording)
            yield recording

    def planted(self, seats: Seats) -> Planting:
        """Choose among all speakers that were watched.

        Raises:
            CorpusError: the settings say who, and nobody is.
        """
        if self.settings.who is None:
            return Planting(self.settings, self.seed)
        chosen = frozenset(speaker for speaker, trait in self.traits.items() if self._fits(speaker, trait))
        if not chosen:
            raise self._nobody()
        training = sorted((speaker for speaker, split in seats if split == "train" and speaker in chosen),
                          key=lambda speaker: _drawn("train_share", self.seed, speaker))
        kept = round(self.settings.train_share * len(training))
        return Planting(self.settings, self.seed, chosen, frozenset(training[kept:]))

    def _trait(self, recording: Recording) -> Trait | None:
        if self.settings.who == "attribute":
            value: str | None = getattr(recording, self.settings.attribute)
            return value
        if self.settings.who == "place" and recording.lat is not None and recording.lon is not None:
            return round(recording.lat, self.decimals), round(recording.lon, self.decimals)
        return None

    def _fits(self, speaker: str, trait: Trait | None) -> bool:
        plant = self.settings
        if plant.who == "share":
            return _drawn("share", self.seed, speaker) < plant.share
        if isinstance(trait, tuple):
            return plant.south <= trait[0] <= plant.north and plant.west <= trait[1] <= plant.east
        return trait is not None and trait.casefold() == plant.value.casefold()

    def _nobody(self) -> CorpusError:
        plant, known = self.settings, [trait for trait in self.traits.values() if trait is not None]
        if plant.who == "share":
            return CorpusError(name="ingest.plant.share", rule="choose a speaker", action="Raise it.",
                               value=f"{plant.share:g} of {len(self.traits)} speakers, and none")
        what = "place" if plant.who == "place" else plant.attribute
        if not known:
            return CorpusError(name="ingest.plant", rule=f"choose speakers by what the corpus tells of their {what}",
                               value=f"none for any of {len(self.traits)} speakers",
                               action="Choose by something else, or ingest.plant.share at random.")
        if plant.who == "place":
            return CorpusError(name="ingest.plant", rule="choose a speaker", action="Correct north, south, east, west.",
                               value=f"nobody {plant.chosen_by}, of {len(known)} speakers with coordinates")
        frequent = Counter(str(trait) for trait in known).most_common(SHOWN)
        return CorpusError(name="ingest.plant.value", rule=f"be the {what} of a speaker", value=repr(plant.value),
                           action=f"Most frequent: {', '.join(f'{value!r} ({count})' for value, count in frequent)}.")


@dataclass
class Planting:
    """Who is planted, and what becomes of their recordings."""

    settings: Plant
    seed: int
    speakers: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    """Those whose training recordings are not kept."""
    _dropped: int = 0

    def remaining(self, seats: Seats) -> Seats:
        """Without the speakers whom training does without."""
        return frozenset(seat for seat in seats if not self._is_left_out(*seat))

    def applied(self, recordings: Iterable[Recording], progress: Progress) -> Iterator[Recording]:
        """Mark the recordings of planted speakers; training recordings beyond ``train_share`` are left out.

        Args:
            progress: told that each of those is one step less.
        """
        change = Change(self.settings.transform, self.settings.strength, self.seed)
        for recording in recordings:
            if self._is_left_out(recording.speaker, recording.split):
                self._dropped += 1
                progress.total = progress.total and progress.total - 1
            elif recording.speaker in self.speakers:
                yield replace(recording, planted=change)
            else:
                yield recording

    def labelled(self, corpus: Labelled) -> Labelled:
        """What the corpus is called, now that a difference is planted."""
        return "semi-synthetic" if self.settings.plants and corpus == "recorded" else corpus

    def summary(self, seats: Iterable[tuple[str, str]], pseudonym: Callable[[str], str]) -> dict[str, object] | None:
        """What summary.json says of it; None where nothing is planted.

        Args:
            seats: speakers by pseudonym, and splits, of recordings that kept every rule; each pair once.
            pseudonym: of a speaker.
        """
        plant = self.settings
        if not plant.plants:
            return None
        planted = set(map(pseudonym, self.speakers))
        heard = Counter(split for speaker, split in seats if speaker in planted)
        return {"transform": plant.transform, "strength": plant.strength, "who": plant.chosen_by,
                "train_share": plant.train_share,
                "speakers": {split: heard[split] for split in SPLITS},
                "left_out": {"speakers": len(self.left_out), "recordings": self._dropped}}

    def _is_left_out(self, speaker: str, split: str | None) -> bool:
        return split == "train" and speaker in self.left_out


def _drawn(purpose: str, seed: int, speaker: str) -> float:
    """A number from 0 to 1 that follows from the seed and the speaker alone."""
    digest = hashlib.sha256(f"{purpose}\0{seed}\0{speaker}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64
