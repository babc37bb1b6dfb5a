"""A planted difference in plain words, from the summary that ingest wrote of the corpus."""

from __future__ import annotations

from typing import Final

from evenvoice.data.schemas import SPLITS
from evenvoice.metrics.publication import Row

DONE: Final = {
    "formants": "formants and pitch are divided by {longer:.3g}",
    "speed": "they speak {longer:.3g} times as fast",
    "band": "the upper {percent:g} % of the band is cut off",
    "noise": "noise with {strength:.3g} times the amplitude of the speech is added",
}
"""By ``ingest.plant.transform``."""


def planted(corpus: Row, minimum: int) -> str | None:
    """What was done to whom, and to how many; None where nothing is planted.

    Args:
        corpus: summary.json of the corpus.
        minimum: exact numbers below are not told.
    """
    found = corpus.get("planted")
    if not found:
        return None
    counts = ", ".join(f"{split} {_count(found['speakers'][split], minimum)}" for split in SPLITS)
    kind = "real voices, a planted difference" if corpus["labelled"] == "semi-synthetic" else "a planted difference"
    return (f"{corpus['labelled'].capitalize()}: {kind}. {_done(found)}{_scarce(found, minimum)} "
            f"Chosen speakers per split: {counts}. What is found of this group is about what was planted, and says "
            "nothing about people.")


def _done(found: Row) -> str:
    if found["transform"] == "none" or found["strength"] == 0:
        return f"Of the speakers {found['who']} no recording is changed."
    strength = found["strength"]
    done = DONE[found["transform"]].format(longer=1 + strength, percent=100 * strength, strength=strength)
    return (f"In every recording of the speakers {found['who']}, {done} (ingest.plant: {found['transform']}, strength "
            f"{strength:g}).")


def _scarce(found: Row, minimum: int) -> str:
    if found["train_share"] == 1:
        return ""
    return (f" Training keeps {100 * found['train_share']:g} % of its speakers among them and does without "
            f"{_count(found['left_out']['speakers'], minimum)}.")


def _count(count: int, minimum: int) -> str:
    return f"fewer than {minimum}" if 0 < count < minimum else str(count)
