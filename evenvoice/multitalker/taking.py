"""The mix stage for a corpus that brings its mixtures: recordings of several talkers as features with their turns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from evenvoice.data.audio import Waveform, resample, within_full_scale
from evenvoice.data.corpora.places import ObjectPath, Place, is_file, place
from evenvoice.data.features import LogMel
from evenvoice.data.pseudonyms import from_environment
from evenvoice.data.schemas import SPEAKERS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.errors import CorpusError, ParamsError, RecordingRejected
from evenvoice.multitalker.mixtures import Settings
from evenvoice.multitalker.recorded import RecordedCorpus, RecordedMixture, recorded_mixtures
from evenvoice.multitalker.shards import SPLITS, Row, finish, mixture_row, write_split
from evenvoice.multitalker.turns import Turn
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory

LONGEST_S: Final = 4 * 3600.0
"""No meeting is longer [design]. What a recording may take of memory (evenvoice.data.sound) ends most of them before:
70 minutes at 16 kHz, of one channel."""
SPEAKERS_FILE: Final = "speakers.parquet"
"""What the corpus tells of its speakers, where it does."""


def take_mixtures(*, corpus: str, out: Path, settings: Settings, allow_speaker_overlap: bool, columns: Sequence[str],
                  progress: Progress) -> None:
    """Take the recordings of a corpus as mixtures. One of them is in memory at a time.

    Args:
        corpus: path of the folder that holds the manifest.
        allow_speaker_overlap: as :func:`evenvoice.multitalker.recorded.recorded_mixtures` takes it; so ``columns``.

    Raises:
        ParamsError: ``corpus`` is a file.
        CorpusError: the corpus cannot be used, or a part of it lies outside of its folder.
        RecordingRejected: a recording is missing, damaged or longer than LONGEST_S.
    """
    folder = _folder(corpus)
    found = recorded_mixtures(folder, names=from_environment(settings.seed, people=True),
                              allow_speaker_overlap=allow_speaker_overlap, columns=columns)
    for mixture in found.mixtures:
        _check_inside(mixture, folder)
    progress.total, progress.unit = len(found.mixtures), "recording"
    log_mel = LogMel(settings.featurize, settings.sample_rate)
    with fresh_directory(out) as draft:
        splits = {split: write_split(draft, split, _rows(found, split, log_mel), settings.mix.shard_mb, progress)
                  for split in SPLITS}
        if found.attributes is not None:
            write_table(draft / SPEAKERS_FILE, rows_table(found.speaker_rows(), SPEAKERS))
        finish(draft, splits, source="recorded", labelled="recorded", speakers_overlap=found.speakers_overlap)


def _folder(corpus: str) -> Place:
    found = place(corpus)
    if is_file(found):
        raise ParamsError(name="mix.corpus", rule="name a folder that holds a manifest", value=f"the file {corpus}",
                          action="Name its folder, with the manifest as manifest.tsv (or .csv, .jsonl, .json, "
                                 ".parquet): of a file alone, a run would not notice a changed SegLST beside it.")
    return found


def _check_inside(mixture: RecordedMixture, folder: Place) -> None:
    """A run goes by what lies in the folder, so what lies elsewhere could change without a stage running again."""
    for path in (mixture.audio.path, mixture.seglst):
        if not _is_inside(path, folder):
            raise CorpusError(name=path, rule=f"lie in {folder} (mix.corpus)", value="a path outside of it",
                              action="Put it there, or a link to it, and name that: a run notices changes only there.")


def _is_inside(path: str, folder: Place) -> bool:
    if isinstance(folder, ObjectPath) or "://" in path:
        return path.startswith(f"{folder}/")
    return any(os.path.normpath(path).startswith(f"{root.rstrip('/')}/")
               for root in (os.path.normpath(folder), os.path.realpath(folder)))


def _rows(corpus: RecordedCorpus, split: str, log_mel: LogMel) -> Iterator[Row]:
    for mixture in corpus.mixtures:
        if mixture.split == split:
            yield _row(mixture, log_mel)


def _row(mixture: RecordedMixture, log_mel: LogMel) -> Row:
    waveform, turns = _loaded(mixture)
    waveform = within_full_scale(resample(waveform, log_mel.sample_rate), scaled=False)
    return mixture_row(mixture.name, mixture.split, waveform.samples, turns, log_mel)


def _loaded(mixture: RecordedMixture) -> tuple[Waveform, list[Turn]]:
    try:
        return mixture.load(max_duration_s=LONGEST_S)
    except RecordingRejected as error:
        if "ingest.max_duration_s" not in error.action:
            raise
        # that is the limit of recordings of one speaker
        raise RecordingRejected(name=error.name, rule=error.rule, value=error.value,
                                action="Cut it, and its SegLST, into several.") from error
