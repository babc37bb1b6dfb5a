"""From turns to labels and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.search import Hypothesis, Token
from evenvoice.decoding.word import Word
from evenvoice.multitalker.labels import FURTHER, Due, TurnLabels
from evenvoice.multitalker.turns import TimedTurn
from evenvoice.params import load_params
from tests.builders.models import TEXTS, TOKENIZER
from tests.builders.multitalker import said

FRAME_S = 0.5
SOT, EOT = TOKENIZER.size, TOKENIZER.size + 1
PIECES = Tokenizer.train([*TEXTS, "yesterday nobody twoed one"], load_params().tokenizer.model_copy(
    update={"kind": "sentencepiece", "vocabulary": 30}), hours=1.0, seed=1)
TURNS = [said("a", 0.0, 1.25, "yes no"), said("b", 2.0, 3.0, "two")]


def labels(tokens: str) -> TurnLabels:
    return TurnLabels(TOKENIZER, tokens)


def spelt(due: list[Due]) -> str:
    """Labels of turns as < and >."""
    return "".join(TOKENIZER.decode([one.label]) if one.label < SOT else "<>"[one.label - SOT] for one in due)


def heard(tokens: str, written: str) -> list[TimedTurn]:
    """What is made of labels that come one in each frame."""
    found = [Token("<>".find(mark) + SOT if mark in "<>" else TOKENIZER.encode(mark)[0], frame, -0.5)
             for frame, mark in enumerate(written)]
    return labels(tokens).heard(Hypothesis.of(tuple(found), 0.0), channel=1, frame_s=FRAME_S)


def times(turns: list[TimedTurn]) -> list[tuple[float | None, float | None, str]]:
    return [(turn.start_s, turn.end_s, turn.text) for turn in turns]


@pytest.mark.parametrize(("tokens", "written"), [
    ("turns", "<yes no><two>"), ("separator", "yes no<two"), ("none", "yes no two")])
def test_each_kind_of_tokens_marks_turns_in_its_way(tokens, written):
    assert spelt(labels(tokens).of(TURNS)) == written
    assert max(one.label for one in labels(tokens).of(TURNS)) < TOKENIZER.size + FURTHER[tokens]


def test_only_ends_of_turns_are_due_at_a_time():
    due = labels("turns").of(TURNS)
    assert [(one.label, one.at_s) for one in due if one.at_s is not None] == [(EOT, 1.25), (EOT, 3.0)]
    assert all(one.at_s is None for tokens in ("none", "separator") for one in labels(tokens).of(TURNS))


def test_a_channel_without_turns_has_no_labels():
    assert [labels(tokens).of([]) for tokens in FURTHER] == [[], [], []]


def test_a_turn_is_told_at_the_end_of_the_frames_of_its_marks_and_has_its_words():
    [first, second] = heard("turns", "<yes no><two>")
    assert (first.channel, first.start_s, first.end_s, first.text) == (1, 0.5, 4.0, "yes no")
    assert first.words == (Word("yes", 0.5, 2.0, pytest.approx(0.6065, abs=1e-4)),
                           Word("no", 2.5, 3.5, pytest.approx(0.6065, abs=1e-4)))
    assert (second.start_s, second.end_s, second.text) == (4.5, 6.5, "two")


def test_what_look_ahead_waits_for_is_told_later():
    hypothesis = Hypothesis.of((Token(SOT, 0, 0.0), Token(EOT, 3, 0.0)), 0.0)
    [turn] = labels("turns").heard(hypothesis, 0, FRAME_S, waits_s=1.0)
    assert (turn.start_s, turn.end_s) == (1.5, 3.0)


def test_an_end_that_was_never_told_is_none():
    assert times(heard("turns", "<yes")) == [(0.5, None, "yes")]
    assert times(heard("turns", "<yes<no>")) == [(0.5, None, "yes"), (2.5, 4.0, "no")]


def test_words_outside_of_a_turn_are_one_of_their_own():
    assert times(heard("turns", "no<yes>one")) == [(None, None, "no"), (1.5, 3.5, "yes"), (None, None, "one")]
    assert times(heard("turns", "no><yes>")) == [(None, 1.5, "no"), (2.0, 4.0, "yes")]


def test_a_turn_may_be_without_words_but_not_without_start_and_words():
    assert times(heard("turns", "<>")) == [(0.5, 1.0, "")]
    assert heard("turns", ">>") == heard("turns", " ") == heard("turns", "<> >")[1:] == []
    assert times(heard("separator", "yes< <no")) == [(None, None, "yes"), (None, None, "no")]
    assert heard("none", "  ") == heard("none", "") == []


def test_a_separator_parts_turns_and_without_tokens_all_is_one():
    assert times(heard("separator", "yes no<two")) == [(None, None, "yes no"), (None, None, "two")]
    assert times(heard("none", "yes no two")) == [(None, None, "yes no two")]


TEXT = st.lists(st.sampled_from(["yes", "no", "one", "two", "nobody"]), min_size=1, max_size=3).map(" ".join)


@given(tokens=st.sampled_from(sorted(FURTHER)), tokenizer=st.sampled_from([TOKENIZER, PIECES]),
       texts=st.lists(TEXT, max_size=4))
def test_the_labels_of_any_turns_give_back_their_texts(tokens, tokenizer, texts):
    texts = texts if tokenizer is PIECES else [text.replace("nobody", "no") for text in texts]
    known = TurnLabels(tokenizer, tokens)
    due = known.of([said("a", 2 * number, 2 * number + 1, text) for number, text in enumerate(texts)])
    found = known.heard(Hypothesis.of(tuple(Token(one.label, frame, 0.0) for frame, one in enumerate(due)), 0.0), 0,
                        FRAME_S)
    assert [turn.text for turn in found] == ([" ".join(texts)] * bool(texts) if tokens == "none" else texts)
    assert all(" ".join(word.text for word in turn.words) == turn.text for turn in found)


@given(tokens=st.sampled_from(sorted(FURTHER)), marks=st.lists(st.integers(1, EOT), max_size=12))
def test_whatever_is_written_every_word_is_in_one_turn_and_turns_are_in_order(tokens, marks):
    marks = [mark for mark in marks if mark < TOKENIZER.size + FURTHER[tokens]]
    found = labels(tokens).heard(Hypothesis.of(tuple(Token(mark, frame, 0.0) for frame, mark in enumerate(marks)), 0.0),
                                 0, FRAME_S)
    units = "".join(TOKENIZER.decode([mark]) if mark < TOKENIZER.size else " " for mark in marks)
    assert " ".join(turn.text for turn in found).split() == units.split()
    assert all(turn.start_s is not None or turn.words for turn in found)
    told = [time_s for turn in found for time_s in (turn.start_s, turn.end_s) if time_s is not None]
    assert told == sorted(told)
