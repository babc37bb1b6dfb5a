"""The ingest stage as DVC runs it: files to files, errors in the last lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

from tests.builders.corpora import REPOSITORY, speakers_corpus, write_manifest


def run_stage(workspace: Path) -> subprocess.CompletedProcess[str]:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["ingest"]["corpus"] = str(workspace / "corpus")
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    return subprocess.run([sys.executable, "-m", "stages.ingest"], cwd=workspace, env={"PYTHONPATH": str(REPOSITORY)},
                          capture_output=True, text=True, check=False)


def test_a_corpus_becomes_artifacts(tmp_path: Path) -> None:
    write_manifest(tmp_path / "corpus", speakers_corpus(tmp_path / "corpus"))
    run = run_stage(tmp_path)
    assert run.returncode == 0, run.stderr
    assert "recording 16/16" in run.stdout
    assert sorted(path.name for path in (tmp_path / "artifacts" / "corpus").iterdir()) == [
        "rejected.parquet", "speakers.parquet", "summary.json", "utterances"]
    assert json.loads((tmp_path / "artifacts" / "corpus" / "summary.json").read_text())["recordings"] == 16


def test_a_bad_recording_ends_the_log_with_its_name_and_the_remedy(tmp_path: Path) -> None:
    rows = speakers_corpus(tmp_path / "corpus")
    write_manifest(tmp_path / "corpus", [*rows[1:], {**rows[0], "text": ""}])
    run = run_stage(tmp_path)
    assert run.returncode == 3
    last = run.stderr.splitlines()[-1]
    assert last.startswith("TooManyRejected: share of refused recordings must be at most 0 (ingest.max_rejected)")
    assert "recording 'voice00/0.flac' must have a transcript" in last
    assert last.endswith("checkpoints/rejected.tsv.")
    assert not list((tmp_path / "artifacts").rglob("*"))
