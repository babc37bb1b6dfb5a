"""``evenvoice cohorts wanted``: whom to look for, so that the cohort that is served worst is served like the others.

It prints what tells them apart, how many more are wanted and how much of their speech. It names nobody.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from evenvoice.cohorts.bounds import Box
    from evenvoice.cohorts.frozen import FrozenMethod
    from evenvoice.wanted.wording import Forecast

LIMITS: Final = {"lat": ("latitude", 90.0), "lon": ("longitude", 180.0)}
Line = tuple[str, str]
"""What is told, and the telling."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--rules", type=Path, default=Path("reports/cohorts"), metavar="DIR",
                        help="the frozen rules of the run (default: %(default)s, those of the newest)")
    parser.add_argument("--verdict", type=Path, default=Path("reports/verdict.json"), metavar="FILE",
                        help="the verdict of the same run (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Obey the command line."""
    from evenvoice.storage import read_json

    verdict = read_json(arguments.verdict)
    found = _forecast(verdict, arguments.verdict)
    if found.refused:
        print(verdict["wanted"]["sentence"])
        return 0
    lines = [*_who(found, verdict, arguments.rules, arguments.verdict), *_how_much(found)]
    width = max(len(name) for name, _ in lines)
    print(_headline(found), *(f"{name:<{width}}  {text}" for name, text in lines), sep="\n")
    return 0


def _forecast(verdict: Any, source: Path) -> Forecast:
    from evenvoice.errors import ArtifactError
    from evenvoice.wanted.wording import Forecast

    try:
        wanted = verdict["wanted"]
        found = Forecast(**{field.name: wanted[field.name] for field in fields(Forecast)})
        str(wanted["sentence"])
    except (KeyError, TypeError) as error:
        raise ArtifactError(name=f"wanted in {source}", rule="be the forecast of a run", value=repr(error),
                            action="Take the verdict that a run published, or run one: make run.") from error
    return found


def _who(found: Forecast, verdict: Any, rules: Path, source: Path) -> Iterator[Line]:
    from evenvoice.cohorts.frozen import read_rules
    from evenvoice.errors import ArtifactError
    from evenvoice.metrics.partitions import DESCRIPTION, read_partition
    from evenvoice.storage import read_json

    folder = rules / found.method
    frozen, described = read_rules(folder), read_json(folder / DESCRIPTION)
    partition = read_partition(found.method, described, str(folder / DESCRIPTION))
    _demand_one_run(verdict, source, described, folder / DESCRIPTION)
    if found.cohort not in partition.ranked or found.cohort not in frozen.cohorts:
        raise ArtifactError(name=str(folder), rule=f"hold the rule of {found.cohort}, as {source} wants it",
                            value=", ".join(frozen.cohorts) or "none", action="Take both as one run published them.")
    yield "who", partition.rule(found.cohort)
    yield from _told_apart(frozen, frozen.cohorts.index(found.cohort))


def _demand_one_run(verdict: Any, source: Path, described: Any, description: Path) -> None:
    from evenvoice.errors import ArtifactError
    from evenvoice.origins import Origin, Origins
    from evenvoice.params import BASE

    judged = Origins.read(verdict.get("origins"), f"{source}, origins").only((BASE,))
    origin = Origin.read(described.get("origin"), f"{description}, origin")
    if (origin.model, origin.features) != (judged.models[BASE], judged.features):
        raise ArtifactError(name=str(description), rule=f"come from the run of {source}", value="another base model",
                            action="Take both as one run published them.")


def _told_apart(frozen: FrozenMethod, cohort: int) -> Iterator[Line]:
    """What the rule says by kind: a box in degrees, statistics of a postal code, attributes of speakers."""
    from evenvoice.cohorts.tree import FrozenTree

    if frozen.columns:  # a group is told by its values alone, which were said
        return
    if not isinstance(frozen.rule, FrozenTree):
        yield "by", f"the voice: evenvoice cohorts assign --method {frozen.method} places those who were recorded"
        return
    part = frozen.rule.part(cohort)
    yield from _of_box(frozen, part.box)
    for hole in part.holes:
        yield from ((f"{name}, but not", text) for name, text in _of_box(frozen, hole))


def _of_box(frozen: FrozenMethod, box: Box) -> Iterator[Line]:
    from evenvoice.cohorts.bounds import box_words
    from evenvoice.cohorts.features import ATTRIBUTE, COORDINATE, STATISTIC

    of_kind = {kind: {number: bounds for number, bounds in box.items()
                      if frozen.features[number].told["kind"] == kind} for kind in (COORDINATE, STATISTIC, ATTRIBUTE)}
    if of_kind[COORDINATE]:
        yield "box in degrees", _degrees(frozen, box)
    if of_kind[STATISTIC]:
        yield "postal codes with", box_words(of_kind[STATISTIC], frozen.features)
    if of_kind[ATTRIBUTE]:
        yield "speakers whose", box_words(of_kind[ATTRIBUTE], frozen.features)


def _degrees(frozen: FrozenMethod, box: Box) -> str:
    """Both sides of both axes: what the rule does not bound reaches around the globe."""
    from evenvoice.cohorts.bounds import Bounds

    bounds = {frozen.features[number].told["name"]: bounds for number, bounds in box.items()}
    sides = []
    for name, (axis, limit) in LIMITS.items():
        told = bounds.get(name, Bounds()).within(Bounds(-limit, limit))
        sides.append(f"{axis} {told.low:.6g} to {told.high:.6g}")
    return ", ".join(sides)


def _headline(found: Forecast) -> str:
    assert found.gap is not None
    assert found.limit is not None
    return (f"Wanted: speech of {found.cohort} of the {found.method} method. It makes "
            f"{100 * found.gap['estimate']:.0f} % more errors per word than {found.top}, the limit is "
            f"{100 * found.limit:.0f} % more.")


def _how_much(found: Forecast) -> Iterator[Line]:
    from evenvoice.wanted.wording import between

    assert found.more_speakers is not None
    assert found.more_hours is not None
    assert found.hours is not None
    yield "speakers", (f"about {found.more_speakers['estimate']} more ({between(found)}) beside the {found.speakers} "
                       "of the training split")
    yield "hours of speech", f"about {found.more_hours:.1f} more beside the {found.hours:.1f} of theirs"
