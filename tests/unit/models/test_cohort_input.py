"""A recogniser that is told the speaker's cohort: every encoder, whole and streamed, on disk and refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evenvoice.decoding.beam import BeamDecoder
from evenvoice.decoding.greedy import GreedyDecoder, transcribe_labels
from evenvoice.decoding.offline import decode_recordings
from evenvoice.decoding.stream import Stream, recognise
from evenvoice.errors import ArtifactError, ParamsError, ShapeError
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.models.compute import macs_per_audio_s
from evenvoice.models.recogniser import Recogniser
from evenvoice.storage import read_json, sha256, write_json
from tests.builders.models import ENCODERS, MELS, spoken, talkative_recogniser, tiny_recogniser

COHORTS = KnownCohorts(method="geographic", names=("region-1", "region-2"))
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


def learned(base: Recogniser) -> Recogniser:
    """As after training: every cohort has a vector of its own."""
    recogniser = base.with_cohorts(COHORTS)
    table_CS = recogniser.transducer.encoder.cohort_CS
    assert table_CS is not None
    with torch.no_grad():
        table_CS.copy_(2 * torch.randn(table_CS.shape, generator=torch.Generator().manual_seed(4)))
    return recogniser


def frames(count: int, *, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, count, MELS, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("name", ENCODERS)
def test_before_training_it_hears_bit_for_bit_what_the_base_model_hears(name, lookahead):
    base = tiny_recogniser(encoder=name, lookahead=lookahead)
    told, whole_BTM, lengths_B = base.with_cohorts(COHORTS), frames(44), torch.tensor([44, 40, 9])
    expected = base.transducer.eval().encode(whole_BTM, lengths_B)
    for cohorts_B in (None, torch.tensor([0, 1, 2])):
        assert torch.equal(told.transducer.eval().encode(whole_BTM, lengths_B, cohorts_B), expected)


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("name", ENCODERS)
def test_chunks_give_what_the_whole_gives_to_each_speaker_of_a_batch(name, lookahead):
    encoder = learned(tiny_recogniser(encoder=name, lookahead=lookahead)).transducer.encoder.eval()
    whole_BTM, cohorts_B = frames(93), torch.tensor([2, 0, 1])
    for size in (1, 7):
        state, outputs = encoder.initial_state(3, cohorts_B), []
        for chunk_BTM in whole_BTM.split(size, dim=1):
            output, state = encoder.step(chunk_BTM, state)
            outputs.append(output)
        streamed_BTD = torch.cat([*outputs, encoder.finish(state)], dim=1)
        torch.testing.assert_close(streamed_BTD, encoder(whole_BTM, cohorts_B), **TOLERANCE)
    alone = torch.cat([encoder(whole_BTM[row:row + 1], cohorts_B[row:row + 1]) for row in range(3)])
    torch.testing.assert_close(encoder(whole_BTM, cohorts_B), alone, **TOLERANCE)


@pytest.mark.parametrize("name", ENCODERS)
def test_each_cohort_is_heard_in_its_own_way_and_none_means_unknown(name):
    encoder = learned(tiny_recogniser(encoder=name)).transducer.encoder.eval()
    unknown, first, second = (encoder(frames(40), torch.full((3,), number)) for number in range(3))
    assert torch.equal(encoder(frames(40)), unknown)
    assert not torch.allclose(unknown, first)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("lookahead", [0, 2])
def test_padding_may_hold_anything(lookahead):
    transducer = learned(tiny_recogniser(lookahead=lookahead)).transducer.eval()
    real_BTM, lengths_B, cohorts_B = frames(40), torch.full((3,), 40), torch.tensor([2, 0, 1])
    padded_BTM = torch.cat([real_BTM, torch.full((3, 24, MELS), torch.nan)], dim=1)
    torch.testing.assert_close(transducer.encode(padded_BTM, lengths_B, cohorts_B)[:, :10],
                               transducer.encode(real_BTM, lengths_B, cohorts_B), **TOLERANCE)


@pytest.mark.parametrize("decoder", [GreedyDecoder, lambda transducer: BeamDecoder(transducer, width=3)],
                         ids=["greedy", "beam"])
def test_a_search_hears_each_recording_of_a_batch_with_its_own_cohort(decoder):
    recogniser = learned(talkative_recogniser())
    search, recordings = decoder(recogniser.transducer.eval()), [spoken("yes no"), spoken("one two"), spoken("yes no")]
    together = decode_recordings(search, recogniser, recordings, cohorts=[1, 0, 2])
    alone = [decode_recordings(search, recogniser, [recording], cohorts=[cohort])[0]
             for recording, cohort in zip(recordings, [1, 0, 2], strict=True)]
    assert [best.labels for best, *_ in together] == [best.labels for best, *_ in alone]
    assert together[0][0].labels != together[2][0].labels
    assert [best.labels for best, *_ in decode_recordings(search, recogniser, recordings)] == [
        best.labels for best, *_ in decode_recordings(search, recogniser, recordings, cohorts=[0, 0, 0])]


def test_a_stream_hears_what_is_heard_of_the_whole_recording():
    recogniser = learned(talkative_recogniser(mean=-5.0))
    samples = np.random.default_rng(3).uniform(-0.3, 0.3, 8000).astype(np.float32)
    heard = set()
    for cohort in ("unknown", *COHORTS.names):
        stream = Stream(recogniser, 8000, cohort=cohort)
        for block in np.split(samples, 16):
            stream.feed(block)
        text = stream.finish()[0].text
        assert text == recognise(recogniser, samples, 8000, cohort=cohort)[0].text
        heard.add(text)
    assert len(heard) == 3


def test_comes_back_as_it_was_saved(tmp_path):
    recogniser = learned(tiny_recogniser())
    recogniser.save(tmp_path / "model")
    loaded = Recogniser.load(tmp_path / "model")
    assert loaded.cohorts == COHORTS
    assert loaded.transducer.encoder.cohort_CS is not None
    assert torch.equal(loaded.transducer.encoder.cohort_CS, recogniser.transducer.encoder.cohort_CS)


def test_a_model_without_cohorts_is_written_as_it_always_was(tmp_path):
    tiny_recogniser().save(tmp_path / "model")
    assert sorted(read_json(tmp_path / "model" / "config.json")) == [
        "architecture", "featurize", "format", "normalisation_version", "sample_rate", "units_sha256",
        "weights_sha256"]
    before = sha256(tmp_path / "model" / "model.safetensors")
    base = Recogniser.load(tmp_path / "model")
    base.with_cohorts(COHORTS)
    base.save(tmp_path / "again")
    assert sha256(tmp_path / "again" / "model.safetensors") == before


def test_its_cost_is_counted_and_small():
    base = tiny_recogniser()
    told = base.with_cohorts(COHORTS)
    macs = [macs_per_audio_s(one.transducer, frames_per_s=25.0, labels_per_s=0.0) for one in (base, told)]
    assert macs[1].encoder - macs[0].encoder == 25 * 4 * MELS
    assert told.transducer.parameter_count - base.transducer.parameter_count == 3 * 4 * MELS


def test_a_cohort_that_the_model_does_not_know_is_refused_by_name():
    assert [learned(tiny_recogniser()).cohort_number(name) for name in ("unknown", *COHORTS.names)] == [0, 1, 2]
    with pytest.raises(ParamsError, match="cohort must be one of unknown, region-1, region-2, got region-9 instead"):
        learned(tiny_recogniser()).cohort_number("region-9")


def test_a_model_without_cohorts_can_be_told_none():
    assert tiny_recogniser().cohort_number("unknown") is None
    with pytest.raises(ParamsError, match="cohort must be left out for this model, which was trained without cohorts"):
        tiny_recogniser().cohort_number("region-1")
    with pytest.raises(ShapeError, match="be left out for an encoder without vectors of cohorts"):
        transcribe_labels(tiny_recogniser(), [spoken("no")], batch_s=60.0, cohorts=[1])


def test_every_utterance_has_a_cohort_or_none_has():
    with pytest.raises(ShapeError, match="cohorts must be 3, one for each utterance, got 2 instead"):
        learned(tiny_recogniser()).transducer.encoder.initial_state(3, torch.tensor([0, 1]))


@pytest.mark.parametrize("names", [[], ["a", "a"], ["a", "unknown"]])
def test_names_that_do_not_tell_cohorts_apart_are_refused(tmp_path: Path, names):
    tiny_recogniser().with_cohorts(COHORTS).save(tmp_path)
    config = read_json(tmp_path / "config.json")
    config["cohorts"]["names"] = names
    write_json(tmp_path / "config.json", config)
    with pytest.raises(ArtifactError, match="recogniser's configuration, got cohorts"):
        Recogniser.load(tmp_path)


def test_more_names_than_vectors_are_refused(tmp_path: Path):
    tiny_recogniser().with_cohorts(COHORTS).save(tmp_path)
    config = read_json(tmp_path / "config.json")
    config["cohorts"]["names"].append("region-3")
    write_json(tmp_path / "config.json", config)
    with pytest.raises(ArtifactError, match="fit the architecture that its configuration names"):
        Recogniser.load(tmp_path)
