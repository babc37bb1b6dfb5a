"""Tags that tie a run to how it was executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dags.checkout import NONE
from evenvoice.errors import TrackingError
from evenvoice.tracking.lineage import Lineage, checked_commit, executed_of
from evenvoice.tracking.record import _executed
from evenvoice.tracking.run_files import RunFiles


def test_the_digest_of_the_stages_image_becomes_a_tag(tmp_path: Path) -> None:
    described = {"run_id": "monday", "runner": "docker", "image": "evenvoice/stage:local", "image_digest": "sha256:ab"}
    (tmp_path / "run.json").write_text(json.dumps(described), encoding="utf-8")

    tags = Lineage(dag_run="monday", commit="f00dfee", dirty=False, data="ab", verdict="PASS", arm="base",
                   speech="semi-synthetic", executed=_executed(RunFiles(tmp_path))).tags()

    assert tags["evenvoice.speech"] == "semi-synthetic"
    assert tags["evenvoice.runner"] == "docker"
    assert tags["evenvoice.image"] == "evenvoice/stage:local"
    assert tags["evenvoice.image_digest"] == "sha256:ab"
    assert executed_of(tags) == _executed(RunFiles(tmp_path))


def test_a_workspace_that_no_dag_run_made_has_no_such_tags(tmp_path: Path) -> None:
    assert _executed(RunFiles(tmp_path)) == {}


@pytest.mark.parametrize("commit", ["f00dfee", "0" * 40, NONE])
def test_a_commit_and_the_word_for_none_are_recorded(commit: str) -> None:
    assert checked_commit(commit) == commit


@pytest.mark.parametrize("commit", ["", "HEAD", "$Format:%H$", "nonesuch", "f00"])
def test_what_is_no_commit_is_refused(commit: str) -> None:
    with pytest.raises(TrackingError, match=r"the commit must match .*Give what `git rev-parse HEAD` prints"):
        checked_commit(commit)
