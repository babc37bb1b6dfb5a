"""The mix stage: mixtures of each split, of its own speakers only, as features with their turns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from evenvoice.data.extraction import read_samples
from evenvoice.data.features import LogMel
from evenvoice.data.schemas import UTTERANCES
from evenvoice.data.tables import iterate_batches, parquet_shards
from evenvoice.errors import CorpusError
from evenvoice.multitalker.mixing import Voiced, mixed, speech_of
from evenvoice.multitalker.plans import Plan, Recordings, plan_mixtures
from evenvoice.multitalker.shards import SPLITS, Row, finish, mixture_row, write_split
from evenvoice.params import Featurize, Mix
from evenvoice.progress import Progress
from evenvoice.storage import cores, fresh_directory, read_json

ROWS_AT_ONCE: Final = 64
AT_ONCE: Final = 32
"""Mixtures that threads work on together."""
KEPT: Final = ["utterance", "speaker", "split", "text", "duration_s", "audio"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the mixtures."""

    mix: Mix
    featurize: Featurize
    sample_rate: int
    seed: int

    def count(self, split: str) -> int:
        """Mixtures of a split."""
        return int({"train": self.mix.train, "validate": self.mix.validate_, "test": self.mix.test}[split])


def mix_corpus(*, corpus: Path, out: Path, settings: Settings, progress: Progress) -> None:
    """Mix the recordings of a corpus.

    Raises:
        CorpusError: a split has no recordings.
        ArtifactError: audio that does not decode to what its row says.
    """
    index = _index(corpus)
    plans = {split: _plans(index, split, settings) for split in SPLITS}
    progress.total, progress.unit = sum(map(len, plans.values())), "mixture"
    log_mel, splits = LogMel(settings.featurize, settings.sample_rate), {}
    with fresh_directory(out) as draft:
        for split in SPLITS:
            wanted = {turn.recording for plan in plans[split] for turn in plan.turns}
            voices = _voices(corpus, index[split], wanted, settings.sample_rate)
            rows = _rows(plans[split], voices, split, log_mel, settings)
            splits[split] = write_split(draft, split, rows, settings.mix.shard_mb, progress)
        known = read_json(corpus / "summary.json")
        finish(draft, splits, source="mixed", labelled=known["labelled"], speakers_overlap=known["speakers_overlap"])


@dataclass(frozen=True)
class _Split:
    """Recordings of one split, in the order of the corpus."""

    rows: list[int]
    """Their places in the corpus."""
    speakers: list[str]
    texts: list[str]


def _index(corpus: Path) -> dict[str, _Split]:
    found = {split: _Split([], [], []) for split in SPLITS}
    columns = ["speaker", "split", "text"]
    place = itertools.count()
    for shard in parquet_shards(corpus / "utterances"):
        for batch in iterate_batches(shard, UTTERANCES, columns, 4096):
            for speaker, split, text in zip(*(batch[name].to_pylist() for name in columns), strict=True):
                number = next(place)
                if split in found:
                    found[split].rows.append(number)
                    found[split].speakers.append(speaker)
                    found[split].texts.append(text)
    return found


def _plans(index: dict[str, _Split], split: str, settings: Settings) -> list[Plan]:
    if not index[split].rows:
        raise CorpusError(name=f"the {split} split", rule="hold recordings to mix", value="none",
                          action=f"Give it a share of the speakers (ingest.split.{split}).")
    return plan_mixtures(Recordings.by_speaker(index[split].speakers), count=settings.count(split), split=split,
                         settings=settings.mix, seed=settings.seed)


def _voices(corpus: Path, split: _Split, wanted: set[int], rate: int) -> dict[int, Voiced]:
    """The speech of the wanted recordings of a split. Each is kept once: memory grows with the mixtures' turns."""
    number_of = {split.rows[number]: number for number in wanted}
    voices: dict[int, Voiced] = {}
    place = 0
    for shard in parquet_shards(corpus / "utterances"):
        for batch in iterate_batches(shard, UTTERANCES, KEPT, ROWS_AT_ONCE):
            for row in range(len(batch)):
                if (number := number_of.get(place + row)) is not None:
                    speech_T = speech_of(read_samples(batch, row, rate), rate)
                    voices[number] = Voiced(speech_T.astype(np.float16), split.texts[number])
            place += len(batch)
    return voices


def _rows(plans: Sequence[Plan], voices: dict[int, Voiced], split: str, log_mel: LogMel,
          settings: Settings) -> Iterator[Row]:
    def row(plan: Plan) -> Row:
        recordings = [voices[turn.recording] for turn in plan.turns]
        made = mixed(plan, [Voiced(one.samples_T.astype(np.float32), one.text) for one in recordings],
                     settings.sample_rate, settings.mix.noise_db)
        return mixture_row(plan.name, split, made.samples_T, made.turns, log_mel)

    # matrix products must not start threads of their own within each of ours
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as threads:
        for first in range(0, len(plans), AT_ONCE):
            yield from threads.map(row, plans[first:first + AT_ONCE])
