"""What models write of a corpus becomes a table, however often the work was broken off."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice.errors import ParamsError, TrackingError, TransientError
from evenvoice.judge import transcribing
from evenvoice.judge.served_corpus import SpokenCorpus
from evenvoice.judge.settings import read_judging
from evenvoice.judge.transcribing import Asking, Heard, hear_corpus
from evenvoice.judge.utterances import read_table
from tests.builders.corpora import speakers_corpus, write_manifest
from tests.builders.served import open_toy


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    write_manifest(root, [{**row, "gender": "f"} for row in speakers_corpus(root)])
    return root


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def hear(corpus: Path, folder: Path, *models: str, **asking: object) -> Heard:
    spoken = SpokenCorpus(str(corpus), read_judging().ingest)
    return hear_corpus([f"models:/{model}" for model in models], spoken, folder, open_toy,
                       Asking(**asking))  # type: ignore[arg-type]


def test_the_table_is_one_that_judge_reads_and_holds_what_each_model_wrote(tmp_path, corpus, capsys):
    heard = hear(corpus, tmp_path / "heard", "small/1", "large/2", batch=5)
    rows = list(read_table(heard.table))
    assert len(rows) == 16
    assert list(rows[0].written) == ["small-1", "large-2"]
    assert all(row.written["small-1"] == row.key.replace("/", " ") for row in rows)
    assert rows[0].row is not None
    assert rows[0].row.values.keys() >= {"gender", "lat", "lon"}
    assert not rows[0].row.values.keys() & {"accent", "age_band", "country"}
    assert list(heard.files) == [str(corpus), "models:/small/1", "models:/large/2"]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "judge large-2  recording 16/16" in shown.err


def test_a_second_call_asks_only_for_what_is_not_there(tmp_path, corpus, log):
    folder = tmp_path / "heard"
    with pytest.raises(TrackingError, match=r"write down the 4 recordings that begin with 'voice04/0\.flac', got "
                                            r"ValueError: no such thing as voice04.*What was heard is kept"):
        hear(corpus, folder, "raises_later/1", batch=4)
    assert log.read_text(encoding="utf-8").splitlines() == ["load", "hear 4", "hear 4", "hear 4"]
    with pytest.raises(TrackingError, match=r"write down recording 'voice04/0\.flac', got"):
        hear(corpus, folder, "raises_later/1", batch=1)
    assert log.read_text(encoding="utf-8").splitlines()[4:] == ["load", "hear 1"]


def test_a_model_that_hangs_does_not_hang_the_job(tmp_path, corpus):
    with pytest.raises(TrackingError, match=r"with 'voice00/0\.flac' within 0\.2 s \(--batch-limit\), got no answer"):
        hear(corpus, tmp_path / "heard", "hangs/1", batch_limit_s=0.2)


def test_what_is_whole_is_not_asked_for_again_and_another_version_is(tmp_path, corpus, log):
    first = hear(corpus, tmp_path / "heard", "small/1")
    hear(corpus, tmp_path / "heard", "small/1")
    assert log.read_text(encoding="utf-8").splitlines() == ["load", "hear 16"]
    other = hear(corpus, tmp_path / "heard", "small/2")
    assert log.read_text(encoding="utf-8").splitlines() == ["load", "hear 16"] * 2
    assert first.files["models:/small/1"] != other.files["models:/small/2"]


def test_when_the_time_is_over_the_same_command_goes_on(tmp_path, corpus, log, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(transcribing, "monotonic", lambda: 1e6 if log.exists() and "hear" in log.read_text() else 0.0)
        with pytest.raises(TransientError, match=r"--time-limit must leave time for every recording, got 8 of 16 that "
                                                 r"models:/small/1 has not heard.*goes on from there"):
            hear(corpus, tmp_path / "heard", "small/1", batch=8, limit_s=1000)
    assert len(list(read_table(hear(corpus, tmp_path / "heard", "small/1", batch=8).table))) == 16
    assert log.read_text(encoding="utf-8").splitlines() == ["load", "hear 8"] * 2


def test_a_model_that_dies_is_named_with_its_last_words_and_the_recording(tmp_path, corpus):
    with pytest.raises(TrackingError, match=r"the model models:/dies/1 must write down the 16 recordings that begin "
                                            r"with 'voice00/0\.flac', got a process that was ended by SIGABRT \(it "
                                            r"said last: .*out of memory.*--batch 1 finds the recording"):
        hear(corpus, tmp_path / "heard", "dies/1")


def test_a_model_is_judged_beside_others_and_not_beside_itself(tmp_path, corpus):
    with pytest.raises(ParamsError, match="--model must name each model once, got models:/small/1 twice"):
        hear(corpus, tmp_path / "heard", "small/1", "small/1")


def test_what_a_model_is_handed_is_as_it_was_asked(tmp_path, corpus):
    heard = hear(corpus, tmp_path / "heard", "small/1", feed="arrays")
    assert {utterance.written["small-1"] for utterance in read_table(heard.table)} == {"8000"}
