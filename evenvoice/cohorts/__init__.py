"""Discovery of cohorts: fit on discover speakers, prune on validate speakers, freeze, place everyone.

What each method is handed decides what it can know: two tables, of discover and of validate speakers, and what an
earlier run found where that is watched. Speakers of the other splits only meet the frozen rule.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.cohorts.description import (
    Found,
    FoundEach,
    Given,
    Method,
    NotApplicable,
    describe,
    describe_each,
    write_cohorts,
)
from evenvoice.cohorts.frozen import rules
from evenvoice.cohorts.table import CohortTable, load_cohort_table
from evenvoice.cohorts.watched import Earlier, read_earlier
from evenvoice.errors import CohortError
from evenvoice.metrics.partitions import partition_folder
from evenvoice.origins import ORIGIN, RULES, Origin
from evenvoice.params import METHODS, Discover, Section, is_input_path
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, read_json, write_json

_STREAM: Final = 0x0C04
"""Sets this stage's random numbers apart from those of others with the same seed."""


def load_method(name: str) -> Method:
    """The method that evenvoice/cohorts/<name>.py describes.

    Imported by name, so that the file of a new method is all of its code.

    Raises:
        CohortError: an unknown method.
    """
    if name not in METHODS:
        raise CohortError(name="cohort method", rule=f"be one of {', '.join(METHODS)}", value=name,
                          action="Correct the name in dvc.yaml.")
    found: Method = import_module(f"evenvoice.cohorts.{name}").METHOD
    return found


def find_cohorts(method: str, table: CohortTable, settings: Discover, seed: int, earlier: Earlier | None = None
                 ) -> Found | FoundEach | NotApplicable:
    """Fit one method on the discover speakers of ``table`` and prune it on its validate speakers.

    Args:
        earlier: what an earlier run found, for the method that looks at it again.

    Raises:
        CohortError: an unknown method, or watched cohorts that the corpus says too little for.
    """
    found = load_method(method)
    rng = np.random.default_rng([seed, _STREAM, METHODS.index(method)])
    given = Given(discover=table.counted("discover"), validate=table.counted("validate"), earlier=earlier)
    return found.find(given, settings, rng)


def discover(method: str, *, corpus: Path, hypotheses: Path, embeddings: Path, watched: Path, out: Path,
             settings: Discover, coordinate_decimals: int, seed: int, progress: Progress) -> None:
    """Find cohorts by one method; write who is in which, the frozen rule and a description to ``out``, or nothing.

    Args:
        watched: what an earlier run found, as evenvoice/cohorts/watched.py has it.
        coordinate_decimals: ingest rounded locations to this; later speakers are placed by the same.

    Raises:
        ArtifactError: an input is missing or broken.
        CohortError: an unknown method, or watched cohorts that this run cannot place anyone by.
    """
    origin = Origin.read(read_json(hypotheses / ORIGIN), str(hypotheses / ORIGIN))
    earlier = read_earlier(read_json(watched), str(watched), coordinate_decimals)
    table = load_cohort_table(corpus=corpus, hypotheses=hypotheses, embeddings=embeddings)
    found = find_cohorts(method, table, settings, seed, earlier)
    parameters: dict[str, Any] = {"min_speakers": settings.min_speakers, "min_words": settings.min_words,
                                  **_own_values(getattr(settings, method))}
    title = load_method(method).title
    parts = found.partitions if isinstance(found, FoundEach) else {method: (title, found)}
    with fresh_directory(out) as draft:
        for name, (its_title, part) in parts.items():
            folder = partition_folder(draft, name, of_method=True)
            write_cohorts(folder, part, table)
            write_json(folder / RULES, rules(name, part, coordinate_decimals))
            describe(folder, method=name, title=its_title, found=part, table=table, parameters=parameters,
                     origin=origin)
        if isinstance(found, FoundEach):
            describe_each(draft, method=method, title=title, found=found, parameters=parameters, origin=origin)
    progress.note(found.reason)


def _own_values(section: Section) -> dict[str, Any]:
    """But for paths: what lies there is an input by its content, wherever it lay."""
    return section.model_dump(exclude={name for name in type(section).model_fields if is_input_path(section, name)})
