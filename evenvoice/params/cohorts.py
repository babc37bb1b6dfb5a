"""The one list of methods that find cohorts, and what each has to set."""

from __future__ import annotations

from typing import Final, Literal, get_args

from pydantic import Field

from evenvoice.params.section import Section
from evenvoice.params.values import ColumnNames, InputPath, Positive
from evenvoice.params.weightings import Weighted

Aim = Literal["geographic", "geodemographic", "clusters", "watched"]
"""Methods that put each speaker in one cohort, so that arms can aim at the worst."""
Method = Literal[Aim, "attributes"]
AIMS: Final[tuple[str, ...]] = get_args(Aim)
METHODS: Final[tuple[str, ...]] = get_args(Method)
"""Ways to find cohorts, in the order of every table; each is a file of evenvoice/cohorts. A new one goes last: the
place of a method is part of the seed of its random numbers."""


class Geographic(Section):
    """Best-first tree over longitude and latitude."""

    max_cohorts: int = Field(ge=2, description="Leaves of the tree at most.")
    box_edges: int = Field(ge=0, le=40, description="Places along each axis where boxes can end. 0: no boxes.")
    split_gain: Literal["poisson", "difference"] = Field(
        description="poisson: likelihood ratio of error counts. difference: |WER left - WER right| as in the paper.")
    permutations: int = Field(ge=20, description="Shufflings of locations across speakers behind the stopping test.")
    significance: float = Field(gt=0, lt=1, description="A split that chance matches this often is not made.")


class Geodemographic(Section):
    """Binary partitions of postal codes by majority attribute."""

    max_cohorts: int = Field(ge=2, description="Cohorts at most.")
    permutations: int = Field(ge=20, description="Shufflings behind the stopping test.")
    significance: float = Field(gt=0, lt=1, description="A split that chance matches this often is not made.")


class Clusters(Section):
    """K-means in speaker embeddings; clusters that chance tells apart as well are one cohort."""

    speaker_model: Weighted = Field(description="Weighting of the speaker encoder whose embeddings are clustered.")
    clusters: int = Field(ge=2, description="Clusters of voices, as far as discover.min_speakers would fill so many.")
    max_cohorts: int = Field(ge=2, description="Cohorts that clusters are joined to, at most.")
    permutations: int = Field(ge=20, description="Shufflings of speakers behind the test that parts cohorts.")
    significance: float = Field(gt=0, le=1, description="Cohorts that chance parts as well this often stay one. 1: "
                                                        "only validate speakers have a say.")
    restarts: int = Field(ge=10, description="Restarts of k-means.")
    stability_runs: int = Field(ge=2, description="Refits on resampled speakers behind the adjusted Rand index.")


class Watched(Section):
    """Cohorts of an earlier run, judged again as they were."""

    rules: InputPath = Field(description="Folder of one method's cohorts of an earlier run, such as "
                                         "reports/cohorts/geographic; they are judged again. Empty watches none.")


class Attributes(Section):
    """Groups that the corpus itself declares."""

    columns: ColumnNames = Field(description="Groups by these columns are judged, one by one and crossed two at a "
                                             "time: gender, age_band, accent, country, and any of ingest.columns. "
                                             "Empty judges none.")


class Discover(Section):
    """Cohort discovery: fitted on discover speakers, pruned on validate speakers, never on test."""

    min_speakers: int = Field(ge=2, description="Discovery speakers in a cohort at least.")
    min_words: Positive = Field(description="Reference words in a cohort at least.")
    geographic: Geographic
    geodemographic: Geodemographic
    clusters: Clusters
    watched: Watched
    attributes: Attributes
