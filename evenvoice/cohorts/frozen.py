"""Frozen rules as a file, rules.json beside cohorts.parquet, so that later speakers are placed as those of the run.

Numbers are written as they are used. What is read is checked part by part: a rule that was cut short or edited is
refused, and nobody is placed by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evenvoice.cohorts.bounds import Bounds, Box
from evenvoice.cohorts.clusters import NearestCentroid
from evenvoice.cohorts.description import Found, FrozenRule, NotApplicable
from evenvoice.cohorts.features import Feature, told_feature
from evenvoice.cohorts.groups import ASIDE, FrozenGroups
from evenvoice.cohorts.table import CohortTable
from evenvoice.cohorts.tree import ROOT, FrozenTree, Split
from evenvoice.errors import ArtifactError
from evenvoice.metrics.partitions import DESCRIPTION, crossed_name, method_of, partition_folder, partitions_of
from evenvoice.origins import RULES
from evenvoice.params import METHODS
from evenvoice.storage import read_json


@dataclass(frozen=True, kw_only=True)
class FrozenMethod:
    """What one partition of a method is, as later speakers need it.

    Attributes:
        rule: None where the method did not apply, so nobody has a cohort.
        cohorts: names in the order of the rule's numbers.
        coordinate_decimals: locations were rounded to this before cohorts were found.
    """

    method: str
    rule: FrozenTree | NearestCentroid | FrozenGroups | None
    cohorts: tuple[str, ...]
    coordinate_decimals: int

    def assign(self, table: CohortTable) -> list[str | None]:
        """The cohort of each speaker, None for one whom the rule cannot place."""
        if self.rule is None:
            return [None] * len(table)
        return [self.cohorts[number] if number >= 0 else None for number in self.rule.assign(table).tolist()]

    @property
    def features(self) -> tuple[Feature, ...]:
        """What the rule looks at, unless it is the voice or what the corpus declares."""
        return self.rule.features if isinstance(self.rule, FrozenTree) else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What the corpus declares and the rule looks at."""
        return self.rule.columns if isinstance(self.rule, FrozenGroups) else ()

    @property
    def embedding_width(self) -> int | None:
        """Of the voices that the rule looks at."""
        return self.rule.centroids.shape[1] if isinstance(self.rule, NearestCentroid) else None


def rules(method: str, found: Found | NotApplicable, coordinate_decimals: int) -> dict[str, Any]:
    """The content of rules.json."""
    return {"method": method, "coordinate_decimals": coordinate_decimals,
            "cohorts": found.all_names() if isinstance(found, Found) else [],
            "rule": _told(found.rule) if isinstance(found, Found) else None}


def read_rules(directory: Path) -> FrozenMethod:
    """Read what :func:`rules` wrote for one partition.

    Raises:
        ArtifactError: missing, not JSON, or not a rule; the message names the part.
    """
    path = directory / RULES
    return frozen_method(read_json(path), str(path))


def frozen_method(content: Any, source: str) -> FrozenMethod:
    """The rule in what :func:`rules` gave, read from ``source``.

    Raises:
        ArtifactError: not a rule; the message names the part.
    """
    try:
        read = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ArtifactError(name=f"{source}, {where}", rule="be a frozen rule as the discover stage writes it",
                            value=first["msg"], action="Take the file that the run wrote, or run discover again."
                            ) from error
    return FrozenMethod(method=read.method, cohorts=tuple(read.cohorts), coordinate_decimals=read.coordinate_decimals,
                        rule=read.rule.rule() if read.rule else None)


def _told(rule: FrozenRule) -> dict[str, Any]:
    if isinstance(rule, NearestCentroid):
        return {"kind": "centroids", "centroids": rule.centroids.tolist(), "cohort_of": list(rule.cohort_of)}
    if isinstance(rule, FrozenGroups):
        return {"kind": "groups", "columns": list(rule.columns), "groups": [list(group) for group in rule.groups]}
    assert isinstance(rule, FrozenTree)
    splits = [{"node": split.node, "inside": split.inside, "outside": split.outside, "box": _told_box(split.box)}
              for split in rule.splits]
    return {"kind": "tree", "features": [dict(feature.told) for feature in rule.features], "splits": splits,
            "leaves": list(rule.leaves)}


def _told_box(box: Box) -> list[dict[str, float | int | None]]:
    return [{"feature": feature, "low": _finite(bounds.low), "high": _finite(bounds.high)}
            for feature, bounds in sorted(box.items())]


def _finite(edge: float) -> float | None:
    return edge if math.isfinite(edge) else None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Edges(_Part):
    feature: int = Field(ge=0)
    low: float | None
    high: float | None

    @model_validator(mode="after")
    def _not_empty(self) -> _Edges:
        bounds = self.bounds
        if not bounds.edges or bounds.low >= bounds.high:
            raise ValueError("a bound needs an edge, and low below high")
        return self

    @property
    def bounds(self) -> Bounds:
        return Bounds(-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)


class _Split(_Part):
    node: int = Field(ge=ROOT)
    inside: int = Field(gt=ROOT)
    outside: int = Field(gt=ROOT)
    box: list[_Edges] = Field(min_length=1)

    def split(self) -> Split:
        return Split(node=self.node, inside=self.inside, outside=self.outside,
                     box={edges.feature: edges.bounds for edges in self.box})


class _Tree(_Part):
    kind: Literal["tree"]
    features: list[dict[str, str]] = Field(min_length=1)
    splits: list[_Split]
    leaves: list[int] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_a_tree(self) -> _Tree:
        for told in self.features:
            told_feature(told)
        open_nodes, seen = {ROOT}, {ROOT}
        for split in self.splits:
            children = {split.inside, split.outside}
            if split.node not in open_nodes or len(children) < 2 or children & seen or min(children) <= split.node:
                raise ValueError(f"node {split.node} is parted without a place in the tree")
            open_nodes = (open_nodes - {split.node}) | children
            seen |= children
            features = [edges.feature for edges in split.box]
            if max(features) >= len(self.features) or len(set(features)) < len(features):
                raise ValueError(f"node {split.node} is parted by features that are not there, or by one twice")
        if sorted(self.leaves) != sorted(open_nodes):
            raise ValueError(f"leaves {self.leaves} are not the ends {sorted(open_nodes)} of the tree")
        return self

    @property
    def size(self) -> int:
        return len(self.leaves)

    def rule(self) -> FrozenTree:
        return FrozenTree(features=tuple(told_feature(told) for told in self.features),
                          splits=tuple(split.split() for split in self.splits), leaves=tuple(self.leaves))


class _Centroids(_Part):
    kind: Literal["centroids"]
    centroids: list[Annotated[list[float], Field(min_length=1)]] = Field(min_length=1)
    cohort_of: list[Annotated[int, Field(ge=0)]] | None = None
    """None in a rule of earlier versions, in which each centroid was a cohort."""

    @model_validator(mode="after")
    def _of_one_width_and_with_a_cohort_each(self) -> _Centroids:
        if len({len(centroid) for centroid in self.centroids}) > 1:
            raise ValueError("centroids have different widths")
        cohorts = self._cohort_of
        if len(cohorts) != len(self.centroids) or set(cohorts) != set(range(max(cohorts) + 1)):
            raise ValueError(f"{cohorts} are not the cohorts, from 0 on, of {len(self.centroids)} centroids")
        return self

    @property
    def _cohort_of(self) -> tuple[int, ...]:
        return tuple(range(len(self.centroids)) if self.cohort_of is None else self.cohort_of)

    @property
    def size(self) -> int:
        return max(self._cohort_of) + 1

    def rule(self) -> NearestCentroid:
        return NearestCentroid(centroids=np.array(self.centroids, dtype=np.float64), cohort_of=self._cohort_of)


class _Groups(_Part):
    kind: Literal["groups"]
    columns: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, max_length=2)
    groups: list[list[str]] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_every_combination_once(self) -> _Groups:
        if any(len(group) != len(self.columns) for group in self.groups):
            raise ValueError("a group needs a value of each column")
        values = [{group[place] for group in self.groups}.union(ASIDE) for place in range(len(self.columns))]
        if sorted(map(tuple, self.groups)) != sorted(product(*values)):
            raise ValueError(f"groups need every combination of values once, {' and '.join(ASIDE)} among them")
        return self

    @property
    def size(self) -> int:
        return len(self.groups)

    def rule(self) -> FrozenGroups:
        return FrozenGroups(columns=tuple(self.columns), groups=tuple(tuple(group) for group in self.groups))


class _File(_Part):
    method: str
    coordinate_decimals: int = Field(ge=0)
    cohorts: list[Annotated[str, Field(min_length=1)]]
    rule: Annotated[_Tree | _Centroids | _Groups, Field(discriminator="kind")] | None

    @model_validator(mode="after")
    def _has_a_name_for_each(self) -> _File:
        if method_of(self.method) not in METHODS:
            raise ValueError(f"there is no method {self.method!r}")
        if len(set(self.cohorts)) < len(self.cohorts) or len(self.cohorts) != (self.rule.size if self.rule else 0):
            raise ValueError(f"{len(self.cohorts)} names, some perhaps twice, for {self.rule.size if self.rule else 0} "
                             "cohorts")
        if isinstance(self.rule, _Groups) and self.cohorts != [crossed_name(group) for group in self.rule.groups]:
            raise ValueError("groups have other names than their values")
        return self


def read_all(directory: Path, methods: Sequence[str] = METHODS) -> Mapping[str, FrozenMethod]:
    """The rules of several methods by the names of their partitions.

    Args:
        directory: with a folder for each method.

    Raises:
        ArtifactError: as :func:`read_rules`, or a folder holds the rule of another method.
    """
    described = [method for method in methods if (directory / method / DESCRIPTION).exists()]
    names = [name for method in methods
             for name in (partitions_of(directory, [method]) if method in described else [method])]
    found = {name: read_rules(partition_folder(directory, name)) for name in names}
    for method, frozen in found.items():
        if frozen.method != method:
            raise ArtifactError(name=str(partition_folder(directory, method) / RULES), value=frozen.method,
                                rule=f"hold the rule of {method}", action="Take the folder that the run wrote.")
    return found
