"""What people say: a closed vocabulary, no digits, and more sentences than training can hear."""

from __future__ import annotations

import re

import numpy as np

from evenvoice.data.corpora.synthetic.sentences import MAX_WORDS, TEMPLATES, sentence, vocabulary
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
    assert {word for text in drawn(6000) for word in text.split()} == vocabulary()


def test_many_test_sentences_are_new_but_none_is_out_of_reach() -> None:
    training = set(drawn(3200, seed=1))
    seen = np.mean([text in training for text in drawn(1280, seed=2)])
    assert 0.25 < seen < 0.6


def test_every_template_is_used() -> None:
    openings = {" ".join(template.split("{")[0].split()[:3]) for template in TEMPLATES if not template.startswith("{")}
    spoken = drawn(3000)
    assert all(any(text.startswith(opening) for text in spoken) for opening in openings)
