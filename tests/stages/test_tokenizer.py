"""The stage tokenizer, files to files."""

import pytest

from evenvoice.data.tokenizer import Tokenizer
from evenvoice.errors import ArtifactError
from evenvoice.params import load_params
from stages import paths, tokenizer
from tests.builders.features import Said, write_corpus


@pytest.fixture
def params(tmp_path, monkeypatch):
    loaded = load_params()
    monkeypatch.chdir(tmp_path)
    return loaded


def test_units_come_from_training_transcripts_only(params, capsys):
    write_corpus(paths.CORPUS, [Said("a", text="go on"), Said("b", split="test", text="zebra")])
    tokenizer.main(params)
    assert Tokenizer.load(paths.TOKENIZER).units == (" ", "g", "n", "o")
    assert "6 units (characters)" in capsys.readouterr().out


def test_enough_speech_changes_over_to_sentencepiece(params):
    write_corpus(paths.CORPUS, [Said("a", text="the quick brown fox jumps"), Said("b", text="over the lazy dog")])
    settings = params.tokenizer.model_copy(update={"characters_below_hours": 0.0001})
    tokenizer.main(params.model_copy(update={"tokenizer": settings}))
    assert Tokenizer.load(paths.TOKENIZER).kind == "sentencepiece"


def test_without_training_transcripts_nothing_is_written(params):
    write_corpus(paths.CORPUS, [Said("a", split="test")])
    with pytest.raises(ArtifactError, match="training transcripts must hold text"):
        tokenizer.main(params)
    assert not paths.TOKENIZER.exists()
