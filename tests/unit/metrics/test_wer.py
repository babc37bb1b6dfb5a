"""Word edits against a plain dynamic programme, and what must hold for any two texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import GateError
from evenvoice.metrics.wer import EditCounts, count_edits

TEXTS = st.lists(st.sampled_from(["on", "off", "the", "light", "a"]), max_size=8).map(" ".join)


def fewest_edits(reference, hypothesis):
    """Wagner and Fischer's table, row by row."""
    row = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, start=1):
        diagonal, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, start=1):
            diagonal, row[j] = row[j], min(diagonal + (said != heard), row[j] + 1, row[j - 1] + 1)
    return row[-1]


@pytest.mark.parametrize(("reference", "hypothesis", "counts"), [
    ("turn on the light", "turn on the light", EditCounts(words=4)),
    ("turn on the light", "turn off the light", EditCounts(words=4, substitutions=1)),
    ("turn on the light", "turn the light", EditCounts(words=4, deletions=1)),
    ("turn on the light", "please turn on the light", EditCounts(words=4, insertions=1)),
    ("turn on the light", "", EditCounts(words=4, deletions=4)),
    ("", "turn on", EditCounts(words=0, insertions=2)),
    ("", "", EditCounts(words=0)),
    ("light", "lights", EditCounts(words=1, substitutions=1)),
    ("a b c", "x a y c", EditCounts(words=3, substitutions=1, insertions=1)),
])
def test_edits_are_counted_in_words(reference, hypothesis, counts):
    assert count_edits(reference, hypothesis) == counts


def test_spaces_do_not_make_words():
    assert count_edits("turn on", "  turn   on ") == EditCounts(words=2)


def test_rates_pool_over_words_rather_than_utterances():
    pooled = count_edits("stop", "stop it") + count_edits("turn on the light now please", "turn on the light")
    assert pooled == EditCounts(words=7, deletions=2, insertions=1)
    assert pooled.errors == 3
    assert pooled.wer == pytest.approx(3 / 7)


def test_insertions_can_take_the_rate_above_one():
    assert count_edits("stop", "stop it now please").wer == 3.0


@pytest.mark.parametrize("empty", [EditCounts(words=0), EditCounts(words=0, insertions=3)])
def test_no_words_have_no_rate_rather_than_a_perfect_one(empty):
    with pytest.raises(GateError, match="must be taken over at least one reference word"):
        _ = empty.wer


@given(TEXTS, TEXTS)
def test_the_total_is_the_fewest_edits(reference, hypothesis):
    assert count_edits(reference, hypothesis).errors == fewest_edits(reference.split(), hypothesis.split())


@given(TEXTS, TEXTS)
def test_the_kinds_account_for_the_difference_in_length(reference, hypothesis):
    counts = count_edits(reference, hypothesis)
    assert counts.words == len(reference.split())
    assert counts.words - counts.deletions + counts.insertions == len(hypothesis.split())


@given(TEXTS)
def test_a_text_has_no_edits_from_itself(text):
    assert count_edits(text, text).errors == 0


@given(TEXTS, TEXTS)
def test_swapping_the_texts_swaps_insertions_and_deletions(first, second):
    there, back = count_edits(first, second), count_edits(second, first)
    assert there.errors == back.errors
    assert there.insertions - there.deletions == back.deletions - back.insertions


@given(TEXTS, TEXTS, TEXTS)
def test_a_detour_never_takes_fewer_edits(first, second, third):
    assert count_edits(first, third).errors <= count_edits(first, second).errors + count_edits(second, third).errors
