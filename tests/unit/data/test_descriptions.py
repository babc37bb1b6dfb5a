"""The first look at a corpus: what it holds of each recording, and what it refuses."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from evenvoice.data import descriptions, units
from evenvoice.data.arrivals import Arrivals
from evenvoice.data.corpora.files import FileAudio, FileCorpus
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.declared import Declared
from evenvoice.data.descriptions import Index, Intake, look_at
from evenvoice.data.markup import Tally
from evenvoice.data.units import units_of
from evenvoice.errors import CorpusError
from evenvoice.params import Ingest
from evenvoice.progress import Progress
from tests.builders.corpora import params_with

SETTINGS = params_with({"ingest": {"corpus": "made up", "shard_mb": 8}}).ingest


def corpus_of(count: int, each: int = 20, last_key: str = "") -> FileCorpus:
    """An index of recordings that nobody will listen to."""
    def read() -> Iterator[Recording]:
        for i in range(count):
            yield Recording(key=last_key if last_key and i == count - 1 else f"recording {i:09d}",
                            speaker=f"speaker {i // each}", text=f"turn number {i} up", audio=FileAudio(f"/{i}.wav"))

    return FileCorpus(read)


def looked_at(corpus: FileCorpus, settings: Ingest = SETTINGS) -> Index:
    intake = Intake(settings, Arrivals(Tally(settings.markup)), Declared(settings.columns))
    return look_at(corpus, intake, 1, Path("rejected.tsv"))


def peak_of(count: int, scratch: Path) -> int:
    """Bytes held at most while an index is looked at and cut into units; a speaker has a 200th of it."""
    tracemalloc.start()
    index = looked_at(corpus_of(count, each=count // 200))
    accept = partial(index.accepted, progress=Progress("ingest"))
    made = units_of(index.corpus.recordings(), index.marks, accept, SETTINGS, scratch)
    found = sum(len(unit.recordings) for unit in made)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == count
    return peak


def test_memory_grows_by_little_more_than_eight_bytes_a_recording(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "AT_ONCE", 1000)
    small, large = 2_000, 12_000
    peak_of(small, tmp_path)  # what is made once
    assert (peak_of(large, tmp_path) - peak_of(small, tmp_path)) / (large - small) < 20


@pytest.mark.science
def test_an_index_of_200_000_recordings_needs_a_few_megabytes(tmp_path: Path) -> None:
    peak_of(2_000, tmp_path)
    assert peak_of(200_000, tmp_path) < 200_000 * 16 + (2 << 20)


def test_an_id_that_stands_twice_is_found_by_its_hash_and_named() -> None:
    with pytest.raises(CorpusError, match="id 'recording 000000003' must stand for one recording"):
        looked_at(corpus_of(300, last_key="recording 000000003"))


def test_two_ids_with_the_same_hash_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "mark_of", lambda key: int(key[-9:]) // 2)
    assert looked_at(corpus_of(300)).passed == 300
