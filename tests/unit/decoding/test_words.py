"""Labels become words with times and confidence."""

import pytest

from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.search import Hypothesis
from evenvoice.decoding.word import Word
from evenvoice.decoding.words import Transcript, words_of
from evenvoice.params import Tokenizer as TokenizerSettings

CHARACTERS = Tokenizer(kind="characters", units=(" ", "a", "b", "c"))  # labels 2, 3, 4, 5


def heard(labels: tuple[int, ...], frames: tuple[int, ...], confidence: tuple[float, ...]) -> Hypothesis:
    return Hypothesis(labels=labels, frames=frames, confidence=confidence, score=-1.0)


def test_characters_join_to_words_between_spaces():
    found = words_of(heard((3, 4, 2, 5), (0, 2, 3, 10), (0.9, 0.5, 0.8, 0.7)), CHARACTERS, 0.04)
    assert found == (Word("ab", 0.0, pytest.approx(0.12), 0.5), Word("c", pytest.approx(0.4), pytest.approx(0.44), 0.7))


def test_spaces_around_and_characters_that_training_never_saw_make_no_words():
    found = words_of(heard((2, 1, 3, 1, 2, 2), (0, 1, 2, 3, 4, 5), (0.9,) * 6), CHARACTERS, 1.0)
    assert found == (Word("a", 2.0, 3.0, 0.9),)


def test_sentencepiece_units_join_to_words():
    tokenizer = Tokenizer.train(["seven eleven seventeen", "eleven seventy"] * 20,
                                TokenizerSettings(kind="sentencepiece", characters_below_hours=0.0, vocabulary=24),
                                hours=100.0, seed=1)
    labels = tuple(tokenizer.encode("seventeen seven"))
    assert len(labels) > 2
    found = Transcript.of(heard(labels, tuple(range(len(labels))), (0.5,) * len(labels)), tokenizer, 1.0)
    assert found.text == "seventeen seven"
    assert [word.text for word in found.words] == ["seventeen", "seven"]
    assert (found.words[0].start_s, found.words[-1].end_s) == (0.0, len(labels))


def test_nothing_heard_is_no_words():
    assert words_of(heard((), (), ()), CHARACTERS, 0.04) == ()
