"""Work on every core, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from evenvoice.data.corpora.recording import Recording
from evenvoice.data.parallel import CHUNK, WORTH_A_POOL, over_recordings
from evenvoice.errors import CorpusError, RecordingRejected
from evenvoice.params import Ingest
from tests.builders.corpora import described, params_with

SETTINGS = params_with({}).ingest
MANY = [described(str(i), "voice01") for i in range(100)]


def refuse_every_seventh(recording: Recording, settings: Ingest) -> str:
    if int(recording.key) % 7 == 0:
        raise RecordingRejected(name=recording.key, rule="be kept", value="a seventh", action="None.")
    return f"done {recording.key}"


def die(recording: Recording, settings: Ingest) -> str:
    os._exit(1)


@pytest.mark.parametrize("count", [5, 100], ids=["here", "in workers"])
def test_results_come_in_order_and_refusals_are_results(count: int) -> None:
    results = list(over_recordings(refuse_every_seventh, MANY[:count], SETTINGS))
    assert [recording.key for recording, _ in results] == [str(i) for i in range(count)]
    assert [str(result) for _, result in results[:2]] == ["0 must be kept, got a seventh instead. None.", "done 1"]
    assert sum(isinstance(result, RecordingRejected) for _, result in results) == len(range(0, count, 7))


def test_a_worker_that_dies_is_an_error_that_says_where() -> None:
    with pytest.raises(CorpusError, match="recording '0' or one soon after it must be readable"):
        list(over_recordings(die, MANY, SETTINGS))


def test_the_index_is_read_only_a_little_ahead_of_the_work() -> None:
    taken: list[str] = []

    def index() -> Iterator[Recording]:
        for number in range(20_000):
            taken.append(str(number))
            yield described(str(number), "voice01")

    results = over_recordings(refuse_every_seventh, index(), SETTINGS)

    assert str(next(results)[1]).startswith("0 must be kept")
    assert len(taken) < 4 * CHUNK * ((os.cpu_count() or 1) + 1) + WORTH_A_POOL
    results.close()
