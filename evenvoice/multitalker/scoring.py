"""Word errors of recordings with several talkers, as MeetEval counts them; the one door to MeetEval.

ORC-WER lets every reference turn choose the channel that suits all turns together best, in order of time, so a model
is not blamed for who is on which channel (von Neumann et al. 2023, arXiv 2307.11394). cpWER joins the turns of each
speaker and gives each speaker one channel (Watanabe et al. 2020, arXiv 2004.09249), so a model whose channels hold
several speakers is blamed for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evenvoice.errors import CorpusError
from evenvoice.multitalker.turns import CHANNELS, HeardTurn, Turn

LARGEST_BYTES: Final = 2**32
"""Memory that MeetEval may take for one recording."""
BYTES_PER_STATE: Final = 16


@dataclass(frozen=True, kw_only=True)
class WordErrors:
    """Word errors of one recording.

    Attributes:
        orc, cp: errors of ORC-WER and of cpWER.
        assignment: channel that ORC-WER chose for each reference turn.
    """

    orc: int
    cp: int
    assignment: tuple[int, ...]


def channel_texts(heard: Sequence[HeardTurn]) -> tuple[str, ...]:
    """What each channel says, in the order of ``heard``; empty where it says nothing."""
    return tuple(" ".join(turn.text for turn in heard if turn.channel == channel and turn.text)
                 for channel in range(CHANNELS))


def word_errors(said: Sequence[Turn], heard: Sequence[HeardTurn], name: str) -> WordErrors:
    """Count the word errors of one recording.

    Args:
        said: by start.
        heard: the turns of a channel in the order in which they were written.
        name: of the recording, for error messages.

    Raises:
        CorpusError: it is too long for ORC-WER.
    """
    # here, since only the evaluation needs it
    from meeteval.wer.wer.cp import cp_word_error_rate
    from meeteval.wer.wer.orc import orc_word_error_rate

    texts = channel_texts(heard)
    _check_memory(said, texts, name)
    hypothesis = {str(channel): text for channel, text in enumerate(texts)}
    by_speaker: dict[str, list[str]] = {}
    for turn in said:
        by_speaker.setdefault(turn.speaker, []).append(turn.text)
    # everything is in order of time, which texts without times cannot be sorted by
    orc = orc_word_error_rate([turn.text for turn in said], hypothesis, reference_sort=False, hypothesis_sort=False)
    cp = cp_word_error_rate({speaker: " ".join(texts) for speaker, texts in by_speaker.items()}, hypothesis,
                            reference_sort=False, hypothesis_sort=False)
    return WordErrors(orc=int(orc.errors), cp=int(cp.errors), assignment=tuple(map(int, orc.assignment)))


def _check_memory(said: Sequence[Turn], texts: Sequence[str], name: str) -> None:
    words = [len(text.split()) for text in texts]
    needed = BYTES_PER_STATE * (len(said) + 1) * math.prod(count + 1 for count in words)
    if needed > LARGEST_BYTES:
        raise CorpusError(name=name, rule=f"be short enough for ORC-WER in {LARGEST_BYTES >> 30} GiB of memory",
                          value=f"{len(said)} turns beside channels of {' and '.join(map(str, words))} words",
                          action="Cut the recording into pieces where nobody speaks.")
