"""Cohorts of an earlier run reach the workspace before anything starts, or the run is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dags.dvc_graph import load_graph
from dags.plan import make_plan, read_plan
from dags.runs import Run
from dags.workspace import Request, create, describe_corpus, publish_lock, run_params
from evenvoice.errors import ArtifactError, CohortError, EvenvoiceError, ParamsError
from evenvoice.storage import read_json, write_json
from tests.builders.checkout import checkout as make_checkout
from tests.builders.checkout import committed, small_checkout

RULES: dict[str, Any] = {
    "method": "geographic", "coordinate_decimals": 1, "cohorts": ["region-1", "region-2"], "rule": {
        "kind": "tree", "features": [{"kind": "coordinate", "name": "lat"}, {"kind": "coordinate", "name": "lon"}],
        "splits": [{"node": 0, "inside": 2, "outside": 1, "box": [{"feature": 0, "low": 35.2, "high": None}]}],
        "leaves": [2, 1]}}
DESCRIPTION: dict[str, Any] = {
    "method": "geographic", "title": "Geographic tree", "applicable": True, "asked": True, "reason": "2 cohorts",
    "cohorts": [{"cohort": name, "rule": rule, "rank": rank, "discover_speakers": 20, "discover_words": 900,
                 "discover_wer": wer} for name, rule, rank, wer in (("region-1", "north of 35.2", 1, 0.2),
                                                                    ("region-2", "south of 35.2", 2, 0.1))]}
CENTROIDS = {"method": "clusters", "coordinate_decimals": 1, "cohorts": ["cluster-1"],
             "rule": {"kind": "centroids", "centroids": [[0.1, 0.2]]}}
WATCHING = Request(changes={"discover.watched.rules": "reports/cohorts/geographic"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = make_checkout(tmp_path / "checkout")
    publish(root)
    return root


def publish(root: Path, rules: object = RULES, description: object = DESCRIPTION) -> Path:
    folder = root / "reports" / "cohorts" / "geographic"
    write_json(folder / "rules.json", rules)
    write_json(folder / "description.json", description)
    return folder


def test_what_is_watched_lies_in_the_workspace_and_nothing_lies_there_otherwise(root: Path) -> None:
    watching, other = Run(root, "manual__1"), Run(root, "manual__2")

    create(watching, WATCHING)
    create(other, Request())

    assert read_json(watching.workspace / "watched.json") == {"rules": RULES, "description": DESCRIPTION}
    assert read_json(other.workspace / "watched.json") == {}
    assert not (watching.workspace / "reports").exists()
    assert read_json(watching.workspace / "corpus.json") == read_json(other.workspace / "corpus.json")


def test_what_is_watched_stays_when_the_next_run_publishes_its_own(root: Path) -> None:
    run = Run(root, "manual__1")
    create(run, WATCHING)
    shutil.rmtree(root / "reports")

    create(run, WATCHING)

    assert read_json(run.workspace / "watched.json")["rules"] == RULES


def test_plain_dvc_in_the_checkout_has_it_too(root: Path) -> None:
    describe_corpus(run_params(root, WATCHING), root)

    assert read_json(root / "watched.json") == {"rules": RULES, "description": DESCRIPTION}


@pytest.mark.parametrize(("folder", "named"), [
    ("reports/cohorts", r"^discover\.watched\.rules must name a folder on this machine that holds rules\.json, got /"),
    ("nowhere", r"^discover\.watched\.rules must name a folder .*, got .*/checkout/nowhere instead"),
    ("s3://bucket/cohorts", r"^discover\.watched\.rules must name a folder on this machine .*, got s3://bucket"),
])
def test_a_folder_that_is_none_of_a_method_is_refused_by_name(root: Path, folder: str, named: str) -> None:
    run = Run(root, "manual__1")

    with pytest.raises(ParamsError, match=named):
        create(run, Request(changes={"discover.watched.rules": folder}))

    assert not run.directory.exists()


@pytest.mark.parametrize(("rules", "description", "error", "named"), [
    (CENTROIDS, {**DESCRIPTION, "method": "clusters"}, CohortError, "Rules of the clusters method cannot be watched"),
    ({**RULES, "coordinate_decimals": 2}, DESCRIPTION, CohortError, r"discover\.watched\.rules .* got rules for 2"),
    ({**RULES, "rule": {}}, DESCRIPTION, ArtifactError, "cohorts/geographic, rules, rule must be a frozen rule"),
    (RULES, {**DESCRIPTION, "cohorts": []}, ArtifactError, "the description in .*/reports/cohorts/geographic must"),
])
def test_what_cannot_be_watched_is_refused_before_there_is_a_workspace(
        root: Path, rules: object, description: object, error: type[EvenvoiceError], named: str) -> None:
    publish(root, rules, description)
    run = Run(root, "manual__1")

    with pytest.raises(error, match=named):
        create(run, WATCHING)

    assert not run.workspace.exists()


def test_arms_cannot_aim_at_watched_cohorts_where_none_are_watched(root: Path) -> None:
    with pytest.raises(ParamsError, match=r"^mitigate\.cohorts must name a method .*, while "
                                          r"discover\.watched\.rules is empty, got watched instead"):
        create(Run(root, "manual__1"), Request(changes={"mitigate.cohorts": "watched"}))

    run = Run(root, "manual__2")
    create(run, Request(changes={**WATCHING.changes, "mitigate.cohorts": "watched"}))
    assert "artifacts/cohorts/watched" in next(
        node for node in load_graph(run.workspace) if node.name == "mitigate@ewc").deps


GRAPH = """\
stages:
  hear:
    cmd: mkdir -p out && cat corpus.json > out/heard
    deps: [corpus.json]
    params: [seed, ingest, synthetic]
    outs: [out/heard]
  discover:
    cmd: cat out/heard watched.json > out/found
    deps: [out/heard, watched.json]
    params: [seed, discover]
    outs: [out/found]
  report:
    cmd: cat out/found > out/told
    deps: [out/found]
    outs: [out/told]
"""


def test_another_folder_or_another_content_runs_discovery_again_and_nothing_before_it(tmp_path: Path) -> None:
    root = small_checkout(tmp_path / "checkout")
    (root / "dvc.yaml").write_text(GRAPH, encoding="utf-8")
    publish(root)
    committed(root)

    def stale(run_id: str, request: Request) -> frozenset[str]:
        run = Run(root, run_id)
        create(run, request)
        make_plan(run)
        plan = read_plan(run)
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=run.workspace, check=True)
        publish_lock(run)
        return frozenset(plan.stale)

    assert stale("manual__1", Request()) == {"hear", "discover", "report"}
    assert stale("manual__2", WATCHING) == {"discover", "report"}
    assert stale("manual__3", WATCHING) == set()
    publish(root, {**RULES, "cohorts": ["a", "b"]},
            {**DESCRIPTION, "cohorts": [{**cohort, "cohort": name} for cohort, name in zip(
                DESCRIPTION["cohorts"], ("a", "b"), strict=True)]})
    assert stale("manual__4", WATCHING) == {"discover", "report"}
