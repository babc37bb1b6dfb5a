"""Whose error rates are told: groups that the corpus declares, and groups of voices that nobody named.

Groups are settled on discover speakers: which there are, and which of them is worst and best off. The same groups are
then looked at on test speakers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.schemas import EMBEDDINGS, FURTHER, GROUPED, SPEAKERS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.params import OWN_COLUMNS
from evenvoice.verification.detection import Mask

VOICES: Final = "voices"
LABELLED: Final = "labelled.parquet"
"""Who is in which group; it names speakers, and never leaves the workspace."""
WHOLE: Final = "whole"
RESTARTS: Final = 10
"""Of k-means."""
Key = tuple[str, str]
"""Speaker and split."""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """One way to part the speakers.

    Attributes:
        name: a column, or :data:`VOICES`.
        judged: groups with enough discover speakers, worst first as the unweighted verifier served them there.
        aside: all others, which are shown where they are large enough and never judged.
        reason: why there are no two groups to compare, or what was found.
    """

    name: str
    judged: tuple[str, ...]
    aside: tuple[str, ...]
    reason: str

    @property
    def comparable(self) -> bool:
        """Whether there are two groups to compare."""
        return len(self.judged) >= 2

    @property
    def bottom(self) -> str:
        """The group that was served worst."""
        return self.judged[0]

    @property
    def top(self) -> str:
        """The group that was served best, which others are compared with."""
        return self.judged[-1]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def read(cls, content: Mapping[str, Any], source: str) -> Grouping:
        """Read what :meth:`to_json` gave.

        Raises:
            ArtifactError: it is something else.
        """
        try:
            return cls(name=str(content["name"]), judged=tuple(map(str, content["judged"])),
                       aside=tuple(map(str, content["aside"])), reason=str(content["reason"]))
        except (KeyError, TypeError) as error:
            raise ArtifactError(name=source, rule="describe groups by name, judged, aside and reason",
                                value=repr(content)[:80], action="Run the stage evaluate_verifier again.") from error


@dataclass(frozen=True)
class Labels:
    """Of each grouping, the group of each speaker and split; a speaker of none is missing."""

    of: Mapping[str, Mapping[Key, str]]

    def members(self, grouping: str, group: str, speakers: tuple[str, ...], split: str) -> Mask:
        """(S,) which of the ``speakers`` of a split are in a group."""
        found = self.of[grouping]
        return np.array([found.get((speaker, split)) == group for speaker in speakers], dtype=bool)

    def rows(self) -> list[dict[str, str]]:
        """Rows of the GROUPED table."""
        return [{"partition": name, "speaker": speaker, "split": split, "group": group}
                for name, found in self.of.items() for (speaker, split), group in found.items()]

    @classmethod
    def read(cls, path: Path) -> Labels:
        """Read what :meth:`rows` gave.

        Raises:
            ArtifactError: it is missing or broken.
        """
        of: dict[str, dict[Key, str]] = {}
        for row in read_table(path, GROUPED).to_pylist():
            of.setdefault(row["partition"], {})[row["speaker"], row["split"]] = row["group"]
        return cls(defaultdict(dict, of))

    def groups(self, grouping: str) -> tuple[str, ...]:
        """All that somebody is in."""
        return tuple(sorted(set(self.of[grouping].values())))


def read_labels(*, corpus: Path, embeddings: Path, columns: tuple[str, ...], clusters: int, seed: int) -> Labels:
    """What the corpus declares by these columns, and clusters of voices fitted on discover speakers.

    Raises:
        ArtifactError: an input is missing or broken.
    """
    rows = read_table(corpus / "speakers.parquet", SPEAKERS).to_pylist()
    keys = [(row["speaker"], row["split"]) for row in rows]
    said = {column: [row[column] if column in OWN_COLUMNS else dict(row[FURTHER]).get(column) for row in rows]
            for column in columns}
    declared = {column: {key: str(value) for key, value in zip(keys, values, strict=True) if value is not None}
                for column, values in said.items()}
    return Labels({**declared, **({VOICES: _voices(embeddings, clusters, seed)} if clusters >= 2 else {})})


def _voices(embeddings: Path, clusters: int, seed: int) -> dict[Key, str]:
    from sklearn.cluster import KMeans  # here, since importing it takes a second that the gate need not wait

    rows = read_table(embeddings / "embeddings.parquet", EMBEDDINGS).to_pylist()
    keys = [(row["speaker"], row["split"]) for row in rows]
    embeddings_SD = np.array([row["embedding"] for row in rows], dtype=np.float64)
    discover_S = np.array([split == "discover" for _, split in keys])
    if discover_S.sum() < clusters:
        return {}
    fitted = KMeans(n_clusters=clusters, n_init=RESTARTS, random_state=seed).fit(embeddings_SD[discover_S])
    labels: NDArray[np.int32] = fitted.predict(embeddings_SD)
    return {key: f"voices {label + 1}" for key, label in zip(keys, labels.tolist(), strict=True)}
