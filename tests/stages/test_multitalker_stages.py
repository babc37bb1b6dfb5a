"""From a corpus to turns that were heard in its mixtures, stage by stage."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from evenvoice.data.audio import Waveform
from evenvoice.data.schemas import CURVE, HEARD_TURNS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError, CorpusError
from evenvoice.models.recogniser import Recogniser
from evenvoice.multitalker.store import MixtureStore
from evenvoice.origins import features_digest, model_digest
from evenvoice.params import Params, load_params
from evenvoice.storage import read_json
from stages import mix, paths, train_multitalker, transcribe_multitalker
from tests.builders.audio import file_bytes
from tests.builders.corpora import write_manifest
from tests.builders.features import write_corpus
from tests.builders.models import FEATURIZE, MELS, talkative_recogniser, tiny_train
from tests.builders.talkers import LONGER, RATE, audio_of, length_s, spoken_corpus

SPEAKERS = {"train": 4, "discover": 2, "validate": 2, "test": 3}


@pytest.fixture(scope="module")
def params() -> Params:
    loaded = load_params()
    return loaded.model_copy(update={
        "featurize": FEATURIZE, "ingest": loaded.ingest.model_copy(update={"sample_rate": RATE}),
        "mix": loaded.mix.model_copy(update={"train": 6, "validate_": 3, "test": 4, "most_turns": 2}),
        "train": tiny_train(),
        "train_multitalker": loaded.train_multitalker.model_copy(update={
            "mixture_width": 8, "branch_width": 8, "steps": 3, "batch_s": 20.0})})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    """A run up to the turns."""
    folder = tmp_path_factory.mktemp("multitalker")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_corpus(paths.CORPUS, spoken_corpus(SPEAKERS))
        talkative_recogniser(mean=-12.0).save(paths.BASE_MODEL)
        mix.main(params)
        train_multitalker.main(params)
        transcribe_multitalker.main(params)
    return folder


@pytest.fixture
def here(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)


def test_mixtures_are_made_of_the_recordings(here):
    store = MixtureStore.open(paths.MIXTURES, MELS)
    assert Counter(store.splits) == {"train": 6, "validate": 3, "test": 4}
    assert read_json(paths.MIXTURES / "summary.json")["source"] == "mixed"


def test_the_model_says_what_it_was_made_from_and_how_it_was_trained(here):
    recogniser = Recogniser.load(paths.MULTITALKER_MODEL)
    assert (recogniser.separator.mixture_width, recogniser.separator.tokens) == (8, "turns")
    summary = read_json(paths.MULTITALKER_MODEL / "summary.json")
    assert (summary["steps"], summary["tokens"]) == (3, "turns")
    assert summary["mixtures"] == features_digest(paths.MIXTURES)
    assert summary["base"] == model_digest(paths.BASE_MODEL)
    assert summary["parameters"] == recogniser.transducer.parameter_count
    assert len(read_table(paths.MULTITALKER_MODEL / "curve.parquet", CURVE)) == 3
    assert not (paths.CHECKPOINTS / "multitalker").exists()


def test_turns_are_heard_in_validate_and_test_mixtures_by_both_models(here):
    turns = read_table(paths.TURNS / "turns.parquet", HEARD_TURNS).to_pylist()
    store = MixtureStore.open(paths.MIXTURES, MELS)
    assert {(turn["model"], turn["split"]) for turn in turns} == {
        (model, split) for model in ("multitalker", "base") for split in ("validate", "test")}
    split_of = dict(zip(store.ids, store.splits, strict=True))
    assert all(split_of[turn["mixture"]] == turn["split"] for turn in turns)
    assert read_json(paths.TURNS / "origin.json") == {
        "model": model_digest(paths.MULTITALKER_MODEL), "base": model_digest(paths.BASE_MODEL),
        "mixtures": features_digest(paths.MIXTURES)}


def test_the_base_recogniser_hears_one_turn_from_its_first_to_its_last_word(here):
    turns = [turn for turn in read_table(paths.TURNS / "turns.parquet", HEARD_TURNS).to_pylist()
             if turn["model"] == "base"]
    assert len({turn["mixture"] for turn in turns}) == len(turns) == 7
    assert all(turn["channel"] == 0 and turn["start_s"] < turn["end_s"] and turn["text"] for turn in turns)


def test_two_trainings_are_the_same_bit_for_bit(here, params, tmp_path, monkeypatch):
    before = model_digest(paths.MULTITALKER_MODEL)
    monkeypatch.setattr(paths, "MULTITALKER_MODEL", tmp_path / "again")
    train_multitalker.main(params)
    assert model_digest(tmp_path / "again") == before


@pytest.mark.parametrize("tokens", ["none", "separator"])
def test_a_model_without_marks_of_turns_is_trained_too(here, params, tmp_path, monkeypatch, tokens):
    monkeypatch.setattr(paths, "MULTITALKER_MODEL", tmp_path / tokens)
    train_multitalker.main(params.model_copy(update={
        "train_multitalker": params.train_multitalker.model_copy(update={"tokens": tokens, "steps": 1})}))
    assert read_json(tmp_path / tokens / "summary.json")["tokens"] == tokens


def test_mixtures_that_were_altered_are_not_trained_on(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_corpus(paths.CORPUS, spoken_corpus(SPEAKERS))
    talkative_recogniser().save(paths.BASE_MODEL)
    mix.main(params)
    (paths.MIXTURES / "mixtures-train-00001.arrow").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"mixtures-train-00001.arrow must be as contents.json lists it"):
        train_multitalker.main(params)


def test_turns_are_not_asked_of_a_recogniser_of_one_talker(here, params, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MULTITALKER_MODEL", paths.BASE_MODEL)
    monkeypatch.setattr(paths, "TURNS", tmp_path / "turns")
    with pytest.raises(ArtifactError, match="must tell talkers apart, got a recogniser of one talker"):
        transcribe_multitalker.main(params)


def test_a_corpus_without_test_speakers_is_refused(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_corpus(paths.CORPUS, spoken_corpus({**SPEAKERS, "test": 0}))
    with pytest.raises(CorpusError, match="the test split must hold recordings to mix"):
        mix.main(params)


def test_an_own_corpus_of_mixtures_is_taken_instead(here, params, tmp_path, monkeypatch):
    for name in ("train", "validate", "test"):
        (tmp_path / f"{name}.wav").write_bytes(file_bytes(Waveform(audio_of(LONGER[0]), RATE), "WAV"))
        (tmp_path / f"{name}.seglst.json").write_text(json.dumps([
            {"session_id": name, "speaker": f"{name} {speaker}", "words": text, "start_time": start_s,
             "duration": length_s(text)} for speaker, start_s, text in LONGER[0]]))
    write_manifest(tmp_path, [{"path": f"{name}.wav", "split": name} for name in ("train", "validate", "test")])
    for name in ("MIXTURES", "MULTITALKER_MODEL", "TURNS"):
        monkeypatch.setattr(paths, name, tmp_path / "artifacts" / name)
    own = params.model_copy(update={"mix": params.mix.model_copy(update={"corpus": str(tmp_path)})})
    for stage in (mix, train_multitalker, transcribe_multitalker):
        stage.main(own)
    store = MixtureStore.open(paths.MIXTURES, MELS)
    assert [[turn.text for turn in turns] for turns in store.turns] == [["yes one", "no two"]] * 3
    assert read_json(paths.MIXTURES / "summary.json")["source"] == "recorded"
    heard = read_table(paths.TURNS / "turns.parquet", HEARD_TURNS)
    assert set(heard["mixture"].to_pylist()) == set(store.ids[store.indices("validate", "test")])
