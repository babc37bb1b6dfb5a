"""The first look at a corpus: every description is checked, and all of them decide who goes where.

The index is read once here, and again by whoever takes the recordings; it is never held. Memory grows with speakers,
and by eight bytes for each recording, the hash of its id: they say which ids stand twice, and where units end.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evenvoice.data import splits
from evenvoice.data.arrivals import Arrivals
from evenvoice.data.checks import check_description
from evenvoice.data.corpora.recording import Corpus, Recording
from evenvoice.data.corpora.registry import SYNTHETIC
from evenvoice.data.declared import Declared
from evenvoice.data.planting import Candidates, Planting
from evenvoice.data.schemas import SPLITS
from evenvoice.data.units import Marks, mark_of
from evenvoice.errors import CorpusError, RecordingRejected, TooManyRejected
from evenvoice.params import Ingest
from evenvoice.progress import Progress
from evenvoice.storage import write_text

Rule = Callable[[Recording], Recording]
"""Raises RecordingRejected, or returns the recording as it is to be."""


@dataclass
class Intake:
    """Counts what was found and collects what was refused."""

    settings: Ingest
    arrivals: Arrivals
    declared: Declared
    found: int = 0
    rejections: list[tuple[str, RecordingRejected]] = field(default_factory=list)

    def described(self, recordings: Iterable[Recording], rules: Sequence[Rule]) -> Iterator[Recording]:
        """Yield the recordings whose descriptions pass, and collect the rest."""
        for recording in recordings:
            self.found += 1
            self.arrivals.markup.add(recording.text)
            passed = _passed(recording, rules)
            if isinstance(passed, RecordingRejected):
                self.rejections.append((recording.key, passed))
            else:
                self.arrivals.add(recording, passed)
                yield passed

    def check_tolerance(self, rejected_list: Path) -> None:
        """Stop when too much was refused, and list all of it for a person.

        Raises:
            TooManyRejected: a larger share than ``settings.max_rejected``.
        """
        share = len(self.rejections) / self.found
        if share <= self.settings.max_rejected:
            return
        columns = ("recording", "rule", "value", "action")
        rows = rejected_rows(self.rejections)
        lines = ["\t".join(" ".join(str(row[column]).split()) for column in columns) for row in rows]
        write_text(rejected_list, "\n".join(["\t".join(columns), *lines]) + "\n")
        raise TooManyRejected(
            name="share of refused recordings", rule=f"be at most {self.settings.max_rejected:g} (ingest.max_rejected)",
            value=f"{share:.4g} ({len(self.rejections)} of {self.found})",
            action=f"The first: {self.rejections[0][1]} All of them, with what to do: {rejected_list}.")


@dataclass(frozen=True)
class Index:
    """A corpus whose descriptions were all looked at."""

    corpus: Corpus
    intake: Intake
    planting: Planting
    placement: splits.Placement
    rules: Sequence[Rule]
    marks: Marks
    """Hashes of all ids in the order of the index, also of what was refused."""

    @property
    def passed(self) -> int:
        """Recordings whose descriptions passed."""
        return self.intake.found - len(self.intake.rejections)

    def accepted(self, recordings: Iterable[Recording], progress: Progress) -> Iterator[Recording]:
        """Of recordings of the corpus yield those that passed, each with its split and with what is planted.

        Args:
            progress: told that each recording which training does without is one step less.
        """
        passed = (_passed(recording, self.rules) for recording in recordings)
        placed = (self.placement.place(recording) for recording in passed if isinstance(recording, Recording))
        return self.planting.applied(placed, progress)


def look_at(corpus: Corpus, intake: Intake, seed: int, rejected_list: Path) -> Index:
    """Check descriptions, assign splits and choose whom to plant.

    Raises:
        CorpusError: the corpus as a whole cannot be used.
        TooManyRejected: all of it was refused.
    """
    settings = intake.settings
    by_corpus = corpus.labelled == SYNTHETIC or settings.splits == "corpus"
    rules: list[Rule] = [lambda recording: check_description(recording, settings)]
    if by_corpus:
        rules.append(splits.canonical)
    rules.append(intake.declared.one_value)
    marks = array("Q")
    described = intake.described(_marked(corpus, marks), rules)
    candidates = Candidates(settings.plant, settings.coordinate_decimals, seed)
    placement = (splits.by_corpus if by_corpus else splits.by_speaker)(candidates.watched(described), settings, seed)
    _check_ids(corpus, marks, settings)
    if intake.found == len(intake.rejections):
        intake.check_tolerance(rejected_list)
    intake.declared.check()
    planting = candidates.planted(placement.speakers)
    check_every_split(planting.remaining(placement.speakers))
    return Index(corpus, intake, planting, placement, rules, np.frombuffer(marks, np.uint64))


def check_every_split(speakers: Iterable[tuple[str, str]]) -> None:
    """Refuse a corpus that leaves a split without speakers; ``speakers`` are pairs of speaker and split.

    Raises:
        CorpusError: it does.
    """
    counts = Counter(split for _, split in set(speakers))
    missing = [split for split in SPLITS if not counts[split]]
    if missing:
        raise CorpusError(name=f"split {missing[0]!r}", rule="have a speaker",
                          value=", ".join(f"{split} {counts[split]}" for split in SPLITS),
                          action="Bring more speakers, or change ingest.split or ingest.splits.")


def rejected_rows(rejections: Iterable[tuple[str, RecordingRejected]]) -> list[dict[str, object]]:
    """Rows of the REJECTED table."""
    return [{"recording": key, "rule": rejection.rule, "value": str(rejection.value), "action": rejection.action}
            for key, rejection in rejections]


def _passed(recording: Recording, rules: Sequence[Rule]) -> Recording | RecordingRejected:
    try:
        for rule in rules:
            recording = rule(recording)
    except RecordingRejected as rejection:
        return rejection
    return recording


def _marked(corpus: Corpus, marks: array[int]) -> Iterator[Recording]:
    """Pass recordings on, and append the hashes of their ids."""
    for recording in corpus.recordings():
        marks.append(mark_of(recording.key))
        yield recording


def _check_ids(corpus: Corpus, marks: array[int], settings: Ingest) -> None:
    """Refuse a corpus without recordings, and ids that stand twice; these are read again where hashes are alike."""
    if not marks:
        selected = f" under {settings.select!r} (ingest.select)" if settings.select else ""
        raise CorpusError(name=f"corpus {settings.corpus}", rule="hold recordings", value=f"none{selected}",
                          action="Check ingest.corpus and ingest.select.")
    ordered = np.sort(np.frombuffer(marks, np.uint64))
    alike = frozenset(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if alike:
        _refuse_second(recording.key for recording in corpus.recordings() if mark_of(recording.key) in alike)


def _refuse_second(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise CorpusError(name=f"id {key!r}", rule="stand for one recording", value="a second one",
                              action="Remove one of the two, or give them ids of their own.")
        seen.add(key)
