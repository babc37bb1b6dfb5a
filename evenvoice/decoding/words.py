"""Words with times and confidence from the labels of a hypothesis.

A word lasts from the encoder frame that emitted its first label to the end of the one that emitted its last: times of
emission, which follow the sound. It is as sure as its least sure label: one wrong label makes a wrong word.
"""

from __future__ import annotations

from dataclasses import dataclass

from evenvoice.data.tokenizer import WITHOUT_TEXT, Tokenizer
from evenvoice.decoding.search import Hypothesis
from evenvoice.decoding.word import Word

WORD_START = "\u2581"
"""What sentencepiece writes for a space."""


@dataclass(frozen=True)
class Transcript:
    """A hypothesis in words."""

    text: str
    words: tuple[Word, ...]
    score: float
    """Log-probability, see :class:`~evenvoice.decoding.search.Hypothesis`."""

    @classmethod
    def of(cls, hypothesis: Hypothesis, tokenizer: Tokenizer, frame_s: float) -> Transcript:
        """Write out a hypothesis whose encoder frames last ``frame_s`` seconds."""
        return cls(tokenizer.decode(hypothesis.labels), words_of(hypothesis, tokenizer, frame_s), hypothesis.score)


def words_of(hypothesis: Hypothesis, tokenizer: Tokenizer, frame_s: float) -> tuple[Word, ...]:
    """Join labels to words; a unit that holds several words gives each of them its times."""
    words: list[Word] = []
    open_word = False
    for label, start_s, confidence in zip(hypothesis.labels, hypothesis.times_s(frame_s), hypothesis.confidence,
                                          strict=True):
        if label < WITHOUT_TEXT:
            continue
        first, *others = tokenizer.units[label - WITHOUT_TEXT].replace(WORD_START, " ").split(" ")
        if first:
            found = Word(first, start_s, start_s + frame_s, confidence)
            if open_word:
                found = _joined(words.pop(), found)
            words.append(found)
        words += [Word(text, start_s, start_s + frame_s, confidence) for text in others if text]
        open_word = bool(others[-1]) if others else open_word or bool(first)
    return tuple(words)


def _joined(before: Word, after: Word) -> Word:
    return Word(before.text + after.text, before.start_s, after.end_s, min(before.confidence, after.confidence))
