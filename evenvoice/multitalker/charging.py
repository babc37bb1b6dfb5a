"""Whose word errors they are: those of a recording, charged to the turns that were said.

MeetEval says on which channel each turn is found. There, all reference words of the channel are aligned with all that
the channel wrote. A substituted or missing word is its own turn's error; a word too much is that of the reference word
before it, or of the first where there is none before. Words of a channel on which no turn is found are nobody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from evenvoice.errors import ArtifactError
from evenvoice.multitalker.scoring import WordErrors
from evenvoice.multitalker.turns import Turn


@dataclass(frozen=True, kw_only=True)
class Charged:
    """Errors of each turn, and those of none."""

    turns: tuple[int, ...]
    nobodys: int


def charge(said: Sequence[Turn], texts: Sequence[str], counted: WordErrors, name: str) -> Charged:
    """Charge the errors of one recording.

    Args:
        said: as they were counted.
        texts: what each channel says.
        name: of the recording, for error messages.

    Raises:
        ArtifactError: the errors do not add up to MeetEval's, so one of both counts is wrong.
    """
    errors, nobodys = [0] * len(said), 0
    for channel, text in enumerate(texts):
        words = [(word, number) for number, turn in enumerate(said) if counted.assignment[number] == channel
                 for word in turn.text.split()]
        edits = Levenshtein.editops([word for word, _ in words], text.split())
        if not words:
            nobodys += len(edits)
            continue
        for edit in edits:
            place = max(0, edit.src_pos - 1) if edit.tag == "insert" else edit.src_pos
            errors[words[place][1]] += 1
    if sum(errors) + nobodys != counted.orc:
        raise ArtifactError(name=f"errors of the turns of {name}", rule=f"add up to the {counted.orc} of ORC-WER",
                            value=sum(errors) + nobodys, action="This is a defect: report it with the recording.")
    return Charged(turns=tuple(errors), nobodys=nobodys)
