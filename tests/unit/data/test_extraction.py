"""Features of a corpus, from Parquet shards to Arrow shards."""

import numpy as np
import pytest

from evenvoice.data.audio import Waveform, decode, encode_wav
from evenvoice.data.extraction import LEAST_STD, extract
from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.features import LogMel
from evenvoice.data.pieces import Pieces
from evenvoice.errors import ArtifactError
from evenvoice.progress import Progress
from evenvoice.storage import read_json, sha256
from tests.builders.audio import file_bytes, tone
from tests.builders.features import RATE, SETTINGS, Said, write_corpus

RECORDINGS = [Said("a", seconds=0.5, hertz=300), Said("b", split="test", seconds=0.31, hertz=900),
              Said("c", split="discover", seconds=0.02), Said("d", seconds=1.0, hertz=2000, text="good morning")]

NOT_NUMBERS = Waveform(np.full(8000, np.nan, np.float32), RATE)


def extract_to(out, corpus):
    progress = Progress("featurize")
    extract(corpus=corpus, out=out, settings=SETTINGS, sample_rate=RATE, progress=progress,
            pieces=Pieces(out.parent / "pieces", {}, progress))
    return FeatureStore.open(out)


def log_mel_of(said):
    audio = file_bytes(tone(said.seconds, RATE, said.hertz))
    return LogMel(SETTINGS, RATE)(decode(audio, name="", max_duration_s=2).samples)


@pytest.fixture
def corpus(tmp_path):
    write_corpus(tmp_path / "corpus", RECORDINGS)
    return tmp_path / "corpus"


def test_every_recording_comes_out_in_order_with_what_is_known_of_it(tmp_path, corpus):
    store = extract_to(tmp_path / "features", corpus)
    assert store.ids.tolist() == ["a", "b", "c", "d"]
    assert store.splits.tolist() == ["train", "test", "discover", "train"]
    assert store.speakers[3] == "speaker of d"
    assert store.texts[3] == "good morning"
    assert store.frames.tolist() == [48, 29, 1, 98]
    np.testing.assert_allclose(store.durations_s, [0.5, 0.31, 0.02, 1.0], rtol=1e-6)


def test_features_are_those_of_serving_rounded_to_float16(tmp_path, corpus):
    store = extract_to(tmp_path / "features", corpus)
    for i, said in enumerate(RECORDINGS):
        np.testing.assert_array_equal(store.features(i), log_mel_of(said).astype(np.float16))


def test_recordings_are_the_same_alone_and_beside_others(tmp_path):
    rng = np.random.default_rng(11)
    noises = [rng.normal(scale=0.2, size=size).astype(np.float32) for size in (8000, 391, 16013, 400, 4801) * 8]
    said = [Said(f"r{i}", audio=encode_wav(Waveform(noise, RATE)), seconds=len(noise) / RATE)
            for i, noise in enumerate(noises)]
    write_corpus(tmp_path / "all", said)
    together = extract_to(tmp_path / "features", tmp_path / "all")
    for i in (0, 1, 2, 3, 4, 31, 32, 39):
        write_corpus(tmp_path / f"only {i}", [said[i]])
        alone = extract_to(tmp_path / f"features {i}", tmp_path / f"only {i}")
        np.testing.assert_array_equal(together.features(i), alone.features(0))
        rounded = decode(said[i].audio, name="", max_duration_s=2).samples
        np.testing.assert_array_equal(together.features(i), LogMel(SETTINGS, RATE)(rounded).astype(np.float16))


def test_as_many_cores_as_there_may_be_write_the_same_bytes(tmp_path, monkeypatch):
    write_corpus(tmp_path / "corpus", [Said(f"r{i}", seconds=0.1 + 0.02 * i, hertz=200 + i) for i in range(100)])
    for cores in (1, 3):
        monkeypatch.setattr("evenvoice.data.extraction.cores", lambda cores=cores: cores)
        extract_to(tmp_path / str(cores), tmp_path / "corpus")
    files = [sorted((tmp_path / str(cores)).iterdir()) for cores in (1, 3)]
    assert [sha256(file) for file in files[0]] == [sha256(file) for file in files[1]]
    assert FeatureStore.open(tmp_path / "3").ids.tolist() == [f"r{i}" for i in range(100)]


def test_statistics_are_over_training_frames_only(tmp_path, corpus):
    store = extract_to(tmp_path / "features", corpus)
    train = np.concatenate([log_mel_of(RECORDINGS[0]), log_mel_of(RECORDINGS[3])]).astype(np.float64)
    np.testing.assert_allclose(store.mean, train.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(store.std, train.std(axis=0).clip(LEAST_STD), rtol=1e-4)


def test_a_band_in_which_nothing_happens_is_not_blown_up(tmp_path):
    write_corpus(tmp_path / "corpus", [Said("quiet", audio=file_bytes(tone(0.5, RATE, peak=0.0)))])
    extract_to(tmp_path / "features", tmp_path / "corpus")
    assert read_json(tmp_path / "features" / "statistics.json")["std"] == [LEAST_STD] * 16


def test_the_same_corpus_gives_the_same_bytes(tmp_path, corpus):
    for name in ("first", "second"):
        extract_to(tmp_path / name, corpus)
    for file in sorted((tmp_path / "first").iterdir()):
        assert sha256(file) == sha256(tmp_path / "second" / file.name)


@pytest.mark.parametrize(("said", "message"), [
    (Said("x", audio=b"fLaC but no more"), "audio of x must be readable audio"),
    (Said("x", audio=file_bytes(tone(0.5))[:-200]), "audio of x must be"),
    (Said("x", audio=file_bytes(tone(0.5, rate=8000))), "audio of x must be sampled at 16000 Hz, got 8000 Hz"),
    (Said("x", declared_s=3.0), r"audio of x must last 3\.00 s, got 0\.50 s"),
    (Said("x", audio=encode_wav(tone(0.5)), declared_s=3.0), r"audio of x must last 3\.00 s, got 0\.50 s"),
    (Said("x", audio=encode_wav(tone(0.5))[:-1000]), "audio of x must be as long as its header declares"),
    (Said("x", audio=encode_wav(tone(0.5, rate=8000))), "audio of x must be sampled at 16000 Hz, got 8000 Hz"),
    (Said("x", audio=file_bytes(NOT_NUMBERS, "WAV")), "audio of x must hold finite samples"),
])
def test_altered_audio_is_refused_by_name_and_nothing_is_written(tmp_path, said, message):
    write_corpus(tmp_path / "corpus", [RECORDINGS[0], said])
    with pytest.raises(ArtifactError, match=message):
        extract_to(tmp_path / "features", tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_corpus_without_training_speakers_is_refused(tmp_path):
    write_corpus(tmp_path / "corpus", [Said("a", split="test")])
    with pytest.raises(ArtifactError, match="the train split must have recordings"):
        extract_to(tmp_path / "features", tmp_path / "corpus")
