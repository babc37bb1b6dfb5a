"""Names of the tags that tie a run, a registered version and their inputs together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from evenvoice.errors import TrackingError

CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"

DAG_RUN: Final = "evenvoice.dag_run"
COMMIT: Final = "evenvoice.commit"
DIRTY: Final = "evenvoice.dirty"
DATA: Final = "evenvoice.data"
VERDICT: Final = "evenvoice.verdict"
ARM: Final = "evenvoice.arm"
SPEECH: Final = "evenvoice.speech"
MODEL_VERSION: Final = "evenvoice.model_version"
INPUTS: Final = "evenvoice.inputs"
SPEAKERS: Final = "evenvoice.speakers"
REPORT: Final = "evenvoice.report"
RUNNER: Final = "evenvoice.runner"
IMAGE: Final = "evenvoice.image"
IMAGE_DIGEST: Final = "evenvoice.image_digest"
JUDGEMENT: Final = "evenvoice.judgement"
"""Digest of all that a judgement of somebody's recogniser depends on."""
BASE: Final = "evenvoice.base"
INPUT: Final = "evenvoice.input"
"""Begins the tags of the files that were judged: SHA-256 and name, as sha256sum has it."""
VERSION: Final = "evenvoice.version"
COST: Final = "evenvoice.cost"
"""Begins the tags that say what a model costs."""
AUDIT_HEAD: Final = "evenvoice.audit_head"

RUN_ID: Final = re.compile(r"[\w.:+~-]{1,250}", re.ASCII)
COMMIT_ID: Final = re.compile(r"none|[0-9a-f]{7,64}")


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a run came from."""

    dag_run: str
    commit: str
    dirty: bool
    data: str
    verdict: str
    arm: str
    speech: str
    """Recorded, synthetic, or semi-synthetic."""
    executed: Mapping[str, str] = field(default_factory=dict)
    """How the stages were executed, by the names of these tags: the runner, and where there are any, its images."""

    def tags(self) -> dict[str, str]:
        """The same facts as tags, for runs and versions alike."""
        return {DAG_RUN: self.dag_run, COMMIT: self.commit, DIRTY: str(self.dirty).lower(), DATA: self.data,
                VERDICT: self.verdict, ARM: self.arm, SPEECH: self.speech, **self.executed}


def executed_of(tags: Mapping[str, str]) -> dict[str, str]:
    """What a recorded run says of how its stages were executed."""
    return {tag: tags[tag] for tag in (RUNNER, IMAGE, IMAGE_DIGEST) if tag in tags}


def checked_run_id(run_id: str) -> str:
    """A DAG run id that is safe inside a search expression.

    Raises:
        TrackingError: it holds other characters than Airflow allows.
    """
    return _checked(run_id, RUN_ID, "the DAG run id", "Give the run id as Airflow shows it.")


def checked_commit(commit: str) -> str:
    """A git commit id, or "none" where nothing says of which commit the code is: files that were copied without git.

    Raises:
        TrackingError: it is not one.
    """
    return _checked(commit, COMMIT_ID, "the commit", "Give what `git rev-parse HEAD` prints, or none.")


def _checked(value: str, pattern: re.Pattern[str], name: str, action: str) -> str:
    if not pattern.fullmatch(value):
        raise TrackingError(name=name, rule=f"match {pattern.pattern}", value=repr(value), action=action)
    return value
