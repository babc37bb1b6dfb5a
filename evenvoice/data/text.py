"""Text normalisation, versioned: references and hypotheses go through the same function, always.

Formatting differences alone can multiply a reported gap between cohorts, so a change here is a new version, and
figures of different versions are not compared.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

NORMALISATION_VERSION: Final = 1

_APOSTROPHES: Final = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u02bb\uff07`\u00b4\u2032", "'"))
_OUTER_APOSTROPHE: Final = re.compile(r"'{2,}|(?<!\S)'|'(?!\S)")
_NOT_ASCII_WORD: Final = re.compile(r"[^a-z0-9']+")


def normalise(text: str) -> str:
    """Lower-case words of letters, marks, digits and inner apostrophes, one space apart.

    Unicode is brought to NFKC; every other character separates words (``twenty-one`` is two), invisible format
    characters vanish. Digits stay digits: turning ``3`` into ``three`` is a choice of the corpus. Idempotent.
    """
    # of all apostrophes the grave accent alone is ASCII, and most transcripts are
    words = (_NOT_ASCII_WORD.sub(" ", text.replace("`", "'").lower()) if text.isascii()
             else _unicode_words(text.translate(_APOSTROPHES)))
    return " ".join((_OUTER_APOSTROPHE.sub(" ", words) if "'" in words else words).split())


def control_character(text: str) -> str | None:
    """Return the first control character that is not white space, or None."""
    if text.isprintable():
        return None
    return next((char for char in text if unicodedata.category(char) == "Cc" and not char.isspace()), None)


def _unicode_words(text: str) -> str:
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    # lower-casing can undo the normal form, hence twice
    composed = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).lower())
    return "".join(char if _belongs_to_word(char) else " " for char in composed.translate(_APOSTROPHES))


def _belongs_to_word(char: str) -> bool:
    return char == "'" or unicodedata.category(char)[0] in "LMN"
