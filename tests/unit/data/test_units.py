"""Units: where they end follows from the ids nearby, and memory from none of their number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.units import by_seat, units_of
from tests.builders.corpora import ToneAudio, params_with

AUDIO = ToneAudio(0.1)
SETTINGS = params_with({"ingest": {"shard_mb": 4}}).ingest
REACH = 13
"""Of 4 MiB, where a recording is taken to last 5 s."""
JOINED = params_with({"ingest": {"shard_mb": 4, "concatenate_max": 3}}).ingest


def recordings(count: int, speakers: int = 10) -> list[Recording]:
    return [Recording(key=f"r{i}", speaker=f"s{i % speakers}", split="train", text="turn it up", audio=AUDIO)
            for i in range(count)]


def keys(found: list[Recording], scratch: Path, settings=SETTINGS) -> list[tuple[str, ...]]:
    return [tuple(recording.key for recording in unit.recordings) for unit in units_of(found, settings, scratch)]


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


def test_names_of_units_are_unique_and_stay_when_something_before_them_goes(tmp_path: Path) -> None:
    names = [unit.name for unit in units_of(recordings(500), SETTINGS, tmp_path)]
    later = [unit.name for unit in units_of(recordings(500)[40:], SETTINGS, tmp_path)]
    assert len(set(names)) == len(names)
    assert set(later) <= set(names)


def test_what_is_joined_stays_together_in_order_of_who_comes_first(tmp_path: Path) -> None:
    found = recordings(1000, speakers=40)
    units = list(units_of(found, JOINED, tmp_path))
    speakers = [{recording.speaker for recording in unit.recordings} for unit in units]
    assert len(units) > 5
    assert sum(map(len, speakers)) == 40
    assert [recording.key for unit in units for recording in unit.recordings] == [
        f"r{i}" for speaker in range(40) for i in range(speaker, 1000, 40)]


def test_a_speaker_longer_than_a_unit_has_one_alone(tmp_path: Path) -> None:
    assert len(keys(recordings(300, speakers=1), tmp_path, JOINED)) == 1


def test_bringing_recordings_together_holds_two_numbers_of_each(tmp_path: Path) -> None:
    def index() -> Iterator[Recording]:
        for i in range(20_000):
            yield Recording(key=f"recording {i:09d}", speaker=f"s{i % 100}", split="train", text="turn it up " * 5,
                            audio=FileAudio(f"/speech/{i}.wav"))

    tracemalloc.start()
    count = sum(1 for _ in by_seat(index(), tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak / 20_000 < 40
