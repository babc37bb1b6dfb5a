"""Markup in transcripts: what transcribers wrote about a recording, which nobody said.

Taken for words, it is trained on and scored as words (``okay comma go``). The one place that says what markup is:

* ``<unk>``, ``<COMMA>``, ``</s>``: a tag that begins with a letter. Kaldi and TED-LIUM write unknown words so,
  GigaSpeech punctuation and ``<NOISE>``, ARPA language models the ends of sentences, subtitles HTML. ``<3`` and
  ``3 < 4`` begin with none.
* ``[noise]``: a pair of square brackets around anything, as in Switchboard (``[laughter]``) and CHAT (``[=! laughs]``).
* ``{laughs}``: a pair of curly brackets around anything, as in the transcripts of LDC (Fisher, CALLHOME).
* ``((unclear))``: double round brackets, in which transcripts of LDC keep what was not understood. Single ones are
  punctuation: ``it's (really) good``.
* ``ignore_time_segment_in_scoring``: NIST's STM format says of a segment that it must not be scored (TED-LIUM).
* ``!SIL``, ``!ENTER``, ``!EXIT``, ``!NULL``: silence and sentence ends in dictionaries of HTK and Kaldi.
* ``&amp;``, ``&#39;``, ``&#x27;``: HTML entities that end in a semicolon and have a name HTML knows, in any case;
  ``AT&T`` and ``rock & roll`` are none.

Full-width brackets count as plain ones, which normalisation makes of them.
"""

from __future__ import annotations

import html
import html.entities
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

Policy = Literal["refuse", "drop", "keep"]
SHOWN_KINDS: Final = 20
HELD_KINDS: Final = 1000
"""Later kinds are not counted by name; no scheme of tags has as many."""
SHOWN_CHARS: Final = 40
LONGEST_TAG: Final = 80
"""Characters between < and >; two signs of comparison farther apart are no tag."""

_FULL_WIDTH: Final = str.maketrans("＜＞［］｛｝（）", "<>[]{}()")
_ENTITIES: Final = frozenset(name.lower() for name in html.entities.html5 if name.endswith(";"))
_DO_NOT_SCORE: Final = r"(?<!\w)(?i:ignore_time_segment_in_scoring)(?!\w)"
_BEGINNING: Final = re.compile(r"[<\[{(&!_＜［｛（]")
"""Most transcripts hold none of these, and looking for one character is fast."""
_MARKUP: Final = re.compile("|".join((
    rf"</?[^\W\d_](?:[^<>]{{0,{LONGEST_TAG}}}[^\s<>])?>",
    r"\[(?=\s*[^\s\[\]])[^\[\]]*\]",
    r"\{(?=\s*[^\s{}])[^{}]*\}",
    r"\(\([^()]*\)\)",
    _DO_NOT_SCORE,
    r"(?<!\S)!(?i:SIL|ENTER|EXIT|NULL)(?!\S)",
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{0,31});")))


class Found(TypedDict):
    """What the summary says of markup."""

    policy: str
    recordings: int
    kinds: dict[str, int]


@dataclass
class Tally:
    """How many recordings had markup, and of which kinds; memory is bounded."""

    policy: Policy
    recordings: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, text: str) -> None:
        """Count one transcript."""
        found = tags(text)
        self.recordings += bool(found)
        for kind in map(_kind, found):
            if kind in self.kinds or len(self.kinds) < HELD_KINDS:
                self.kinds[kind] += 1

    def summary(self) -> Found:
        """Counts, with the most frequent kinds; equal counts in alphabetical order."""
        frequent = sorted(self.kinds.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_KINDS]
        return {"policy": self.policy, "recordings": self.recordings, "kinds": dict(frequent)}


def tags(text: str) -> list[str]:
    """Return the markup of a transcript as it stands there, in order; of nested brackets the inner ones."""
    return [text[match.start():match.end()] for match in _matches(text)]


def do_not_score(text: str) -> bool:
    """Tell whether the transcript says that its recording must not be scored."""
    return re.search(_DO_NOT_SCORE, text) is not None


def without_markup(text: str) -> str:
    """Put a space in place of every tag, with what it encloses, and a character in place of every entity. Idempotent.

    What entities and inner tags leave behind is looked at again. A text without markup comes back as the same object.
    """
    while found := _matches(text):
        plain = text.translate(_FULL_WIDTH)
        ends = [*(match.start() for match in found[1:]), len(plain)]
        pieces = [_said(match[0]) + plain[match.end():end] for match, end in zip(found, ends, strict=True)]
        text = plain[:found[0].start()] + "".join(pieces)
    return text


def shown(tag: str) -> str:
    """How errors quote a tag."""
    return repr(tag if len(tag) <= SHOWN_CHARS else f"{tag[:SHOWN_CHARS]}...")


def _matches(text: str) -> list[re.Match[str]]:
    if not _BEGINNING.search(text):
        return []
    # one character for one, so positions are those of the text
    return [match for match in _MARKUP.finditer(text.translate(_FULL_WIDTH)) if _is_known(match[0])]


def _is_known(found: str) -> bool:
    return found[0] != "&" or found[1] == "#" or found[1:].lower() in _ENTITIES


def _said(found: str) -> str:
    if found[0] != "&":
        return " "
    known = found if found[1] == "#" or found[1:] in html.entities.html5 else found.lower()
    return html.unescape(known)


def _kind(tag: str) -> str:
    """Tags of several words are one kind by their brackets, and so is what may hold speech: it stays in the corpus."""
    plain = tag.translate(_FULL_WIDTH)
    if plain.startswith("(("):
        return "((…))"
    if len(plain.split()) > 1 or len(plain) > SHOWN_CHARS:
        return f"{plain[0]}…{plain[-1]}"
    return plain
