"""Ways to bring what was said and what was written to one spelling, by name, and what is counted then.

Formatting alone can multiply a gap, so a report shows the verdict under each of them.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from typing import Final, Literal

from evenvoice.data.text import normalise
from evenvoice.errors import ParamsError

Normaliser = Callable[[str], str]
Unit = Literal["word", "character"]
NORMALISERS: Final = ("none", "evenvoice", "english")
"""none: as it stands. evenvoice: as ingest does (evenvoice.data.text). english: the rules that Whisper's paper
describes (A. Radford et al., arXiv 2212.04356, appendix C): numbers, spellings, contractions, fillers."""
WITHOUT_SPACES: Final = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""Beginnings of the Unicode names of letters whose scripts put no space between words."""


def normaliser(name: str) -> Normaliser:
    """The one of this name, or ``module:function`` of one's own.

    Raises:
        ParamsError: there is no such one; or, by the one of one's own when it is called, that it fails.
    """
    if name == "none":
        return lambda text: " ".join(text.split())
    if name == "evenvoice":
        return normalise
    if name == "english":
        return _english()
    module, colon, function = name.partition(":")
    found = failed = None
    try:
        found = getattr(import_module(module), function) if colon else None
    except Exception as error:  # somebody's module may raise anything
        failed = error
    if not callable(found):
        raise ParamsError(name="--normaliser", value=f"{name} ({failed})" if failed else name,
                          rule=f"be one of {', '.join(NORMALISERS)}, or MODULE:FUNCTION that takes and gives a text",
                          action="Correct the name; a module of your own has to be on PYTHONPATH.") from failed
    return _checked(name, found)


def _checked(name: str, own: Callable[[str], object]) -> Normaliser:
    """What somebody wrote, whose mistakes are no defect of evenvoice."""
    def normalise_by(text: str) -> str:
        try:
            written, failed = own(text), None
        except Exception as error:
            written, failed = None, error
        if not isinstance(written, str):
            raise ParamsError(name=f"--normaliser {name}", rule="take and give a text", action="Correct it.",
                              value=f"{type(failed).__name__}: {failed}" if failed else type(written).__name__
                              ) from failed
        return written

    return normalise_by


@lru_cache
def _english() -> Normaliser:
    with warnings.catch_warnings():
        # an escape in its docstring, when it is compiled: before Python 3.12 it was the other kind
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        # here, since it reads a dictionary of 1,700 words
        from whisper_normalizer.english import EnglishTextNormalizer

    found: Normaliser = EnglishTextNormalizer()
    return found


def parts(text: str, unit: Unit) -> str:
    """A text whose units are a space apart: words as they are, or characters without their spaces."""
    return text if unit == "word" else " ".join(text.replace(" ", ""))


def unit_of(texts: Iterable[str]) -> Unit:
    """Characters where most letters are of scripts that put no space between words."""
    spaced: Counter[bool] = Counter()
    for text in texts:
        spaced.update(not unicodedata.name(char, "").startswith(WITHOUT_SPACES) for char in text if char.isalpha())
    return "character" if spaced[False] > spaced[True] else "word"
