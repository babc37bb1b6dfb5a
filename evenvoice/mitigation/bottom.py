"""Who is worst off: ranked on discovery speakers, taken from the worst cohort upwards."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from evenvoice.data.schemas import COHORTS, HYPOTHESES
from evenvoice.data.tables import read_table


def bottom_speakers(cohorts: Path, hypotheses: Path, share: float) -> frozenset[str]:
    """Training speakers of the worst cohorts, until they hold ``share`` of the placed training speakers.

    The best cohort is never taken. Without at least two cohorts nobody is worst off and the set is empty.

    Args:
        cohorts: cohorts.parquet of one discovery method.
        hypotheses: hypotheses.parquet of the base model; only discovery speakers are read from it.
        share: between 0 and 1.
    """
    placed = [row for row in read_table(cohorts, COHORTS).to_pylist() if row["cohort"] is not None]
    ranked = worst_first(placed, read_table(hypotheses, HYPOTHESES).to_pylist())
    training = [row for row in placed if row["split"] == "train"]
    sizes = Counter(row["cohort"] for row in training)
    taken: set[str] = set()
    for cohort in ranked[:-1]:
        if sum(sizes[name] for name in taken) >= share * len(training):
            break
        taken.add(cohort)
    return frozenset(row["speaker"] for row in training if row["cohort"] in taken)


def worst_first(placed: list[dict[str, str]], hypotheses: list[dict[str, object]]) -> list[str]:
    """Cohorts with discovery speakers, by falling WER on those."""
    cohort_of = {row["speaker"]: row["cohort"] for row in placed if row["split"] == "discover"}
    errors: defaultdict[str, int] = defaultdict(int)
    words: defaultdict[str, int] = defaultdict(int)
    for row in hypotheses:
        cohort = cohort_of.get(str(row["speaker"]))
        if row["split"] == "discover" and cohort is not None:
            errors[cohort] += sum(int(str(row[kind])) for kind in ("substitutions", "deletions", "insertions"))
            words[cohort] += int(str(row["words"]))
    return sorted((cohort for cohort in words if words[cohort]),
                  key=lambda cohort: (-errors[cohort] / words[cohort], cohort))
