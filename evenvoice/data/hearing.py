"""Audio of units into Parquet files: loaded, checked and encoded on every core, written in the order of the index.

What becomes of a unit is a piece (evenvoice/data/pieces.py): the file, the refused recordings, and its part of all
totals. It follows from the descriptions of its recordings, the state of their files, settings, seed and key of
pseudonyms alone, so any process can make it, and one that was made is never made again while these stay.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

from evenvoice.data import joining
from evenvoice.data.checks import Prepared, check_audio, label_of, prepare
from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.recording import Audio, Recording
from evenvoice.data.descriptions import rejected_rows
from evenvoice.data.parallel import over_recordings
from evenvoice.data.pieces import Described, Pieces
from evenvoice.data.pseudonyms import Pseudonyms
from evenvoice.data.schemas import REJECTED, UTTERANCES
from evenvoice.data.tables import ParquetRows, read_table, rows_table, write_table
from evenvoice.data.totals import Totals
from evenvoice.data.units import Unit
from evenvoice.errors import RecordingRejected
from evenvoice.params import OWN_COLUMNS, Ingest
from evenvoice.progress import Progress

ROWS: Final = "utterances.parquet"
REFUSED: Final = "rejected.parquet"
Rejections = list[tuple[str, RecordingRejected]]


@dataclass
class Hearing:
    """Makes pieces of units.

    Attributes:
        objects: what corpus.json says, by which the state of audio in object stores is known.
    """

    settings: Ingest
    seed: int
    names: Pseudonyms
    objects: str
    pieces: Pieces
    progress: Progress

    def pieces_of(self, units: Iterable[Unit]) -> list[Path]:
        """Make the pieces that are missing; returns those of all units, in order.

        Raises:
            CorpusError: a process that decodes audio died.
        """
        ready: list[Path] = []
        waiting: deque[_Opened] = deque()
        results = over_recordings(prepare, self._missing(units, ready, waiting), self.settings)
        for first in results:
            opened = waiting.popleft()
            self._write(opened, chain([first], islice(results, opened.count - 1)))
        return ready

    def _missing(self, units: Iterable[Unit], ready: list[Path], waiting: deque[_Opened]) -> Iterator[Recording]:
        """Yield what is to be heard; it is read ahead, across the ends of units."""
        there = 0
        for unit in units:
            described = self._described(unit)
            ready.append(self.pieces.path(described))
            if self.pieces.find(described) is not None:
                there += 1
                self._pass_over(unit, ready[-1])
                continue
            if there == len(ready) - 1 > 0:
                self.progress.note(f"goes on after {there} files that were made before")
            recordings, rejections = self._strings(unit.recordings)
            opened = _Opened(described, len(recordings), rejections)
            if recordings:
                waiting.append(opened)
                yield from recordings
            else:
                self._write(opened, ())
        if there:
            self.progress.note(f"{there} of {len(ready)} files were made before")

    def _strings(self, recordings: list[Recording]) -> tuple[list[Recording], Rejections]:
        """Strings of the recordings that can be heard, and those that cannot; without joining, the recordings."""
        settings, rejections = self.settings, []
        if settings.concatenate_max == 1:
            return recordings, []
        kept: list[Recording] = []
        for recording, result in self.progress.over(over_recordings(check_audio, recordings, settings)):
            if isinstance(result, RecordingRejected):
                rejections.append((recording.key, result))
            else:
                kept.append(recording)
        strings = joining.join(kept, shortest=settings.concatenate_min, longest=settings.concatenate_max,
                               repeats=settings.concatenate_repeats, seed=self.seed)
        self._expect(len(strings))
        return strings, rejections

    def _write(self, opened: _Opened, results: Iterable[tuple[Recording, Prepared | RecordingRejected]]) -> None:
        totals, rejections = Totals(), list(opened.rejections)
        with self.pieces.writing(opened.described) as draft:
            rows = ParquetRows(draft / ROWS, UTTERANCES)
            for recording, result in self.progress.over(results):
                if isinstance(result, RecordingRejected):
                    rejections.append((recording.key, result))
                    continue
                row = self._row(recording, result)
                rows.append(row, len(result.wav))
                totals.add(row, seconds=result.duration_s, scaled=result.scaled, further=recording.further)
            rows.close()
            totals.write(draft)
            write_table(draft / REFUSED, rows_table(rejected_rows(rejections), REJECTED))

    def _pass_over(self, unit: Unit, piece: Path) -> None:
        """Count what was heard before."""
        self.progress.advance(len(unit.recordings))
        if self.settings.concatenate_max > 1:
            strings = Totals.read(piece).recordings.total()
            self._expect(strings)
            self.progress.advance(strings)

    def _expect(self, strings: int) -> None:
        """How many there are to be heard is known once recordings are joined."""
        self.progress.total = self.progress.total and self.progress.total + strings

    def _row(self, recording: Recording, audio: Prepared) -> dict[str, object]:
        names, decimals = self.names, self.settings.coordinate_decimals
        return {
            "utterance": names.utterance(recording.key),
            "speaker": names.speaker(recording.speaker),
            "session": names.session(recording.speaker, recording.session) if recording.session else None,
            "split": recording.split,
            "text": recording.text,
            "duration_s": audio.duration_s,
            "audio": audio.wav,
            "lat": None if recording.lat is None else round(recording.lat, decimals),
            "lon": None if recording.lon is None else round(recording.lon, decimals),
            "postal_code": recording.postal_code,
            **{name: getattr(recording, name) for name in OWN_COLUMNS},
        }

    def _described(self, unit: Unit) -> Described:
        digest = hashlib.sha256()
        for recording in unit.recordings:
            said = f"{recording!r} {self._state(recording.audio)}\n"
            digest.update(said.encode("utf-8", "surrogatepass"))
        return Described(unit.name, digest.hexdigest())

    def _state(self, audio: Audio) -> str:
        """What changes when other audio takes its place; generated audio is described by what it follows from."""
        if not isinstance(audio, FileAudio):
            return ""
        if "://" in audio.path:
            return self.objects
        try:
            status = os.stat(audio.path)  # noqa: PTH116 - a Path for each of a million files takes long
        except (OSError, ValueError):
            return "not there"
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


@dataclass(frozen=True)
class _Opened:
    """A unit that is being heard."""

    described: Described
    count: int
    """Recordings, or strings of them, that are waited for."""
    rejections: Rejections
    """Of those that were refused before they could be joined."""


def refused_of(piece: Path) -> Rejections:
    """The refused recordings of a unit, in order."""
    rows = read_table(piece / REFUSED, REJECTED).to_pylist()
    return [(row["recording"], RecordingRejected(name=label_of(row["recording"]), rule=row["rule"], value=row["value"],
                                                 action=row["action"])) for row in rows]
