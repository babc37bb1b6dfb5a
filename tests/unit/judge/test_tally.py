"""Errors of speakers, counted under several normalisers at once."""

from __future__ import annotations

import pytest

from evenvoice.errors import CorpusError, ParamsError
from evenvoice.judge.normalisers import normaliser, unit_of
from evenvoice.judge.tally import Tally
from evenvoice.judge.utterances import Utterance


def said(key, speaker, reference, **written):
    return Utterance(key=key, speaker=speaker, reference=reference, written=written, where=f"line {key}")


def tally(*utterances, ways=("evenvoice", "none"), unit="word"):
    found = Tally({way: normaliser(way) for way in ways}, unit)
    for utterance in utterances:
        found.add(utterance)
    return found


def test_words_and_errors_add_up_by_speaker_under_every_normaliser():
    found = tally(said("1", "bob", "One, two.", a="one two", b="one"), said("2", "ann", "three", a="Three", b="three"),
                  said("3", "bob", "four", a="for four", b="four"))
    assert found.speakers == ("ann", "bob")
    words, errors = found.counts("evenvoice")
    assert (words.tolist(), {name: counts.tolist() for name, counts in errors.items()}) == (
        [1, 3], {"a": [0, 1], "b": [0, 1]})
    _, plain = found.counts("none")
    assert {name: counts.tolist() for name, counts in plain.items()} == {"a": [1, 3], "b": [0, 2]}


def test_characters_are_counted_without_spaces():
    words, errors = tally(said("1", "ann", "你好 世界", a="你好世"), unit="character").counts("none")
    assert (words.tolist(), errors["a"].tolist()) == ([4], [1])


@pytest.mark.parametrize(("texts", "unit"), [
    (["hello world"], "word"), (["你好世界"], "character"), (["สวัสดี"], "character"), (["привет"], "word"),
    (["안녕 하세요"], "word"), (["hello 你好"], "word"), (["ok 你好世界"], "character"), (["123"], "word"),
    ([], "word")])
def test_the_unit_follows_the_script_of_most_letters(texts, unit):
    assert unit_of(texts) == unit


@pytest.mark.parametrize(("utterances", "says"), [
    ([said("1", "a", "x", s="x"), said("1", "a", "x", s="x")], "utterance '1' must come once"),
    ([said("1", None, "x", s="x")], "must have a speaker, got none instead. Fill in the column, or give --utt2spk"),
    ([said("1", "a", " ... ", s="x")], "must hold a word when it is normalised, got ' ... '")])
def test_what_cannot_be_counted_is_refused_by_name(utterances, says):
    with pytest.raises(CorpusError, match=says):
        tally(*utterances)


def test_english_is_brought_to_one_spelling():
    english = normaliser("english")
    assert english("I'll pay twenty-one dollars, Mr. Smith") == english("i will pay $21 mister smith")
    assert english("colour") == english("color")


def test_a_normaliser_of_ones_own_goes_by_module_and_function():
    assert normaliser("builtins:str")("As it is") == "As it is"


@pytest.mark.parametrize(("name", "says"), [
    ("danish", "got danish instead"), (":lower", r"got :lower \(Empty module name\)"),
    ("nowhere:lower", r"got nowhere:lower \(No module named 'nowhere'\)"),
    ("builtins:nothing", r"got builtins:nothing \(module 'builtins' has no attribute 'nothing'\)")])
def test_a_normaliser_that_is_not_there_is_refused_with_the_reason(name, says):
    with pytest.raises(ParamsError, match=f"--normaliser must be one of none, evenvoice, english, or .*, {says}"):
        normaliser(name)


@pytest.mark.parametrize(("name", "says"), [("builtins:len", "must take and give a text, got int"),
                                            ("builtins:int", "must take and give a text, got ValueError: invalid")])
def test_a_normaliser_of_ones_own_that_gives_no_text_is_named(name, says):
    with pytest.raises(ParamsError, match=f"--normaliser {name} {says}"):
        normaliser(name)("one")
