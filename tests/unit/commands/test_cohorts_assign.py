"""``evenvoice cohorts assign``: later speakers are placed as those of the run were."""

import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenvoice.__main__ import main
from evenvoice.cohorts import discover
from evenvoice.data.schemas import COHORTS, EMBEDDINGS, SPEAKERS
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.metrics.partitions import partition_folder
from evenvoice.params import METHODS
from evenvoice.progress import Progress
from tests.builders.cohorts import cohort_table, discover_settings, watch, write_inputs

SPLITS = ["train"] * 40 + ["discover"] * 80 + ["validate"] * 40 + ["test"] * 40
PARTITIONS = (*(method for method in METHODS if method != "attributes"), "attributes-accent")
CENSUS = {"postal_code": [f"0{number}" for number in range(8)], "renters": [0.7, 0.2] * 4}


def world():
    """Every second speaker makes four times the errors; these differ in place, postal code, accent and voice."""
    rng = np.random.default_rng(1)
    bad = np.arange(len(SPLITS)) % 2 == 0
    words = [0 if split == "train" else 60 for split in SPLITS]
    errors = [(16 if is_bad else 4) * (count > 0) for is_bad, count in zip(bad, words, strict=True)]
    return cohort_table(splits=SPLITS, errors=errors, words=words,
                        lat=np.where(bad, 35.1, rng.choice([30.2, 39.7], 200)),
                        lon=rng.uniform(-100, -90, 200).round(1),
                        accent=["northern" if one else "southern" for one in bad],
                        postal_code=[CENSUS["postal_code"][number % 8] for number in range(200)],
                        embeddings=(np.where(bad[:, None], [[1.0, 0.0]], [[0.0, 1.0]])
                                    + rng.normal(0, 0.2, (200, 2))).astype(np.float32).astype(float))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with what ingest, embed and discover left; attributes take the place of the census."""
    return discovered(tmp_path_factory.mktemp("run"), None)


def discovered(root, census):
    paths = write_inputs(root, world(), census=census)
    for method in METHODS:
        watched = watch(root, root / "cohorts/geographic" if method == "watched" else None)
        discover(method, **paths, watched=watched, out=root / "cohorts" / method, coordinate_decimals=1, seed=1,
                 settings=discover_settings(clusters={"clusters": 2, "significance": 1.0}),
                 progress=Progress("discover"))
    speakers = pq.read_table(root / "corpus/speakers.parquet")
    voices = pq.read_table(root / "embeddings/embeddings.parquet")
    write_table(root / "both.parquet", speakers.append_column("embedding", voices["embedding"]))
    return root


def assigned(capsys, root, *words: str) -> list[dict[str, str]]:
    capsys.readouterr()  # what discovery said
    assert main(["cohorts", "assign", "--rules", str(root / "cohorts"), *words]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter="\t"))


def refused(capsys, *words: str) -> str:
    assert main(["cohorts", "assign", *words]) == 3
    return capsys.readouterr().err


def run_placed(root, method: str) -> list[str]:
    placed = read_table(partition_folder(root / "cohorts", method) / "cohorts.parquet", COHORTS)
    return [cohort or "" for cohort in placed["cohort"].to_pylist()]


def test_the_speakers_of_the_run_come_out_as_the_run_placed_them(capsys, run):
    rows = assigned(capsys, run, str(run / "both.parquet"))
    assert [row["speaker"] for row in rows] == world().speakers.tolist()
    for method in PARTITIONS:
        assert [row[method] for row in rows] == run_placed(run, method)
        assert len({row[method] for row in rows}) > 1


def test_groups_by_census_are_told_apart_by_the_census_that_is_brought(capsys, tmp_path):
    root = discovered(tmp_path, CENSUS)
    census = ("--census", str(root / "corpus/census.parquet"))
    rows = assigned(capsys, root, str(root / "both.parquet"), "--method", "geodemographic", *census)
    assert [row["geodemographic"] for row in rows] == run_placed(root, "geodemographic")
    assert "(--census)" in refused(capsys, str(root / "both.parquet"), "--rules", str(root / "cohorts"), "--method",
                                   "geodemographic")


def test_finer_coordinates_are_rounded_as_those_of_the_run_were(capsys, run, tmp_path):
    table = tmp_path / "new.csv"
    edge = assigned(capsys, run, str(written(tmp_path / "a.csv", "speaker,lat,lon\nx,35.1,-95.0\n")))[0]["geographic"]
    near = assigned(capsys, run, str(written(table, "speaker,latitude,longitude\nx,35.1499,-95.04\n")))[0]["geographic"]
    assert near == edge == "region-1"


def written(path, text: str):
    path.write_text(text)
    return path


def test_methods_that_the_table_does_not_allow_are_named_and_left_out(capsys, run, tmp_path):
    table = written(tmp_path / "new.tsv", "speaker\tlat\tlon\nann\t35.1\t-95.0\nbo\t\t\n")
    assert main(["cohorts", "assign", "--rules", str(run / "cohorts"), str(table)]) == 0
    said = capsys.readouterr()
    assert said.out == "speaker\tgeographic\twatched\nann\tregion-1\tregion-1\nbo\t\t\n"
    assert said.err.splitlines() == ["geodemographic: left out, since there is not the column 'accent'",
                                     "clusters: left out, since there is not the column 'embedding'",
                                     "attributes-accent: left out, since there is not the column 'accent'"]


def test_declared_groups_are_told_by_the_values_as_they_are_written(capsys, run, tmp_path):
    table = written(tmp_path / "new.csv", "speaker,accents\nann, northern \nbo,welsh\ncy,\n")
    rows = assigned(capsys, run, str(table), "--method", "attributes")
    assert [row["attributes-accent"] for row in rows] == ["northern", "smaller groups", "unknown"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_the_table_can_go_to_a_file(capsys, run, tmp_path, ending):
    out = tmp_path / f"placed.{ending}"
    assert assigned(capsys, run, str(run / "both.parquet"), "--out", str(out)) == []
    if ending == "parquet":
        assert pq.read_table(out)["clusters"].to_pylist() == run_placed(run, "clusters")
    else:
        rows = csv.DictReader(out.read_text().splitlines(), delimiter="," if ending == "csv" else "\t")
        assert [row["clusters"] for row in rows] == run_placed(run, "clusters")


@pytest.mark.parametrize(("text", "named"), [
    ("who,lat,lon\nann,1,2\n", "have a column named speaker or speaker_id or client_id"),
    ("speaker,lat,lon\n", "hold speakers, got none"),
    ("speaker,lat,lon\n,1,2\n", "line 2 of"),
    ("speaker,lat,lon\nann,north,2\n", "column 'lat' in line 2"),
    ("speaker,lat,lon\nann,91,2\n", "lie within 90 degrees, got 91.0"),
    ("speaker,lat,lon\nann,1,\n", "have both latitude and longitude, or neither"),
    ("speaker,lat\nann,1\n", "have the column 'lon', which geographic cohorts are told apart by"),
])
def test_a_wrong_table_is_refused_by_name(capsys, run, tmp_path, text, named):
    table = written(tmp_path / "new.csv", text)
    message = refused(capsys, str(table), "--rules", str(run / "cohorts"), "--method", "geographic")
    assert named in message
    assert "new.csv" in message


def test_a_voice_of_another_width_is_refused_by_row(capsys, run, tmp_path):
    write_table(tmp_path / "new.parquet", pa.table({"speaker": ["ann"], "embedding": [[1.0, 2.0, 3.0]]}))
    message = refused(capsys, str(tmp_path / "new.parquet"), "--rules", str(run / "cohorts"), "--method", "clusters")
    assert "column 'embedding' in row 1" in message
    assert "be a list of 2 numbers, got shape (3,)" in message


def test_a_missing_table_rules_that_are_none_and_a_wrong_ending_are_refused_by_name(capsys, run, tmp_path):
    assert "nobody.csv must exist" in refused(capsys, "nobody.csv", "--rules", str(run / "cohorts"))
    assert "geographic/rules.json must exist" in refused(capsys, str(run / "both.parquet"), "--rules", str(tmp_path))
    assert "--out x.doc must end in .csv, .tsv, .parquet" in refused(
        capsys, str(run / "both.parquet"), "--rules", str(run / "cohorts"), "--out", "x.doc")


def test_a_voice_alone_is_enough_for_clusters(capsys, run, tmp_path):
    rows = [{"speaker": "ann", "split": "test", "embedding": [1.0, 0.0]}]
    write_table(tmp_path / "voices.parquet", rows_table(rows, EMBEDDINGS))
    placed = assigned(capsys, run, str(tmp_path / "voices.parquet"), "--method", "clusters")
    assert placed == [{"speaker": "ann", "clusters": "cluster-1"}]
    assert SPEAKERS.names[0] == "speaker"
