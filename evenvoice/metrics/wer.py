"""Word error rate: edits on the cheapest path from what was said to what was recognised, over words said."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from evenvoice.errors import GateError


@dataclass(frozen=True)
class EditCounts:
    """Edits that turn a reference into a hypothesis. Counts of several utterances add up with ``+``."""

    words: int
    """Words of the reference."""
    substitutions: int = 0
    deletions: int = 0
    """Words of the reference that the hypothesis lacks."""
    insertions: int = 0
    """Words of the hypothesis that were never said."""

    def __add__(self, other: EditCounts) -> EditCounts:
        return EditCounts(words=self.words + other.words, substitutions=self.substitutions + other.substitutions,
                          deletions=self.deletions + other.deletions, insertions=self.insertions + other.insertions)

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def wer(self) -> float:
        """Errors per word of the reference; insertions can take it above 1.

        Raises:
            GateError: no words. Nothing was measured, and a rate of 0 would pass for a perfect one.
        """
        if self.words == 0:
            raise GateError(name="word error rate", rule="be taken over at least one reference word",
                            value=f"0 words and {self.errors} errors",
                            action="Leave this group out of the judgement and say that it is empty.")
        return self.errors / self.words


def count_edits(reference: str, hypothesis: str) -> EditCounts:
    """Count the fewest word edits (Levenshtein 1966) between two normalised, space-separated texts.

    Where several cheapest paths exist their total is the same, and which kinds it splits into is rapidfuzz's choice,
    the same on every run.
    """
    said, heard = reference.split(), hypothesis.split()
    kinds = [edit.tag for edit in Levenshtein.editops(said, heard)]
    return EditCounts(words=len(said), substitutions=kinds.count("replace"), deletions=kinds.count("delete"),
                      insertions=kinds.count("insert"))
