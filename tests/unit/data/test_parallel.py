"""Work on every core, in order."""

from __future__ import annotations

import os

import pytest

from evenvoice.data.corpora.recording import Recording
from evenvoice.data.parallel import over_recordings
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
