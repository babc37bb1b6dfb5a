"""Names brought to one spelling, so that one person, or one postal code, is never two.

Standard library only.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

KEPT: Final = 4096
"""Names that are known without looking: recordings of one speaker stand together."""


@lru_cache(KEPT)
def one_spelling(name: str) -> str:
    """Return what can be seen of a name, in NFC, with one space between words and none around. Idempotent.

    Invisible are control and format characters (zero-width spaces and joiners, byte order marks, marks of direction,
    soft hyphens). Every kind of white space is a space, no-break spaces too. Case is kept: ``a1`` and ``A1`` may be two
    people.
    """
    if not (name.isascii() and name.isprintable()):
        name = unicodedata.normalize("NFC", "".join(filter(_is_visible, name)))
    return " ".join(name.split())


def _is_visible(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) not in ("Cc", "Cf")
