"""Hypotheses carry their edits; compute carries its rates."""

import pytest

from evenvoice.data.schemas import HYPOTHESES
from evenvoice.decoding.hypotheses import compute_of, transcribe_recordings
from evenvoice.params import Transcribe
from evenvoice.progress import Progress
from tests.builders.models import TEXTS, spoken_store, tiny_recogniser

SETTINGS = Transcribe(batch_s=10.0)


def test_every_recording_gets_a_row_in_order():
    store = spoken_store()
    table = transcribe_recordings(tiny_recogniser(), store, store.indices("train"), SETTINGS, Progress("test")).table
    assert table.schema == HYPOTHESES
    assert table["utterance"].to_pylist() == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert table["reference"].to_pylist() == list(TEXTS)
    assert table["words"].to_pylist() == [2, 3, 2, 3, 2, 2]


def test_compute_is_per_second_of_audio():
    store = spoken_store()
    recogniser = tiny_recogniser(lookahead=2)
    found = transcribe_recordings(recogniser, store, store.indices("train"), SETTINGS, Progress("test"))
    compute = compute_of(recogniser, found)
    assert compute["frame_ms"] == 40.0
    assert compute["lookahead_ms"] == 80.0
    assert compute["audio_seconds"] == pytest.approx(sum(12 * len(text) / 100 for text in TEXTS))
    assert compute["macs_per_audio_s"]["encoder"] == 25 * recogniser.transducer.encoder.macs_per_frame
