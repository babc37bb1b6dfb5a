"""How many shards there are, and which stages they are needed for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dags.dvc_graph import load_graph
from dags.mapping import MOST_SHARDS, shards_of, shards_of_source
from dags.plan import is_stale
from dags.runs import Run
from evenvoice.errors import ParamsError
from evenvoice.storage import write_json

ROOT = Path(__file__).resolve().parents[2]


def run_with(directory: Path, *, stages: dict[str, Any], shard_gb: float = 8.0, **plan: list[str]) -> Run:
    run = Run(directory, "run-1")
    run.workspace.mkdir(parents=True)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["resources"]["shard_gb"] = shard_gb
    (run.workspace / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (run.workspace / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    write_json(run.plan, {"stale": [], "forced": [], "known": sorted(stages), "changed": [], "rerun_older": False,
                          **plan})
    return run


def corpus_of(size: int) -> dict[str, Any]:
    return {"ingest": {"outs": [{"path": "artifacts/corpus", "md5": "1", "size": size}]}}


@pytest.mark.parametrize(("size", "shards"), [
    (8_000_000_000, []),
    (8_000_000_001, ["1/2", "2/2"]),
    (20_000_000_000, ["1/3", "2/3", "3/3"]),
])
def test_there_is_a_shard_for_every_so_many_bytes_and_none_for_less(tmp_path: Path, size: int,
                                                                    shards: list[str]) -> None:
    assert shards_of(run_with(tmp_path, stages=corpus_of(size)), "ingest") == shards


def test_there_are_never_more_than_airflow_maps_over(tmp_path: Path) -> None:
    assert len(shards_of(run_with(tmp_path, stages=corpus_of(10**15)), "ingest")) == MOST_SHARDS


def test_zero_never_splits(tmp_path: Path) -> None:
    assert shards_of(run_with(tmp_path, stages=corpus_of(10**15), shard_gb=0), "ingest") == []


@pytest.mark.parametrize(("described", "speakers", "shards"), [
    ({"corpus": "/speech", "bytes": 8_000_000_000}, 1200, []),
    ({"corpus": "/speech", "bytes": 20_000_000_000}, 1200, ["1/3", "2/3", "3/3"]),
    ({"corpus": "synthetic"}, 1200, []),
    ({"corpus": "synthetic"}, 20_000, ["1/3", "2/3", "3/3"]),
])
def test_a_source_has_a_shard_for_every_so_many_bytes_that_lie_there_or_will_be_spoken(
        tmp_path: Path, described: dict[str, Any], speakers: int, shards: list[str]) -> None:
    run = run_with(tmp_path, stages={})
    params = yaml.safe_load((run.workspace / "params.yaml").read_text(encoding="utf-8"))
    params["synthetic"]["speakers"] = speakers
    (run.workspace / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_json(run.workspace / "corpus.json", described)

    assert shards_of_source(run) == shards


LOCK = {"ingest": {"outs": [{"path": "artifacts/corpus", "md5": "new"}]},
        "featurize": {"deps": [{"path": "artifacts/corpus", "md5": "new"}, {"path": "stages/featurize.py", "md5": "x"}],
                      "outs": []}}
OLDER = {**LOCK, "featurize": {"deps": [{"path": "artifacts/corpus", "md5": "old"}], "outs": []}}


@pytest.mark.parametrize(("plan", "lock", "stale"), [
    ({}, LOCK, False),
    ({"stale": ["featurize"]}, LOCK, False),
    ({"stale": ["featurize"]}, OLDER, True),
    ({"stale": ["featurize"], "changed": ["featurize"]}, LOCK, True),
    ({"stale": ["featurize"], "forced": ["featurize"]}, LOCK, True),
], ids=["not planned", "inputs came out as they were", "inputs changed", "code or parameters changed", "forced"])
def test_a_stage_gets_shards_only_when_it_will_run(tmp_path: Path, plan: dict[str, list[str]], lock: dict[str, Any],
                                                   stale: bool) -> None:
    assert is_stale(run_with(tmp_path, stages=lock, **plan), "featurize") is stale


def test_dvc_yaml_says_what_can_be_worked_on_in_shards_and_who_writes_it() -> None:
    graph = load_graph(ROOT)
    sharded = {node.group: graph.writer(node.shards_of) for node in graph if node.shards_of}

    assert sharded == {"ingest": "", "featurize": "ingest", "transcribe": "featurize"}
    with pytest.raises(ParamsError, match=r"meta\.shards_of must be an output of a stage, or corpus\.json"):
        graph.writer("artifacts/nothing")
