"""What people say: a closed vocabulary, no digits, and more sentences than training can hear."""

from __future__ import annotations

import re

import numpy as np

from evenvoice.data.corpora.synthetic.sentences import (
    DIALECT,
    MAX_WORDS,
    TEMPLATES,
    in_dialect,
    sentence,
    vocabulary,
)
from evenvoice.data.text import normalise


def drawn(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [sentence(rng) for _ in range(count)]


def test_sentences_are_letters_and_inner_apostrophes_and_already_normal() -> None:
    for text in drawn(2000):
        assert re.fullmatch(r"[a-z]+('[a-z]+)?( [a-z]+('[a-z]+)?)*", text), text
        assert normalise(text) == text


def test_sentences_hold_three_to_ten_words() -> None:
    lengths = {len(text.split()) for text in drawn(2000)}
    assert (min(lengths), max(lengths)) == (3, MAX_WORDS)


def test_the_vocabulary_is_small_enough_to_learn_and_large_enough_to_err_in() -> None:
    assert 150 <= len(vocabulary()) <= 250


def test_every_word_of_the_vocabulary_is_said_and_no_other() -> None:
    said = [*drawn(6000), *map(in_dialect, drawn(6000))]
    assert {word for text in said for word in text.split()} == vocabulary()


def test_the_dialect_has_words_of_its_own_and_changes_no_others() -> None:
    assert in_dialect("call mom from the living room") == "call mam from the front room"
    assert in_dialect("turn off the fan") == "turn off the fan"
    common = {word for text in drawn(6000) for word in text.split()}
    assert len(vocabulary() - common) >= 8


def test_the_dialect_is_normal_and_hardly_longer() -> None:
    for text in map(in_dialect, drawn(2000)):
        assert normalise(text) == text
        assert len(text.split()) <= MAX_WORDS + 2


def test_every_phrase_of_the_dialect_is_said() -> None:
    assert all(any(phrase in text for text in map(in_dialect, drawn(4000))) for phrase in DIALECT.values())


def test_many_test_sentences_are_new_but_none_is_out_of_reach() -> None:
    training = set(drawn(3200, seed=1))
    seen = np.mean([text in training for text in drawn(1280, seed=2)])
    assert 0.25 < seen < 0.6


def test_every_template_is_used() -> None:
    openings = {" ".join(template.split("{")[0].split()[:3]) for template in TEMPLATES if not template.startswith("{")}
    spoken = drawn(3000)
    assert all(any(text.startswith(opening) for text in spoken) for opening in openings)
