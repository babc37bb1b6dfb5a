"""The discover stage from files to files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evenvoice.cohorts import discover
from evenvoice.cohorts.frozen import read_rules
from evenvoice.data.schemas import COARSER, COHORTS
from evenvoice.data.tables import read_table
from evenvoice.errors import CohortError
from evenvoice.params import METHODS
from evenvoice.progress import Progress
from evenvoice.storage import read_json
from tests.builders.cohorts import cohort_table, discover_settings, watch, write_inputs
from tests.builders.tables import write_hypotheses

REPOSITORY = Path(__file__).parents[2]
FILES = ("cohorts.parquet", "coarser.parquet", "rules.json", "description.json")
FITTED = tuple(method for method in METHODS if method != "watched")
"""Methods that look at this run's own speakers."""
SEARCHING = tuple(method for method in FITTED if method != "attributes")
SPLITS = ["train"] * 40 + ["discover"] * 80 + ["validate"] * 40 + ["test"] * 40


def world():
    """North speakers make four times the errors; their embeddings and accent differ too."""
    north = np.arange(len(SPLITS)) % 2 == 0
    words = [0 if split == "train" else 60 for split in SPLITS]
    errors = [(16 if is_north else 4) * (count > 0) for is_north, count in zip(north, words, strict=True)]
    return cohort_table(splits=SPLITS, errors=errors, words=words, lat=np.where(north, 40.0, 30.0),
                        lon=np.linspace(-100, -90, len(SPLITS)).round(1),
                        accent=["north" if is_north else "south" for is_north in north],
                        embeddings=np.where(north[:, None], [[1.0, 0.0]], [[0.0, 1.0]]))


def run(tmp_path, method: str, table=None, out: str = "out") -> Path:
    """One method on a world; what is watched are the regions of :func:`world`."""
    earlier = run(tmp_path, "geographic", out="earlier") if method == "watched" else None
    paths = write_inputs(tmp_path, world() if table is None else table)
    settings = discover_settings(clusters={"clusters": 2, "significance": 1.0})
    discover(method, **paths, watched=watch(tmp_path, earlier), out=tmp_path / out, settings=settings,
             coordinate_decimals=1, seed=1, progress=Progress("discover"))
    declared = tmp_path / out / "accent"
    return declared if declared.exists() else tmp_path / out


@pytest.mark.parametrize("method", METHODS)
def test_every_speaker_of_every_split_is_placed(tmp_path, method):
    rows = read_table(run(tmp_path, method) / "cohorts.parquet", COHORTS).to_pylist()
    assert [row["split"] for row in rows] == SPLITS
    assert len({row["cohort"] for row in rows if row["split"] == "train"}) == 2
    assert all(row["cohort"] is not None for row in rows)


@pytest.mark.parametrize("method", METHODS)
def test_the_description_ranks_cohorts_from_the_worst(tmp_path, method):
    description = read_json(run(tmp_path, method) / "description.json")
    assert (description["method"].partition("-")[0], description["applicable"]) == (method, True)
    assert [(item["rank"], item["discover_speakers"], item["discover_words"]) for item in description["cohorts"]] == [
        (1, 40, 2400), (2, 40, 2400)]
    assert [item["discover_wer"] for item in description["cohorts"]] == pytest.approx([16 / 60, 4 / 60])
    assert description["parameters"]["min_speakers"] == 12


@pytest.mark.parametrize("method", METHODS)
def test_the_rule_that_was_written_places_everyone_where_the_run_did(tmp_path, method):
    out = run(tmp_path, method)
    placed = read_table(out / "cohorts.parquet", COHORTS)["cohort"].to_pylist()
    assert len(set(placed)) == 2
    assert read_rules(out).assign(world()) == placed


@pytest.mark.parametrize("method", SEARCHING)
def test_as_many_coarse_cohorts_as_there_are_are_those_that_were_found(tmp_path, method):
    out = run(tmp_path, method)
    coarser = read_table(out / "coarser.parquet", COARSER)
    placed = read_table(out / "cohorts.parquet", COHORTS)["cohort"].to_pylist()
    assert set(coarser["cohorts"].to_pylist()) == {2}
    assert len(set(zip(coarser["cohort"].to_pylist(), placed, strict=True))) == 2


@pytest.mark.parametrize("method", METHODS)
def test_the_same_inputs_give_the_same_bytes(tmp_path, method):
    first, second = run(tmp_path, method, out="first"), run(tmp_path, method, out="second")
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("method", METHODS)
def test_changing_the_errors_of_test_speakers_changes_no_byte(tmp_path, method):
    altered = world()
    altered.errors[altered.splits == "test"] = 60
    first, second = run(tmp_path, method, out="first"), run(tmp_path, method, altered, out="second")
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("method", FITTED)
def test_a_method_that_does_not_apply_writes_its_reason_and_places_nobody(tmp_path, method):
    bare = cohort_table(splits=SPLITS, errors=[5] * len(SPLITS), words=[60] * len(SPLITS))
    out = run(tmp_path, method, bare)
    description = read_json(out / "description.json")
    assert description["applicable"] is False
    assert description["reason"]
    assert description["cohorts"] == []
    assert read_table(out / "cohorts.parquet", COHORTS)["cohort"].null_count == len(SPLITS)
    assert read_rules(out).assign(bare) == [None] * len(SPLITS)


@pytest.mark.parametrize("method", SEARCHING)
def test_a_corpus_without_discover_speakers_has_no_cohorts_but_stops_nothing(tmp_path, method):
    everyone = world()
    description = read_json(run(tmp_path, method, everyone.where(everyone.splits != "discover")) / "description.json")
    assert description["applicable"] is False
    assert "24" in description["reason"]


def test_an_unknown_method_is_refused(tmp_path):
    with pytest.raises(CohortError, match="cohort method must be one of geographic, geodemographic, clusters, watched"):
        run(tmp_path, "astrological")
    assert not (tmp_path / "out").exists()


def test_the_stage_names_the_artefact_that_is_missing(tmp_path):
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    write_hypotheses(tmp_path / "artifacts/hypotheses", "base", [])
    watch(tmp_path)
    ended = subprocess.run([sys.executable, "-m", "stages.discover", "geographic"], cwd=tmp_path, text=True,
                           capture_output=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False)
    assert ended.returncode == 3
    assert "speakers.parquet must exist, got no such table instead." in ended.stderr.splitlines()[-1]
