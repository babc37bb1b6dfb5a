"""Cohorts of an earlier run, judged again: whoever was served worse then, whatever this run's own searches find.

Once more of their speech was collected, a tree may find no split any more and is silent about those who were harmed.
So rules, names and order stay those of the run that found them: bottom and top are the cohorts that had the highest and
the lowest WER on its discover speakers.

    watched.json    rules.json and description.json of one method of an earlier run; {} where none is watched
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Never

import numpy as np

from evenvoice.cohorts.clusters import NearestCentroid
from evenvoice.cohorts.description import Cohort, Found, Given, Method, NotApplicable
from evenvoice.cohorts.features import COORDINATE, STATISTIC
from evenvoice.cohorts.frozen import FrozenMethod, frozen_method
from evenvoice.cohorts.groups import FrozenGroups
from evenvoice.cohorts.table import CohortTable
from evenvoice.cohorts.tree import FrozenTree
from evenvoice.errors import ArtifactError, CohortError
from evenvoice.metrics.partitions import DESCRIPTION, Partition, read_partition
from evenvoice.origins import RULES
from evenvoice.params import OWN_COLUMNS, Discover
from evenvoice.storage import read_json

PARTS: Final = {"rules": RULES, "description": DESCRIPTION}
"""Part of watched.json -> file of the earlier run."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What one method of an earlier run found: its rule, and its cohorts as discover speakers showed them then."""

    frozen: FrozenMethod
    partition: Partition

    @property
    def told(self) -> FrozenTree | FrozenGroups | None:
        """None where the method did not apply; centroids are refused when this is read."""
        assert not isinstance(self.frozen.rule, NearestCentroid)
        return self.frozen.rule


def read_folder(folder: Path, coordinate_decimals: int) -> dict[str, Any]:
    """The content of watched.json from what an earlier run published of one method.

    Raises:
        ArtifactError, CohortError: as :func:`read_earlier`; or a file is missing or broken.
    """
    content = {part: read_json(folder / name) for part, name in PARTS.items()}
    read_earlier(content, str(folder), coordinate_decimals)
    return content


def read_earlier(content: Any, source: str, coordinate_decimals: int) -> Earlier | None:
    """What is watched; None where nothing is.

    Args:
        content: of watched.json.
        source: where it was read, for messages.
        coordinate_decimals: this run's.

    Raises:
        ArtifactError: it is not what a run publishes of one method, or its two parts are not of one run.
        CohortError: the rules place nobody in a run of these settings, or by another speaker encoder.
    """
    if content == {}:
        return None
    if not isinstance(content, Mapping) or content.keys() != PARTS.keys():
        _refuse_mixed(source, f"hold {' and '.join(PARTS)}", type(content).__name__)
    frozen = frozen_method(content["rules"], f"{source}, rules")
    partition = read_partition(frozen.method, content["description"], f"{source}, description")
    _demand_watchable(frozen, source, coordinate_decimals)
    earlier = Earlier(frozen=frozen, partition=partition)
    _demand_one_run(earlier, content["description"]["method"], source)
    return earlier


def _demand_watchable(frozen: FrozenMethod, source: str, coordinate_decimals: int) -> None:
    if frozen.embedding_width is not None:
        raise CohortError(
            name=f"discover.watched.rules ({source})", value=f"rules of the {frozen.method} method",
            rule="tell cohorts apart by what is known about people",
            action=f"Rules of the {frozen.method} method cannot be watched: they are places among the embeddings of "
                   "their own run's speaker encoder. Watch another method's folder.")
    located = any(feature.told["kind"] == COORDINATE for feature in frozen.features)
    if located and frozen.coordinate_decimals != coordinate_decimals:
        raise CohortError(
            name=f"discover.watched.rules ({source})", value=f"rules for {frozen.coordinate_decimals}",
            rule=f"be of a run that rounded locations to {coordinate_decimals} decimals as this one does",
            action=f"Set ingest.coordinate_decimals to {frozen.coordinate_decimals}, or watch other cohorts.")


def _demand_one_run(earlier: Earlier, method: Any, source: str) -> None:
    """Rules and description have to speak of the same cohorts, in the same order and words."""
    frozen = earlier.frozen
    described = [*((one.cohort, one.rule) for one in earlier.partition.cohorts),
                 *((one.cohort, one.rule) for one in earlier.partition.aside)]
    if method != frozen.method:
        _refuse_mixed(source, f"describe the {frozen.method} method, as its rules do", repr(method))
    if earlier.partition.names != frozen.cohorts:
        _refuse_mixed(source, f"describe the cohorts {', '.join(frozen.cohorts) or '(none)'}, as its rules do",
                      ", ".join(earlier.partition.names) or "none")
    if earlier.told is not None:
        for number, (cohort, rule) in enumerate(described):
            if rule != earlier.told.rule(number):
                _refuse_mixed(source, f"say of {cohort} what its rules do, {earlier.told.rule(number)!r}", repr(rule))


def _refuse_mixed(source: str, rule: str, value: str) -> Never:
    raise ArtifactError(name=f"the description in {source}", rule=rule, value=value,
                        action="Take both files as one run published them, from reports/cohorts.")


def find_again(given: Given, _settings: Discover, _rng: np.random.Generator) -> Found | NotApplicable:
    """The cohorts of the earlier run as they were; nothing is fitted and nothing pruned."""
    if given.earlier is None:
        return NotApplicable("discover.watched.rules names no cohorts of an earlier run", asked=False)
    earlier, told = given.earlier, given.earlier.told
    if told is None:
        return NotApplicable(f"the {earlier.frozen.method} method of the earlier run found none: "
                             f"{earlier.partition.reason}")
    _demand_known(told, given.discover)
    cohorts = tuple(
        Cohort(cohort=one.cohort, rule=one.rule, rank=number, discover_speakers=one.discover_speakers,
               discover_words=one.discover_words, discover_wer=one.discover_wer)
        for number, one in enumerate(earlier.partition.cohorts, start=1))
    return Found(rule=told, rules=tuple(cohort.rule for cohort in cohorts), earlier=cohorts,
                 aside=earlier.partition.aside, reason=_reason(earlier.partition),
                 extra={"found_by": earlier.frozen.method})


def _demand_known(told: FrozenTree | FrozenGroups, table: CohortTable) -> None:
    """What tells the cohorts apart has to be in the tables of this run."""
    if isinstance(told, FrozenGroups):
        known = (*OWN_COLUMNS, *table.further_columns)
        if missing := sorted({*told.columns}.difference(known)):
            raise CohortError(name="the speakers of this run", rule=f"have the column {missing[0]!r}, which watched "
                              "cohorts are told apart by", value=", ".join(known),
                              action=f"Add {missing[0]} to ingest.columns, or watch other cohorts.")
        return
    wanted = {feature.told["name"] for feature in told.features if feature.told["kind"] == STATISTIC}
    if missing := sorted(wanted.difference(table.census_columns)):
        raise CohortError(name="the census of this run", rule=f"have the column {missing[0]!r}, which watched cohorts "
                          "are told apart by", value=", ".join(table.census_columns) or "no census",
                          action="Give ingest.census a table that has it, or watch other cohorts.")


def _reason(partition: Partition) -> str:
    wer = {cohort.cohort: cohort.discover_wer for cohort in partition.cohorts}
    number = f"{len(wer)} cohort{'s' if len(wer) > 1 else ''} of an earlier run"
    reason = f"{number}: {partition.bottom} had {100 * wer[partition.bottom]:.1f} % WER on discover speakers then"
    return f"{reason}, {partition.top} {100 * wer[partition.top]:.1f} %" if partition.comparable else reason


METHOD = Method(title="Cohorts of an earlier run", goes_by="earlier cohorts", find=find_again)
