"""Errors of each speaker under every recogniser, counted as recordings come by: no text is kept.

Shapes: S speakers, M recognisers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import CorpusError
from evenvoice.judge.normalisers import Normaliser, Unit, parts
from evenvoice.judge.utterances import Utterance
from evenvoice.metrics.wer import count_edits


class Tally:
    """Words that each speaker said, and errors that each recogniser made in them.

    Args:
        ways: normalisers by name; everything is counted under each of them, and the first one decides what is empty.
        unit: what is counted.
    """

    def __init__(self, ways: Mapping[str, Normaliser], unit: Unit) -> None:
        self._ways, self._unit = ways, unit
        self._rows: dict[str, int] = {}
        self._keys: set[str] = set()
        self._counts: dict[str, list[list[int]]] = {way: [] for way in ways}
        self.systems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def speakers(self) -> tuple[str, ...]:
        """In the order of their names."""
        return tuple(sorted(self._rows))

    def add(self, utterance: Utterance) -> None:
        """Count one recording.

        Raises:
            CorpusError: it came before, has no speaker, or nothing was said in it.
        """
        if utterance.key in self._keys:
            raise CorpusError(name=f"{utterance.where}, utterance {utterance.key!r}", rule="come once",
                              value="a second row", action="Delete one of the two.")
        if utterance.speaker is None:
            raise CorpusError(name=f"{utterance.where}, utterance {utterance.key!r}", rule="have a speaker",
                              value="none", action="Fill in the column, or give --utt2spk.")
        self._keys.add(utterance.key)
        self.systems = self.systems or tuple(utterance.written)
        row = self._rows.setdefault(utterance.speaker, len(self._rows))
        for way, normalise in self._ways.items():
            self._count(self._counts[way], row, utterance, normalise)

    def counts(self, way: str) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
        """Words (S,) and errors (S,) by recogniser, under one normaliser, speakers in the order of their names."""
        order = [self._rows[speaker] for speaker in self.speakers]
        counts: NDArray[Any] = np.array(self._counts[way], dtype=np.int64).reshape(len(order), -1)[order]
        return counts[:, 0], {system: counts[:, 1 + place] for place, system in enumerate(self.systems)}

    def _count(self, counts: list[list[int]], row: int, utterance: Utterance, normalise: Normaliser) -> None:
        said = parts(normalise(utterance.reference), self._unit)
        if not said and counts is self._counts[next(iter(self._ways))]:
            raise CorpusError(name=f"reference of {utterance.where}, utterance {utterance.key!r}",
                              rule=f"hold a {self._unit} when it is normalised", value=repr(utterance.reference[:60]),
                              action="Leave the recording out: no rate can be taken over nothing.")
        found = [count_edits(said, parts(normalise(utterance.written[system]), self._unit)) for system in self.systems]
        if row == len(counts):
            counts.append([0] * (1 + len(self.systems)))
        of_speaker = counts[row]
        of_speaker[0] += found[0].words
        for place, edits in enumerate(found, start=1):
            of_speaker[place] += edits.errors
