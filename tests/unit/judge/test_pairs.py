"""A file of references beside one for each recogniser: Kaldi's text, sclite's trn."""

from __future__ import annotations

import pytest

from evenvoice.errors import CorpusError
from evenvoice.judge.pairs import read_pairs, read_speakers


def files(tmp_path, **contents):
    paths = {}
    for name, content in contents.items():
        paths[name] = tmp_path / name.replace("__", ".")
        paths[name].write_text(content, encoding="utf-8")
    return paths


def test_kaldi_pairs_take_speakers_from_utt2spk_and_recognisers_from_the_names_of_files(tmp_path):
    paths = files(tmp_path, text="u1 one two\nu2 three\n", small="u2 three\nu1 one too\n", large="u1 one two\nu2\n",
                  utt2spk="u1 ann\nu2 bob\n")
    first, second = read_pairs(paths["text"], [paths["small"], paths["large"]], read_speakers(paths["utt2spk"]))
    assert (first.speaker, first.reference) == ("ann", "one two")
    assert first.written == {"small": "one too", "large": "one two"}
    assert (second.speaker, second.written) == ("bob", {"small": "three", "large": ""})


def test_an_id_of_trn_begins_with_the_speaker(tmp_path):
    paths = files(tmp_path, ref__trn="one two (ann_u-1)\n(bob-2)\n", hyp__trn="one (ann_u-1)\nhm (bob-2)\n")
    found = list(read_pairs(paths["ref__trn"], [paths["hyp__trn"]], {}))
    assert [(one.key, one.speaker, one.reference) for one in found] == [
        ("ann_u-1", "ann", "one two"), ("bob-2", "bob", "")]


@pytest.mark.parametrize(("reference", "hypothesis", "says"), [
    ("u1 one\nu2 two\n", "u1 one\n", "be about the utterances of .*text, got nothing about 'u2', and 0 more"),
    ("u1 one\n", "u1 one\nu3 two\n", "text must be about the utterances of .*hyp, got nothing about 'u3'"),
    ("u1 one\nu1 two\n", "u1 one\n", "line 2 of .*text must be about an utterance that was not there before")])
def test_files_about_other_utterances_are_refused(tmp_path, reference, hypothesis, says):
    paths = files(tmp_path, text=reference, hyp=hypothesis)
    with pytest.raises(CorpusError, match=says):
        list(read_pairs(paths["text"], [paths["hyp"]], {}))


def test_a_line_of_trn_without_an_utterance_is_refused(tmp_path):
    paths = files(tmp_path, ref__trn="one two\n", hyp__trn="")
    with pytest.raises(CorpusError, match=r"line 1 of .*ref\.trn must end in the utterance in parentheses"):
        list(read_pairs(paths["ref__trn"], [paths["hyp__trn"]], {}))


def test_an_utterance_of_two_speakers_is_refused(tmp_path):
    path = files(tmp_path, utt2spk="u1 ann bob\n")["utt2spk"]
    with pytest.raises(CorpusError, match="must have one speaker, got 'ann bob'"):
        read_speakers(path)
