"""The recordings of a corpus that a model is to hear: any layout that ingest reads, by ingest's own rules.

Nothing is drawn, joined or renamed: who spoke and what was said stay as the corpus has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.data.audio import wav_samples
from evenvoice.data.checks import Prepared, check_description, prepare
from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.fingerprint import fingerprint
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.corpora.registry import SYNTHETIC, open_corpus
from evenvoice.data.markup import without_markup
from evenvoice.data.parallel import over_recordings
from evenvoice.errors import CorpusError, ParamsError, RecordingRejected, TooManyRejected
from evenvoice.judge.settings import Speech
from evenvoice.params import OWN_COLUMNS, Ingest, Synthetic
from evenvoice.served import Feed

FULL_SCALE: Final = np.float32(2**15)
SHOWN_RULES: Final = 3


@dataclass
class SpokenCorpus:
    """A corpus, looked through once when it is opened.

    Attributes:
        columns: further ones that tell of speakers.
        refused: by recording; those that broke a rule.
    """

    path: str
    settings: Speech
    columns: tuple[str, ...] = ()
    refused: dict[str, RecordingRejected] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look through the descriptions, so that what cannot be judged is refused before anything is heard.

        Raises:
            CorpusError: nothing is there, an id that stands twice, or too many descriptions break a rule.
        """
        if self.path == SYNTHETIC:
            raise ParamsError(name="--corpus", rule="be recordings that lie somewhere", value=self.path,
                              action=f"Give their path; a folder of that name is ./{self.path}.")
        seen: set[str] = set()
        for recording in self._read():
            if recording.key in seen:
                raise CorpusError(name=f"id {recording.key!r}", rule="stand for one recording", value="a second one",
                                  action="Remove one of the two, or give them ids of their own.")
            seen.add(recording.key)
            try:
                check_description(recording, self.ingest)
            except RecordingRejected as error:
                self.refused[recording.key] = error
        if not seen:
            raise CorpusError(name=f"corpus {self.path}", rule="hold recordings", value="none",
                              action="Check --corpus and ingest.select.")
        self._found = len(seen)
        self._check_tolerance()

    @property
    def total(self) -> int:
        """Recordings that broke no rule so far."""
        return self._found - len(self.refused)

    @property
    def ingest(self) -> Ingest:
        """The settings that readers and rules ask for; what they do not ask for is not there."""
        return Ingest.model_construct(corpus=self.path, columns=self.columns, splits="speakers",
                                      **self.settings.model_dump())

    def sha256(self) -> str:
        """Of the files as they are now: indexes by content, audio by name, size and time."""
        return str(fingerprint(self.path, self.settings.select)["sha256"])

    def described(self) -> Iterator[Recording]:
        """Yield the recordings that broke no rule so far, their texts normalised as the rules want them."""
        for recording in self._read():
            if recording.key not in self.refused:
                yield check_description(recording, self.ingest)

    def audible(self, recordings: Iterator[Recording], rate: int) -> Iterator[tuple[Recording, Prepared]]:
        """Yield recordings with their audio at ``rate`` Hz, and leave out those whose audio breaks a rule.

        Raises:
            TooManyRejected: more broke a rule than ``max_rejected`` tolerates.
        """
        for recording, result in over_recordings(prepare, recordings,
                                                 self.ingest.model_copy(update={"sample_rate": rate})):
            if isinstance(result, RecordingRejected):
                self.refused[recording.key] = result
                self._check_tolerance()
            else:
                yield recording, result

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what is known of each recording that broke no rule, its text as the corpus has it."""
        for recording in self._read():
            if recording.key in self.refused:
                continue
            text = without_markup(recording.text) if self.settings.markup == "drop" else recording.text
            further = dict(recording.further)
            yield {"utterance": recording.key, "speaker": check_description(recording, self.ingest).speaker,
                   "text": text, **{column: getattr(recording, column) for column in OWN_COLUMNS},
                   "lat": recording.lat, "lon": recording.lon,
                   **{column: further.get(column) for column in self.columns}}

    def notes(self) -> tuple[str, ...]:
        """What a reader has to know of recordings that were left out; names nobody."""
        if not self.refused:
            return ()
        rules = Counter(error.rule for error in self.refused.values()).most_common(SHOWN_RULES)
        told = "; ".join(f"{rule} ({count})" for rule, count in rules)
        return (f"{len(self.refused)} of {self._found} recordings were left out, since a recording must: {told}.",)

    def _read(self) -> Iterator[Recording]:
        unasked: dict[str, Any] = {}  # a synthetic corpus is refused, so nothing asks what one would be like
        return open_corpus(self.ingest, Synthetic.model_construct(**unasked), 0).recordings()

    def _check_tolerance(self) -> None:
        if len(self.refused) > self.settings.max_rejected * self._found:
            raise TooManyRejected(
                name="share of refused recordings",
                rule=f"be at most {self.settings.max_rejected:g} (ingest.max_rejected)",
                value=f"{len(self.refused)} of {self._found} so far",
                action=f"The first: {next(iter(self.refused.values()))} --set ingest.max_rejected=0.01 leaves out as "
                       "many as one in a hundred.")


def sent(recording: Recording, audio: Prepared, feed: Feed, rate: int, scratch: Path) -> Any:
    """A recording in the form that a model takes.

    Args:
        rate: of ``audio``.
        scratch: a folder for files of recordings that have none of their own, such as parts of a longer one.
    """
    if feed == "bytes":
        return audio.wav
    if feed == "arrays":
        samples = wav_samples(memoryview(audio.wav), rate)
        assert samples is not None
        return samples / FULL_SCALE
    own = recording.audio
    if isinstance(own, FileAudio) and own.start_s == 0 and own.end_s is None and "://" not in own.path:
        return str(Path(own.path).resolve())
    path = scratch / f"{len(list(scratch.iterdir()))}.wav"
    path.write_bytes(audio.wav)
    return str(path)
