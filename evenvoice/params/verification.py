"""Trials of pairs of recordings, and the gate of speaker verification."""

from __future__ import annotations

from pydantic import Field

from evenvoice.params.section import Section
from evenvoice.params.values import ColumnNames, Positive


class Verify(Section):
    """Which pairs of recordings are compared, where the threshold lies, and whose error rates are told."""

    cut_s: float = Field(ge=0, le=60, description="Recordings are cut into pieces of so many seconds, which are "
                                                  "compared like recordings; 0 leaves them whole. For corpora with one "
                                                  "long recording of each speaker.")
    same_per_speaker: Positive = Field(description="Pairs of recordings of each speaker at most.")
    different_per_pair: Positive = Field(description="Pairs of recordings of each two speakers at most.")
    most_speakers: int = Field(ge=2, description="Speakers of a split that are compared with each other at most; their "
                                                 "number counts squared.")
    target_prior: float = Field(gt=0, lt=1, description="How likely two recordings are of one speaker, where a miss "
                                                        "and a false alarm cost alike: 0.5 makes both as rare, less "
                                                        "makes false alarms rarer.")
    columns: ColumnNames = Field(description="Groups by these columns are told: gender, age_band, accent, country, and "
                                             "any of ingest.columns.")
    clusters: int = Field(ge=0, description="Groups of voices that k-means finds on discover speakers; below 2, none.")
    batch_s: float = Field(gt=0, description="Seconds of speech embedded together.")


class VerifierGate(Section):
    """Limits of the fairness gate of speaker verification."""

    max_eer: float = Field(gt=0, le=0.5, description="Largest tolerated equal error rate of the whole.")
    max_gap: float = Field(gt=0, description="Largest tolerated relative rise of the rate of misses, or of false "
                                             "alarms, of any group against the top group, at the one threshold.")
    regression_margin: float = Field(ge=0, description="Relative rise of the equal error rate, of the whole or of a "
                                                       "top group against the unweighted verifier, that still counts "
                                                       "as not worse.")
    confidence: float = Field(gt=0.5, lt=1, description="Confidence of each decision, simultaneous over groups.")
    min_speakers: int = Field(ge=2, description="A group with fewer discover or test speakers cannot be judged.")
