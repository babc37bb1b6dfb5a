"""Discovery of cohorts: fit on discover speakers, prune on validate speakers, freeze, place everyone.

What each method is handed decides what it can know: two tables, of discover and of validate speakers. Speakers of the
other splits only meet the frozen rule.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.cohorts.description import Found, Method, NotApplicable, describe, write_cohorts
from evenvoice.cohorts.frozen import rules
from evenvoice.cohorts.table import CohortTable, load_cohort_table
from evenvoice.errors import CohortError
from evenvoice.origins import ORIGIN, RULES, Origin
from evenvoice.params import METHODS, Discover
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


def find_cohorts(method: str, table: CohortTable, settings: Discover, seed: int) -> Found | NotApplicable:
    """Fit one method on the discover speakers of ``table`` and prune it on its validate speakers.

    Raises:
        CohortError: an unknown method.
    """
    found = load_method(method)
    rng = np.random.default_rng([seed, _STREAM, METHODS.index(method)])
    return found.find(table.counted("discover"), table.counted("validate"), settings, rng)


def discover(method: str, *, corpus: Path, hypotheses: Path, embeddings: Path, out: Path, settings: Discover,
             coordinate_decimals: int, seed: int, progress: Progress) -> None:
    """Find cohorts by one method; write who is in which, the frozen rule and a description to ``out``, or nothing.

    Args:
        coordinate_decimals: ingest rounded locations to this; later speakers are placed by the same.

    Raises:
        ArtifactError: an input is missing or broken.
        CohortError: an unknown method.
    """
    origin = Origin.read(read_json(hypotheses / ORIGIN), str(hypotheses / ORIGIN))
    table = load_cohort_table(corpus=corpus, hypotheses=hypotheses, embeddings=embeddings)
    found = find_cohorts(method, table, settings, seed)
    own = getattr(settings, method).model_dump()
    parameters: dict[str, Any] = {"min_speakers": settings.min_speakers, "min_words": settings.min_words, **own}
    with fresh_directory(out) as draft:
        write_cohorts(draft, found, table)
        write_json(draft / RULES, rules(method, found, coordinate_decimals))
        describe(draft, method=method, title=load_method(method).title, found=found, table=table,
                 parameters=parameters, origin=origin)
    progress.note(found.reason)
