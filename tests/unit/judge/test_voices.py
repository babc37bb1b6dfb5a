"""Embeddings of speakers: one of unit length for each, or a sentence about the row that is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import CorpusError
from evenvoice.judge import judge_table
from evenvoice.judge.settings import read_judging
from evenvoice.judge.voices import read_voices, voices_of
from tests.builders.heard import heard, table, voices

QUICK = read_judging(changes=("evaluate.replicates=200", "discover.clusters.clusters=2",
                              "discover.clusters.stability_runs=2"))
ONE_WORSE = {"female": 0.3, "male": 0.1}
SPEAKERS = [row["speaker"] for row in heard(ONE_WORSE, speakers=80)]


def written(path, speakers, embeddings, kind=None):
    pq.write_table(pa.table({"speaker": speakers, "embedding": pa.array(embeddings, kind)}), path)
    return path


def test_rows_of_a_speaker_count_alike_however_long_they_are(tmp_path):
    path = written(tmp_path / "voices.parquet", ["ann", "bob", "ann"], [[9.0, 0.0], [3.0, 4.0], [0.0, 0.1]])
    found = read_voices(path)
    assert list(found) == ["ann", "bob"]
    np.testing.assert_allclose(found["ann"], [0.5**0.5, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(found["bob"], [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float16(), 2),
                                  pa.list_(pa.int16())])
def test_any_lists_of_numbers_will_do(tmp_path, kind):
    values = [[3, 4], [0, 2]] if pa.types.is_integer(kind.value_type) else np.array([[3, 4], [0, 2]], np.float16)
    found = read_voices(written(tmp_path / "voices.parquet", [7, 8], list(values), kind))
    np.testing.assert_allclose(found["7"], [0.6, 0.8], rtol=1e-6)


def test_more_speakers_than_a_batch_holds_keep_their_own(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9000, 3))
    names = [f"s{number % 5000}" for number in range(9000)]
    found = read_voices(written(tmp_path / "voices.parquet", names, values.tolist()))
    units = values / np.linalg.norm(values, axis=1, keepdims=True)
    mean = units[100] + units[5100]
    np.testing.assert_allclose(found["s100"], mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["s4500"], units[4500], rtol=1e-4, atol=1e-6)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.floats(width=32), max_size=3) | st.none()), max_size=6))
def test_whatever_stands_there_is_of_unit_length_or_refused(rows):
    given_table = pa.table({"speaker": [name for name, _ in rows],
                            "embedding": pa.array([values for _, values in rows], pa.list_(pa.float64()))})
    try:
        found = voices_of(given_table)
    except CorpusError:
        return
    assert {name for name, _ in rows} == set(found)
    np.testing.assert_allclose([np.linalg.norm(embedding) for embedding in found.values()], 1, rtol=1e-5)


@pytest.mark.parametrize(("embeddings", "says"), [
    ([[1.0], [float("nan")]], r"column 'embedding' in row 2 of .*voices\.parquet must be finite numbers, got NaN or"),
    ([[1.0], [float("inf")]], "row 2 .* must be finite numbers"),
    ([[1.0, 0.0], [0.0, 0.0]], "row 2 .* must point somewhere, got zeros alone"),
    ([[1.0, 0.0], [1.0]], "row 2 .* must have 2, as the first row, got 1 instead"),
    ([[1.0], None], "row 2 .* must have 1, as the first row, got no embedding"),
    ([None, [1.0]], "row 1 .* must have numbers, got no embedding"),
    ([[], [1.0]], "row 1 .* must have numbers, got 0"),
    ([[1.0], [None]], "row 2 .* must be finite numbers"),
    ([["1.0"], ["2.0"]], "must hold lists of numbers, got list<element: string>")])
def test_what_is_no_embedding_is_refused_by_its_row(tmp_path, embeddings, says):
    with pytest.raises(CorpusError, match=says):
        read_voices(written(tmp_path / "voices.parquet", ["ann", "bob"], embeddings))


@pytest.mark.parametrize(("columns", "says"), [
    ({"speaker": ["a"], "vector": [[1.0]]}, "must have a column named speaker or .*, and one named embedding, got"),
    ({"name": ["a"], "embedding": [[1.0]]}, "must have a column named speaker or"),
    ({"speaker": [None], "embedding": [[1.0]]}, "row 1 of .* must name a speaker"),
    ({"speaker": [0.5], "embedding": [[1.0]]}, "must be text or whole numbers, got double"),
    ({"speaker": ["a", "a"], "embedding": [[1.0], [-1.0]]},
     "the embeddings of speaker 'a' in .* must point somewhere, got rows that cancel each other out"),
    ({"speaker": pa.array([], pa.string()), "embedding": pa.array([], pa.list_(pa.float32()))},
     "must hold an embedding, got no row")])
def test_a_table_without_embeddings_is_refused(tmp_path, columns, says):
    pq.write_table(pa.table(columns), tmp_path / "voices.parquet")
    with pytest.raises(CorpusError, match=says):
        read_voices(tmp_path / "voices.parquet")


def test_only_parquet_holds_embeddings(tmp_path):
    with pytest.raises(CorpusError, match=r"voices\.csv must end in \.parquet, got \.csv"):
        read_voices(tmp_path / "voices.csv")
    (tmp_path / "voices.parquet").write_text("speaker,embedding\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="must be a readable Parquet file"):
        read_voices(tmp_path / "voices.parquet")


@pytest.mark.parametrize("made", [lambda found: found, pa.Table.to_pandas], ids=["arrow", "pandas"])
def test_voices_that_are_served_worse_are_found_on_speakers_of_their_own(made):
    told = judge_table(table(ONE_WORSE, speakers=80).drop_columns("gender"), settings=QUICK,
                       embeddings=made(voices(SPEAKERS)))
    [partition] = told.judged.cohorts.partitions
    assert (partition.method, len(partition.cohorts)) == ("clusters", 2)
    assert told.judged.cohorts.apart
    assert told.judged.outcome == "FAIL"


def test_speakers_without_an_embedding_are_in_no_cluster_and_counted():
    told = judge_table(table(ONE_WORSE, speakers=80), settings=QUICK, embeddings=voices(SPEAKERS[4:]))
    assert "4 of 160 speakers have no embedding, so they are in no cluster." in told.notes
    assert (told.judged.cohorts.of["clusters"] == None).sum() == 4  # noqa: E711 (each of an array)


def test_embeddings_of_other_people_are_refused():
    with pytest.raises(CorpusError, match="the embeddings must be of speakers of the recordings, got 'f' and 0 more, "
                                          "where 'female-0' and 79 more speak"):
        judge_table(pd.DataFrame(heard(ONE_WORSE)), settings=QUICK, embeddings=voices(["f"]))
