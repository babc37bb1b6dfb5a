"""What gates let through is counted by recording, whoever shares its batch and however it comes in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evenvoice.data.feature_store import FeatureStore
from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.decoding.hypotheses import Transcription, compute_of, executed_shares, transcribe_recordings
from evenvoice.decoding.work import Done, WorkMeter, silent_frames
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import Transcribe
from evenvoice.progress import Progress
from tests.builders.models import GATED, spoken, spoken_store, tiny_recogniser

TEXTS = ("yes no", "no yes no", "no")


def metered(recogniser: Recogniser, recordings: list[np.ndarray], batch_s: float = 600.0) -> list[Done]:
    meter = WorkMeter(len(recordings))
    transcribe_labels(recogniser, recordings, batch_s=batch_s, meter=meter)
    return meter.done


@pytest.mark.parametrize("encoder", GATED)
def test_a_recording_counts_the_same_in_company_as_alone(encoder: str) -> None:
    recogniser, recordings = tiny_recogniser(encoder=encoder), [spoken(text) for text in TEXTS]
    alone = [metered(recogniser, [recording])[0] for recording in recordings]
    np.testing.assert_allclose(metered(recogniser, recordings), alone)
    assert all(done.executed > 0 and done.dense > 0 for done in alone)


def test_look_ahead_does_not_count() -> None:
    recording = spoken("no yes no")
    seeing = metered(tiny_recogniser(encoder="amortized-chance", lookahead=3), [recording])
    np.testing.assert_allclose(seeing, metered(tiny_recogniser(encoder="amortized-chance"), [recording]))


def test_an_encoder_without_gates_has_no_share() -> None:
    done, = metered(tiny_recogniser(encoder="transformer"), [spoken("no")])
    assert done == Done(0, 0, 0, 0)
    assert done.share is None


def test_frames_30_db_below_the_loudest_are_silence_and_padding_is_none() -> None:
    decibel = np.log(10) / 10
    level_BT = torch.tensor([[0.0, 0.0, -29.0, -29.0, -31.0, -31.0, 90.0, 90.0]]) * decibel
    silent_BT = silent_frames(level_BT[..., None].expand(1, 8, 5), torch.tensor([3]), 2)
    assert silent_BT.tolist() == [[False, False, True, False]]


def transcription(encoder: str, store: FeatureStore) -> tuple[Recogniser, Transcription]:
    recogniser = tiny_recogniser(encoder=encoder)
    return recogniser, transcribe_recordings(recogniser, store, np.arange(len(store)), Transcribe(batch_s=60.0),
                                             Progress("transcribe@test"))


def test_the_table_of_work_names_the_recordings_of_the_hypotheses() -> None:
    recogniser, found = transcription("amortized", spoken_store())
    assert found.work is not None
    assert found.work["utterance"].to_pylist() == found.table["utterance"].to_pylist()
    assert compute_of(recogniser, found)["executed_share"] == executed_shares(found.work)


def test_macs_of_the_encoder_are_those_that_were_executed() -> None:
    recogniser, found = transcription("amortized-chance", spoken_store())
    _, dense = transcription("transformer", spoken_store())
    assert dense.work is None
    assert found.work is not None
    macs = compute_of(recogniser, found)["macs_per_audio_s"]
    share = executed_shares(found.work)["encoder"]
    encoder = recogniser.transducer.encoder
    assert macs["encoder"] == pytest.approx(share * encoder.dense_macs_per_frame / recogniser.frame_s)


def test_a_piece_keeps_what_gates_let_through(tmp_path) -> None:
    for encoder in ("amortized", "transformer"):
        _, found = transcription(encoder, spoken_store())
        (tmp_path / encoder).mkdir()
        found.write(tmp_path / encoder)
        read = Transcription.read(tmp_path / encoder)
        assert (read.work is None) == (encoder == "transformer")
        assert read == found or read.work.equals(found.work)
