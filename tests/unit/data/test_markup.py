"""What of a transcript was never said, and that nothing else is taken for it."""

from __future__ import annotations

import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.markup import Tally, do_not_score, tags, without_markup
from evenvoice.data.text import normalise

MARKED = [
    ("okay <COMMA> go", ["<COMMA>"], "okay go"),
    ("a <unk> b <UNK> c", ["<unk>", "<UNK>"], "a b c"),
    ("<s> turn it up </s>", ["<s>", "</s>"], "turn it up"),
    ('<font color="red">stop</font>', ['<font color="red">', "</font>"], "stop"),
    ("stop<br/>now", ["<br/>"], "stop now"),
    ("<background noise> go", ["<background noise>"], "go"),
    ("[noise] go [vocalized-noise]", ["[noise]", "[vocalized-noise]"], "go"),
    ("go [door slams shut] on", ["[door slams shut]"], "go on"),
    ("[[unclear]] go", ["[unclear]"], "go"),
    ("{laughs} go {COUGH}", ["{laughs}", "{COUGH}"], "go"),
    ("go ((unclear)) on (( ))", ["((unclear))", "(( ))"], "go on"),
    ("ignore_time_segment_in_scoring", ["ignore_time_segment_in_scoring"], ""),
    ("!SIL go !sil", ["!SIL", "!sil"], "go"),
    ("don&#39;t", ["&#39;"], "don't"),
    ("don&#x27;t", ["&#x27;"], "don't"),
    ("rock &amp; roll", ["&amp;"], "rock roll"),
    ("CAF&EACUTE;", ["&EACUTE;"], "café"),
    ("&lt;unk&gt; go", ["&lt;", "&gt;"], "go"),
    ("don&amp;#39;t", ["&amp;"], "don't"),
    ("＜unk＞ go ［noise］", ["＜unk＞", "［noise］"], "go"),
    ("[a {b} c] [d [e] f] go", ["[a {b} c]", "[e]"], "go"),
]
ORDINARY = ["3 < 4", "a [b", "a ] b [", "rock & roll", "AT&T", "R&D; Q&A;", "it's (really) good", "<3", "</3",
            "1 < 2 > 0", "if a < b and c > d", "wow! SIL", "well !", "(a) (b)", "f(g(x)) is", "{", "}", "[]", "<>",
            "&", "&;", "&#;", "snake_case", "100 %", "x&y", "#39;", "::", "!SILENCE", "a!SIL",
            "ignore the time segment in scoring"]


@pytest.mark.parametrize(("text", "found", "said"), MARKED)
def test_markup_is_found_and_can_be_taken_away(text: str, found: list[str], said: str) -> None:
    assert tags(text) == found
    assert normalise(without_markup(text)) == said


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert tags(text) == []
    assert without_markup(text) is text


@given(st.text(alphabet=st.characters(exclude_characters="<>[]{}()&_!＜＞［］｛｝（）")))
def test_without_brackets_and_entities_nothing_is_flagged_or_changed(text: str) -> None:
    assert tags(text) == []
    assert without_markup(text) is text


WORDS = st.text(alphabet=string.ascii_letters + "áü'", min_size=1, max_size=8)
JOINTS = st.sampled_from([" ", ", ", ". ", "! ", "? ", ": ", " & ", " - ", " (", ") ", " < ", " > ", '"', "/", "&"])


@given(st.lists(st.tuples(WORDS, JOINTS), max_size=12))
def test_words_and_punctuation_are_never_markup(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + joint for word, joint in parts)
    assert tags(text) == []
    assert without_markup(text) is text


PIECES = st.sampled_from(["<unk>", "<", ">", "[", "]", "[noise]", "{", "}", "((", "))", "(", ")", "&amp;", "&lt;",
                          "&gt;", "&", "amp;", "#39;", "lt;", "!SIL", "ignore_time_segment_in_scoring", " ", "go", "3",
                          "&#38;", "_", "&#91;", "&lsqb;"])


@given(st.lists(PIECES, max_size=16).map("".join))
def test_taking_markup_away_twice_changes_nothing(text: str) -> None:
    once = without_markup(text)
    assert without_markup(once) == once
    assert tags(once) == []


@pytest.mark.parametrize("text", ["ignore_time_segment_in_scoring", "IGNORE_TIME_SEGMENT_IN_SCORING",
                                  "<F0_M> ignore_time_segment_in_scoring"])
def test_what_is_marked_as_not_to_be_scored_is_told_apart(text: str) -> None:
    assert do_not_score(text)


@pytest.mark.parametrize("text", ["<unk>", "ignore time segment in scoring", "xignore_time_segment_in_scoring"])
def test_nothing_else_is(text: str) -> None:
    assert not do_not_score(text)


def test_a_long_transcript_of_open_brackets_takes_no_time() -> None:
    for opening in "<[{(&":
        for text in (opening * 20_000, f"{opening}a" * 10_000, opening + "a" * 20_000, f"{opening} " * 10_000):
            assert tags(text) == []


def test_recordings_and_kinds_are_counted() -> None:
    tally = Tally("keep")
    for text in ("okay <COMMA> go <COMMA>", "go", "<COMMA> [noise]", "[door slams] ((what)) (( ))"):
        tally.add(text)
    assert tally.summary() == {"policy": "keep", "recordings": 3, "kinds": {
        "<COMMA>": 3, "((…))": 2, "[noise]": 1, "[…]": 1}}


def test_of_many_kinds_the_most_frequent_twenty_are_named() -> None:
    tally = Tally("drop")
    for number in range(30):
        tally.add(f"<a{number}> " * (40 - number))
    kinds = Counter(tally.summary()["kinds"]).most_common()
    assert kinds == [(f"<a{number}>", 40 - number) for number in range(20)]


def test_kinds_held_are_bounded() -> None:
    tally = Tally("drop")
    for number in range(5000):
        tally.add(f"<a{number}>")
    assert tally.recordings == 5000
    assert len(tally.kinds) == 1000
