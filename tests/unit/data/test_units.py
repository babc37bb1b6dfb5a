"""Units: where they end follows from the ids nearby, and memory from none of their number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data import units
from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.pieces import Shard
from evenvoice.data.units import WHOLE, Seats, Unit, ends, mark_of, units_of
from evenvoice.errors import CorpusError
from tests.builders.corpora import ToneAudio, params_with

AUDIO = ToneAudio(0.1)
SETTINGS = params_with({"ingest": {"shard_mb": 4}}).ingest
REACH = 13
"""Of 4 MiB, where a recording is taken to last 5 s."""
JOINED = params_with({"ingest": {"shard_mb": 4, "concatenate_max": 3}}).ingest


def recordings(count: int, speakers: int = 10) -> list[Recording]:
    return [Recording(key=f"r{i}", speaker=f"s{i % speakers}", split="train", text="turn it up", audio=AUDIO)
            for i in range(count)]


def cut(found: list[Recording], scratch: Path, settings=SETTINGS, accept=list, share: Shard = WHOLE) -> list[Unit]:
    return list(units_of(found, marks_of(found), accept, settings, scratch, share))


def marks_of(found: list[Recording]) -> units.Marks:
    return np.array([mark_of(recording.key) for recording in found], np.uint64)


def keys(found: list[Recording], scratch: Path, settings=SETTINGS, accept=list) -> list[tuple[str, ...]]:
    return [tuple(recording.key for recording in unit.recordings) for unit in cut(found, scratch, settings, accept)]


def test_units_are_all_recordings_in_their_order(tmp_path: Path) -> None:
    found = recordings(1000)
    assert [key for unit in keys(found, tmp_path) for key in unit] == [recording.key for recording in found]


def test_units_are_about_as_long_as_was_asked_for(tmp_path: Path) -> None:
    lengths = [len(unit) for unit in keys(recordings(20_000), tmp_path)]
    assert min(lengths[:-1]) > REACH
    assert 2 * REACH < sum(lengths) / len(lengths) < 2 * REACH + 2
    assert max(lengths) < 8 * REACH


@pytest.mark.parametrize("change", ["added", "removed"])
def test_another_recording_changes_the_units_around_it_alone(tmp_path: Path, change: str) -> None:
    found, before, rng = recordings(2000), keys(recordings(2000), tmp_path), Random(1)
    changed = []
    for number in range(60):
        place = rng.randrange(2000)
        other = Recording(key=f"new{number}", speaker="s1", split="train", text="stop", audio=AUDIO)
        after = keys([*found[:place], *([other] if change == "added" else []),
                      *found[place + (change == "removed"):]], tmp_path)
        changed.append(len(set(after) - set(before)))
    assert max(changed) <= 3
    assert sorted(changed)[50] == 1, "five times of six it is a single one"


def test_what_is_said_of_a_recording_moves_no_end(tmp_path: Path) -> None:
    others = [Recording(key=recording.key, speaker="someone else", text="more than before", audio=ToneAudio(0.2))
              for recording in recordings(500)]
    assert keys(others, tmp_path) == keys(recordings(500), tmp_path)


def test_a_recording_that_is_refused_moves_no_end(tmp_path: Path) -> None:
    found = recordings(500)
    refused = {"r0", "r7", "r250", "r499"} | {recording.key for recording in cut(found, tmp_path)[3].recordings}
    after = keys(found, tmp_path, accept=lambda part: [recording for recording in part if recording.key not in refused])
    assert after == [tuple(key for key in unit if key not in refused) for unit in keys(found, tmp_path)]
    assert after[3] == ()


@pytest.mark.parametrize("settings", [SETTINGS, JOINED], ids=["apart", "joined"])
@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_shares_are_all_units_each_once(tmp_path: Path, settings, count: int) -> None:
    found = recordings(400, speakers=40)

    def shown(share: Shard) -> list[tuple[str, list[str]]]:
        return [(unit.name, [recording.key for recording in unit.recordings])
                for unit in cut(found, tmp_path, settings, share=share)]

    assert [unit for number in range(1, count + 1) for unit in shown(Shard(number, count))] == shown(WHOLE)


def test_a_share_asks_of_its_own_recordings_alone_and_reads_nothing_behind_them(tmp_path: Path) -> None:
    found, asked, read = recordings(1000), [], []

    def index() -> Iterator[Recording]:
        for recording in found:
            read.append(recording)
            yield recording

    def accept(part: list[Recording]) -> list[Recording]:
        asked.extend(part)
        return part

    own = [recording for unit in units_of(index(), marks_of(found), accept, SETTINGS, tmp_path, Shard(2, 4))
           for recording in unit.recordings]
    assert asked == own
    assert read == found[:found.index(own[-1]) + 1]


@pytest.mark.parametrize("then", [recordings(300)[:200], recordings(300)[1:]], ids=["shorter", "without the first"])
def test_an_index_that_changes_while_it_is_read_is_refused(tmp_path: Path, then: list[Recording]) -> None:
    with pytest.raises(CorpusError, match="the corpus must stay what it is while it is read"):
        list(units_of(then, marks_of(recordings(300)), list, SETTINGS, tmp_path))


@given(st.lists(st.integers(0, 2**64 - 1), max_size=60, unique=True), st.integers(1, 6), st.integers(1, 50))
def test_an_end_is_behind_what_is_lowest_within_reach(marks: list[int], reach: int, at_once: int) -> None:
    lowest = [place + 1 for place in range(reach, len(marks) - reach)
              if marks[place] == min(marks[place - reach:place + reach + 1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "AT_ONCE", at_once)
        assert ends(np.array(marks, np.uint64), reach).tolist() == [*lowest, len(marks)]


def test_names_of_units_are_unique_and_stay_when_something_before_them_goes(tmp_path: Path) -> None:
    names = [unit.name for unit in cut(recordings(500), tmp_path)]
    later = [unit.name for unit in cut(recordings(500)[40:], tmp_path)]
    assert len(set(names)) == len(names)
    assert set(later) <= set(names)


def test_what_is_joined_stays_together_in_order_of_who_comes_first(tmp_path: Path) -> None:
    found = recordings(1000, speakers=40)
    made = cut(found, tmp_path, JOINED)
    speakers = [{recording.speaker for recording in unit.recordings} for unit in made]
    assert len(made) > 5
    assert sum(map(len, speakers)) == 40
    assert [recording.key for unit in made for recording in unit.recordings] == [
        f"r{i}" for speaker in range(40) for i in range(speaker, 1000, 40)]


def test_a_speaker_longer_than_a_unit_has_one_alone(tmp_path: Path) -> None:
    assert len(keys(recordings(300, speakers=1), tmp_path, JOINED)) == 1


def test_bringing_recordings_together_holds_some_numbers_of_each(tmp_path: Path) -> None:
    def index() -> Iterator[Recording]:
        for i in range(20_000):
            yield Recording(key=f"recording {i:09d}", speaker=f"s{i % 100}", split="train", text="turn it up " * 5,
                            audio=FileAudio(f"/speech/{i}.wav"))

    tracemalloc.start()
    with Seats.of(index(), tmp_path) as seats:
        count = sum(1 for _ in seats)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak / 20_000 < 64
