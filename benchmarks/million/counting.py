"""How many recordings a second `evenvoice judge` counts the errors of, on one core.

    python -m benchmarks.million.counting RECORDINGS RESULT
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.million.measured import measured
from evenvoice.judge.normalisers import NORMALISERS, normaliser
from evenvoice.judge.tally import Tally
from evenvoice.judge.utterances import Utterance
from evenvoice.storage import write_json

WORDS: Final = ("the", "quick", "Brown", "fox", "doesn't", "jump", "over", "twenty-one", "lazy", "dogs", "colour")
SAID: Final = 7
"""Words of a recording."""
WRONG: Final = 0.1
"""Share of the words that are written as another."""


def run(recordings: int) -> dict[str, Any]:
    """Recordings a second under each normaliser alone, and under all of them as judging does it."""
    said = utterances(recordings)
    # once before, since the first text reads a dictionary
    ways = {name: normaliser(name) for name in NORMALISERS}
    _ = [normalise(WORDS[0]) for normalise in ways.values()]
    found = {}
    for name, chosen in {**{name: {name: way} for name, way in ways.items()}, "all three": ways}.items():
        tally = Tally(chosen, "word")
        _, cost = measured(lambda tally=tally: [tally.add(one) for one in said])
        found[name] = {**asdict(cost), "recordings_per_s": recordings / cost.cpu_s}
    return {"recordings": recordings, "words": SAID, "normalisers": found}


def utterances(count: int) -> list[Utterance]:
    """Ten of each speaker, every one with another text."""
    rng = np.random.default_rng(1)
    said = rng.integers(len(WORDS), size=(count, SAID))
    written = np.where(rng.random(said.shape) < WRONG, rng.integers(len(WORDS), size=said.shape), said)
    return [Utterance(key=f"u{number}", speaker=f"s{number // 10}", where=f"line {number}",
                      reference=" ".join(WORDS[word] for word in one), written={"base": " ".join(
                          WORDS[word] for word in other)})
            for number, (one, other) in enumerate(zip(said.tolist(), written.tolist(), strict=True))]


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), run(int(sys.argv[1])))
