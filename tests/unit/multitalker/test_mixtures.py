"""Mixtures of the recordings of a corpus, and the store that holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evenvoice.errors import ArtifactError, CorpusError
from evenvoice.multitalker.mixtures import Settings, mix_corpus
from evenvoice.multitalker.speaking import speech_spans
from evenvoice.multitalker.store import MixtureStore
from evenvoice.params import load_params
from evenvoice.progress import Progress
from evenvoice.storage import read_json
from tests.builders.features import write_corpus
from tests.builders.models import FEATURIZE, MELS
from tests.builders.talkers import RATE, spoken_corpus

SPEAKERS = {"train": 4, "discover": 2, "validate": 2, "test": 3}
COUNTS = {"train": 6, "validate_": 3, "test": 4}
HOP_S = 0.01


def settings(*, seed: int = 1, **changes: object) -> Settings:
    mix = load_params().mix.model_copy(update={**COUNTS, "silent_share": 0.0, **changes})
    return Settings(mix=mix, featurize=FEATURIZE, sample_rate=RATE, seed=seed)


def mix(folder: Path, *, speakers: dict[str, int] = SPEAKERS, seed: int = 1, **changes: object) -> MixtureStore:
    if not (folder / "corpus").exists():
        write_corpus(folder / "corpus", spoken_corpus(speakers))
    mix_corpus(corpus=folder / "corpus", out=folder / "mixtures", settings=settings(seed=seed, **changes),
               progress=Progress("mix"))
    return MixtureStore.open(folder / "mixtures", MELS)


def test_every_split_has_as_many_mixtures_as_were_asked_for(tmp_path):
    store = mix(tmp_path)
    assert {split: len(store.indices(split)) for split in ("train", "validate", "test", "discover")} == {
        "train": 6, "validate": 3, "test": 4, "discover": 0}
    assert store.ids[store.indices("validate")].tolist() == ["validate-000000", "validate-000001", "validate-000002"]
    for i in range(len(store)):
        assert store.features(i).shape == (store.frames[i], MELS)
        assert store.frames[i] * HOP_S == pytest.approx(store.durations_s[i], abs=0.03)


def test_mixtures_are_of_speakers_of_their_own_split(tmp_path):
    store = mix(tmp_path, train=30, test=30)
    for split, speakers in SPEAKERS.items():
        heard = {turn.speaker for i in store.indices(split) for turn in store.turns[i]}
        assert heard <= {f"speaker of {split}-{number}" for number in range(speakers)}
    assert {turn.speaker for i in store.indices("test") for turn in store.turns[i]} == {
        f"speaker of test-{number}" for number in range(3)}


def test_somebody_is_loud_where_a_turn_is_and_nobody_elsewhere(tmp_path):
    store = mix(tmp_path, pause_share=1.0, gain_db=0.0)
    for i, turns in enumerate(store.turns):
        loudest_F = store.features(i).astype(np.float32).max(axis=1)
        middle_F = np.arange(len(loudest_F)) * HOP_S + 0.0125
        nearly_F, inside_F = np.zeros(len(middle_F), bool), np.zeros(len(middle_F), bool)
        for start_s, end_s in (span for turn in turns for span in speech_spans(turn)):
            inside_F |= (start_s + 0.02 < middle_F) & (middle_F < end_s - 0.02)
            nearly_F |= (start_s - 0.02 < middle_F) & (middle_F < end_s + 0.02)
        assert loudest_F[inside_F].min() > loudest_F[~nearly_F].max()


def test_the_seed_decides_everything(tmp_path):
    first, again, other = (hashes(tmp_path, seed) for seed in (1, 1, 2))
    assert first == again != other


def hashes(folder: Path, seed: int) -> object:
    mix(folder, seed=seed)
    return read_json(folder / "mixtures" / "contents.json")


def test_the_summary_counts_what_was_mixed(tmp_path):
    store = mix(tmp_path, overlapping_share=1.0, silent_share=0.2, test=20)
    summary = read_json(tmp_path / "mixtures" / "summary.json")
    assert (summary["source"], set(summary["splits"])) == ("mixed", {"train", "validate", "test"})
    test = store.indices("test")
    turns = [turn for i in test for turn in store.turns[i]]
    found = summary["splits"]["test"]
    assert (found["mixtures"], found["turns"], found["speakers"]) == (20, len(turns), 3)
    assert found["hours"] == pytest.approx(store.durations_s[test].sum() / 3600)
    assert found["overlap_share"] == pytest.approx(overlap_share(store, test), abs=0.005)
    assert found["overlap_share"] > 0.01


def overlap_share(store: MixtureStore, indices: np.ndarray) -> float:
    """Counted millisecond by millisecond."""
    talkers = np.concatenate([
        sum((turn.start_s <= np.arange(0, store.durations_s[i], 1e-3)) & (np.arange(0, store.durations_s[i], 1e-3)
                                                                           < turn.end_s) for turn in store.turns[i])
        for i in indices if store.turns[i]])
    return float((talkers > 1).sum() / (talkers > 0).sum())


def test_mixtures_may_all_be_silent(tmp_path):
    store = mix(tmp_path, silent_share=1.0)
    assert not any(store.turns)
    assert read_json(tmp_path / "mixtures" / "summary.json")["splits"]["train"] == {
        "mixtures": 6, "turns": 0, "speakers": 0, "overlap_share": 0.0,
        "hours": pytest.approx(store.durations_s[store.indices("train")].sum() / 3600)}


@pytest.mark.parametrize("split", ["train", "validate", "test"])
def test_a_split_without_recordings_is_refused_by_name(tmp_path, split):
    message = rf"the {split} split must hold recordings to mix, got none .*ingest.split.{split}"
    with pytest.raises(CorpusError, match=message):
        mix(tmp_path, speakers={**SPEAKERS, split: 0})
    assert not (tmp_path / "mixtures").exists()


def test_audio_that_is_not_what_was_ingested_is_refused_by_name(tmp_path):
    recordings = spoken_corpus(SPEAKERS)
    write_corpus(tmp_path / "corpus", [type(one)(**{**vars(one), "declared_s": 9.0}) for one in recordings])
    with pytest.raises(ArtifactError, match=r"audio of train-\d must last 9.00 s"):
        mix(tmp_path)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("alter", [cut_short, Path.unlink])
def test_an_altered_or_missing_file_is_refused_by_name(tmp_path, alter: Callable[[Path], None]):
    mix(tmp_path)
    alter(tmp_path / "mixtures" / "mixtures-test-00000.arrow")
    with pytest.raises(ArtifactError, match=r"mixtures-test-00000.arrow must be as contents.json lists it"):
        MixtureStore.open(tmp_path / "mixtures", MELS)


def test_features_of_other_mel_bands_are_refused(tmp_path):
    mix(tmp_path)
    with pytest.raises(ArtifactError, match=r"features of test-000000 must be .* of 9 float16 mel bands"):
        MixtureStore.open(tmp_path / "mixtures", MELS + 1)


def test_what_was_known_of_turns_is_known_again(tmp_path):
    store = mix(tmp_path, pause_share=1.0)
    paused = [turn for turns in store.turns for turn in turns]
    assert all(turn.start_s < start_s < end_s < turn.end_s for turn in paused for start_s, end_s in turn.pauses)
    assert all(len(turn.pauses) == 1 for turn in paused)
    assert len(set(store.texts)) == len(store)
