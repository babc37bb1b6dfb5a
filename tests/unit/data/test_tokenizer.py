"""Units and text: back and forth, through files, and refused by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.tokenizer import Tokenizer
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.params import Tokenizer as Settings
from evenvoice.storage import read_json, write_json

TEXTS = ["turn on the light", "what's the weather", "play some jazz", "call my mother at noon"]
WORDS = " ".join(TEXTS).split()


def trained(kind="characters", texts=TEXTS, hours=1.0, vocabulary=64, below=50.0):
    settings = Settings(kind=kind, characters_below_hours=below, vocabulary=vocabulary)
    return Tokenizer.train(texts, settings, hours=hours, seed=1)


@pytest.fixture(scope="module")
def characters():
    return trained()


@pytest.fixture(scope="module")
def pieces():
    return trained("sentencepiece")


def test_characters_are_numbered_in_order_behind_blank_and_unknown():
    tokenizer = trained(texts=["ab ba", "a'c"])
    assert tokenizer.units == (" ", "'", "a", "b", "c")
    assert tokenizer.size == 7
    assert tokenizer.encode("cab '") == [6, 4, 5, 2, 3]
    assert tokenizer.decode([6, 4, 5, 2, 3]) == "cab '"


def test_digits_and_letters_of_other_alphabets_are_units_where_they_occur():
    assert trained(texts=["zürich 42"]).units == (" ", "2", "4", "c", "h", "i", "r", "z", "ü")


def test_blank_and_unknown_read_as_nothing(characters, pieces):
    for tokenizer in (characters, pieces):
        ids = tokenizer.encode("the light")
        assert tokenizer.decode([0, *ids, 0, 1]) == "the light"
        assert tokenizer.decode([]) == tokenizer.decode([0, 1]) == ""


def test_characters_that_training_never_saw_become_unknown(characters, pieces):
    assert characters.encode("xthe") == [1, *characters.encode("the")]
    assert characters.decode(characters.encode("the 7 light")) == "the  light"
    assert 1 in pieces.encode("the 7")
    assert "7" not in pieces.decode(pieces.encode("the 7"))


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_normalised_text_survives_encoding(text):
    for tokenizer in (CHARACTERS, PIECES):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert all(2 <= unit < tokenizer.size for unit in ids)


@given(st.text(alphabet=sorted(set("".join(TEXTS)) - {" "}), min_size=1, max_size=30))
def test_any_word_of_seen_characters_survives_encoding(word):
    assert CHARACTERS.decode(CHARACTERS.encode(word)) == word
    assert PIECES.decode(PIECES.encode(word)) == word


CHARACTERS, PIECES = trained(), trained("sentencepiece")


def test_ids_as_numpy_numbers_read_the_same(characters, pieces):
    for tokenizer in (characters, pieces):
        assert tokenizer.decode(np.array(tokenizer.encode("play jazz"))) == "play jazz"


def test_sentencepiece_units_are_longer_than_characters(characters, pieces):
    assert len(pieces.encode(TEXTS[0])) < len(characters.encode(TEXTS[0]))


def test_the_vocabulary_is_at_most_what_was_asked_for(pieces):
    assert pieces.size <= 64
    assert len(set(pieces.units)) == len(pieces.units)


@pytest.mark.parametrize(("hours", "kind"), [(0.0, "characters"), (49.9, "characters"), (50.0, "sentencepiece")])
def test_the_amount_of_speech_decides_where_kind_is_auto(hours, kind):
    assert trained("auto", hours=hours).kind == kind


@pytest.mark.parametrize("kind", ["characters", "sentencepiece"])
def test_training_twice_gives_equal_tokenizers(kind):
    assert trained(kind) == trained(kind)
    assert trained(kind) != trained(kind, texts=TEXTS[:2])


@pytest.mark.parametrize("kind", ["characters", "sentencepiece"])
def test_saving_and_loading_gives_an_equal_tokenizer(tmp_path, kind):
    trained(kind).save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded == trained(kind)
    assert loaded.decode(loaded.encode("some weather")) == "some weather"


def test_training_without_text_is_refused():
    with pytest.raises(ArtifactError, match="training transcripts must hold text"):
        trained(texts=["", ""])


def test_a_vocabulary_smaller_than_the_alphabet_is_refused_by_name():
    with pytest.raises(ParamsError, match=r"tokenizer\.vocabulary must hold every character .*, got 16"):
        trained("sentencepiece", vocabulary=16)


def test_a_tokenizer_without_its_model_is_refused(tmp_path):
    trained("sentencepiece").save(tmp_path)
    (tmp_path / "sentencepiece.model").unlink()
    with pytest.raises(ArtifactError, match=r"sentencepiece\.model must be the model .*, got no such file"):
        Tokenizer.load(tmp_path)


def test_another_model_beside_the_description_is_refused(tmp_path):
    trained("sentencepiece").save(tmp_path)
    (tmp_path / "sentencepiece.model").write_bytes(trained("sentencepiece", texts=TEXTS[:2]).model)
    with pytest.raises(ArtifactError, match="got another file"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("change", [{"kind": "words"}, {"units": "abc"}, {"units": ["a", ""]}, {"extra": 1}])
def test_a_description_that_is_not_one_is_refused(tmp_path, change):
    trained().save(tmp_path)
    write_json(tmp_path / "tokenizer.json", read_json(tmp_path / "tokenizer.json") | change)
    with pytest.raises(ArtifactError, match=r"tokenizer\.json must describe a tokenizer"):
        Tokenizer.load(tmp_path)


def test_nothing_saved_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"tokenizer\.json must exist"):
        Tokenizer.load(tmp_path)
