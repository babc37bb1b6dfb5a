"""One mixture and one model: what was said beside what was heard, as rows of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evenvoice.multitalker.charging import charge
from evenvoice.multitalker.heard import Said
from evenvoice.multitalker.matching import fates
from evenvoice.multitalker.scoring import channel_texts, word_errors
from evenvoice.multitalker.turns import HeardTurn

Row = dict[str, Any]


def compare(model: str, said: Said, heard: Sequence[HeardTurn], cut_tolerance_s: float) -> tuple[list[Row], Row]:
    """Rows of the SPOKEN_TURNS table, one for each turn, and the row of the MIXTURE_ERRORS table.

    Raises:
        CorpusError: three turns at once, or a recording that is too long for ORC-WER.
        ArtifactError: the errors of the turns do not add up.
    """
    counted = word_errors(said.turns, heard, said.name)
    charged = charge(said.turns, channel_texts(heard), counted, said.name)
    known = {"model": model, "mixture": said.name, "split": said.split}
    became = fates(said.turns, heard, duration_s=said.duration_s, cut_tolerance_s=cut_tolerance_s, name=said.name)
    spoken = [{**known, "speaker": turn.speaker, "start_s": turn.start_s, "end_s": turn.end_s, "words": turn.words,
               "errors": errors, "into_silence": fate.into_silence, "sot_latency_s": fate.sot_latency_s,
               "eot_latency_s": fate.eot_latency_s, "cut": fate.cut}
              for turn, errors, fate in zip(said.turns, charged.turns, became, strict=True)]
    mixture = {**known, "speakers": list(said.speakers), "turns": len(said.turns), "heard_turns": len(heard),
               "words": sum(turn.words for turn in said.turns), "orc_errors": counted.orc, "cp_errors": counted.cp,
               "duration_s": said.duration_s}
    return spoken, mixture
