"""From the files of a run to wanted.json: whose speech is wanted, how much of it, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import Integers, SpeakerBootstrap, SpeakerTable
from evenvoice.metrics.partitions import Partition, read_partition
from evenvoice.metrics.speakers import read_splits
from evenvoice.origins import ORIGIN, Origin
from evenvoice.params import BASE, PARTS
from evenvoice.storage import read_json, write_json
from evenvoice.wanted.curve import CONFIDENCE, FARTHEST, Law, Point, Range, fit_law
from evenvoice.wanted.due import lacking
from evenvoice.wanted.thinning import MEASURED_ON, SUMMARY
from evenvoice.wanted.wording import Forecast, Trained, in_words

REPLICATES: Final = 4000
SCARCE: Final = 0.1
"""A cohort that lacks less than this part of its own training speakers has its share. The law describes what scarcity
costs; what else sets a cohort apart, noise for instance, has a floor that the law does not know."""
STREAM: Final = 0x77616E
"""Keeps these random numbers apart from those that other stages draw from the same seed."""


def forecast(*, hypotheses: Path, learning: Path, cohorts: Path, out: Path, method: str, limit: float,
             seed: int) -> str:
    """Write wanted.json and return what it comes to, in words.

    Args:
        hypotheses: of the base model, the last point of the curve.
        learning: directory with one directory per thinned training.
        cohorts: what the discover stage wrote for ``method``.
        limit: the gap to be reached.

    Raises:
        ArtifactError: an input is missing or broken, or they do not belong together.
    """
    origin = Origin.read(read_json(hypotheses / ORIGIN), str(hypotheses / ORIGIN))
    source = cohorts / "description.json"
    partition = read_partition(method, read_json(source), str(source))
    found = _forecast(partition, hypotheses=hypotheses, learning=learning, cohorts=cohorts, limit=limit, seed=seed,
                      origin=origin)
    write_json(out, {**asdict(found), "sentence": in_words(found), "origin": origin.to_json()})
    return in_words(found)


def _forecast(partition: Partition, *, hypotheses: Path, learning: Path, cohorts: Path, limit: float, seed: int,
              origin: Origin) -> Forecast:
    summaries = [_summary(learning / part / SUMMARY, origin) for part in PARTS]
    if refused := next((str(summary["refused"]) for summary in summaries if summary["refused"]), ""):
        return Forecast(refused=refused, method=partition.method)
    bottom, top = partition.bottom, partition.top
    sizes = [*(int(summary["speakers"]) for summary in summaries), int(summaries[0]["of"])]
    thin, whole = (_measured(folder, models, cohorts, partition.method)
                   for folder, models in ((learning, tuple(PARTS)), (hypotheses.parent, (BASE,))))
    points = _points(thin, whole, sizes, partition, seed)
    law = fit_law(points, np.random.default_rng([seed, STREAM, 1]))
    hours = float(summaries[0]["hours"])
    known: dict[str, Any] = {
        "method": partition.method, "cohort": bottom, "top": top, "limit": limit, "speakers": sizes[-1],
        "hours": hours, "lacking": lacking(cohorts, bottom),
        "others": asdict(Range.of(law.others)), "gap": asdict(Range.of(law.gap(law.now))),
        "gap_along": _along(law, limit),
        "points": tuple(map(_trained, points))}
    if refused := _refusal(law, limit, bottom, int(known["lacking"])):
        return Forecast(refused=refused, **known)
    more = Range.of(np.maximum(law.needed(limit) - law.now, 0.0))
    due = law.now + int(known["lacking"])
    return Forecast(refused="", **known, gap_with_due=asdict(Range.of(law.gap_measured(due))),
                    more_hours=hours / law.now * more.estimate,
                    more_speakers={"estimate": math.ceil(more.estimate), "low": _known(more.low, law.now),
                                   "high": _known(more.high, law.now)})


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """Discover and validate speakers together: words (S,), errors by model (S,), cohort names (S,)."""

    speakers: NDArray[np.object_]
    words: Integers
    errors: dict[str, Integers]
    cohorts: NDArray[np.object_]


def _measured(hypotheses: Path, models: tuple[str, ...], cohorts: Path, method: str) -> _Measured:
    tables = read_splits(hypotheses=hypotheses, cohorts=cohorts.parent, methods=[method],
                         splits=dict.fromkeys(MEASURED_ON, models)).values()
    return _Measured(speakers=np.concatenate([table.speakers for table in tables]),
                     words=np.concatenate([table.words for table in tables]),
                     errors={model: np.concatenate([table.errors[model] for table in tables]) for model in models},
                     cohorts=np.concatenate([table.cohorts[method] for table in tables]))


def _points(thin: _Measured, whole: _Measured, sizes: Sequence[int], partition: Partition, seed: int) -> list[Point]:
    if not (np.array_equal(thin.speakers, whole.speakers) and np.array_equal(thin.words, whole.words)):
        raise ArtifactError(name="hypotheses of the thinned trainings", rule="be of the base model's recordings",
                            value="other speakers or words", action="Run the thin stages again.")
    bootstrap = SpeakerBootstrap(len(whole.words), REPLICATES, np.random.default_rng([seed, STREAM]))
    members = [np.asarray(whole.cohorts == cohort, dtype=bool) for cohort in (partition.bottom, partition.top)]
    points = []
    for errors, speakers in zip((*thin.errors.values(), whole.errors[BASE]), sizes, strict=True):
        bottom, top = (bootstrap.log_wer(SpeakerTable(errors, whole.words), members_S) for members_S in members)
        points.append(Point(speakers=speakers, bottom=bottom, top=top))
    return points


def _trained(point: Point) -> Trained:
    bounds = point.bottom.interval(CONFIDENCE)
    return Trained(speakers=point.speakers, bottom_wer=math.exp(bounds.estimate), bottom_wer_low=math.exp(bounds.low),
                   bottom_wer_high=math.exp(bounds.high), top_wer=math.exp(point.top.estimate))


def _along(law: Law, limit: float) -> tuple[tuple[float, float], ...]:
    """The curve as the page draws it: training speakers, and the gap with so many."""
    until = min(max(1.3 * float(law.needed(limit)[0]), 2.0 * law.now), FARTHEST * law.now)
    return tuple((float(speakers), float(law.gap(speakers)[0])) for speakers in np.geomspace(law.now / 4, until, 40))


def _refusal(law: Law, limit: float, cohort: str, lacking: int) -> str:
    rise, factor = Range.of(np.expm1(law.rise)), float(law.needed(limit)[0]) / law.now
    if factor <= 1:
        return f"{cohort} is within the limit, as far as discover and validate speakers show"
    if not law.helps:
        return (f"trainings with more of {cohort} were not established to serve it better (with a quarter of it "
                f"{rise.estimate:+.0%} errors, {rise.low:+.0%} to {rise.high:+.0%}), so scarcity of its speech is "
                "not shown to be the cause")
    if lacking < SCARCE * law.now:
        return (f"{cohort} has its share of the training speakers already ({law.now} of them, {lacking} more would be "
                "its full share), so scarcity of its speech is not what sets it apart")
    if factor > FARTHEST:
        return (f"the curve reaches the limit only with more than {FARTHEST:g} times as many speakers of {cohort}, "
                "beyond what its points bear")
    return ""


def _known(speakers: float, now: int) -> int | None:
    return math.ceil(speakers) if speakers <= (FARTHEST - 1) * now else None


def _summary(path: Path, origin: Origin) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path)
    if content.get("features") != origin.features or content.get("base") != origin.model:
        raise ArtifactError(name=str(path), rule="come from the base model's features and cohorts", value="others",
                            action=f"Run thin@{path.parent.name} again: make run FORCE_STAGE=thin@{path.parent.name}.")
    return content
