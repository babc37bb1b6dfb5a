"""Every profile fits params.yaml, and the real recordings go in with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evenvoice.data.schemas import UTTERANCES
from evenvoice.data.tables import read_table
from evenvoice.params import Params
from tests.builders.corpora import REPOSITORY, params_with, profile, real_corpora
from tests.builders.ingested import ingest_into


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPOSITORY / "profiles").glob("*.yaml")))
def test_a_profile_fits_over_the_parameters(name: str) -> None:
    assert params_with(profile(name)).seed == params_with({}).seed


def ingested(name: str, corpus: Path, out: Path) -> dict[str, Any]:
    content = profile(name)
    params: Params = params_with({**content, "ingest": {**content["ingest"], "corpus": str(corpus)}})
    ingest_into(out, params, seed=params.seed)
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


@pytest.mark.real
@pytest.mark.science
def test_digits_go_in_as_connected_strings(tmp_path: Path) -> None:
    summary = ingested("digits", real_corpora(), tmp_path / "out")
    assert (summary["source_recordings"], summary["rejected"], summary["speakers_overlap"]) == (3000, 0, True)
    assert {split["speakers"] for split in summary["splits"].values()} == {6}
    utterances = read_table(tmp_path / "out" / "utterances", UTTERANCES, columns=["text", "split"]).to_pylist()
    assert {len(row["text"].split()) for row in utterances} == {3, 4, 5, 6, 7}
    assert sum(len(row["text"].split()) for row in utterances if row["split"] == "test") == 300 * 3


@pytest.mark.real
@pytest.mark.science
def test_accents_go_in_with_disjoint_speakers(tmp_path: Path) -> None:
    summary = ingested("accents", real_corpora(), tmp_path / "out")
    assert (summary["recordings"], summary["rejected"], summary["speakers_overlap"]) == (187, 0, False)
    assert sum(split["speakers"] for split in summary["splits"].values()) == 187


@pytest.mark.real
@pytest.mark.science
def test_learners_go_in_as_a_kaldi_directory(tmp_path: Path) -> None:
    summary = ingested("learners", real_corpora() / "speechocean762" / "kaldi", tmp_path / "out")
    assert (summary["layout"], summary["recordings"], summary["rejected"]) == ("kaldi", 335, 0)
    assert sum(split["speakers"] for split in summary["splits"].values()) == 67


@pytest.mark.real
@pytest.mark.science
def test_learners_go_in_by_the_manifest_too(tmp_path: Path) -> None:
    params = params_with({"ingest": {"corpus": str(real_corpora()), "select": "speechocean762/"}})
    ingest_into(tmp_path / "out", params)
    speakers = read_table(tmp_path / "out" / "speakers.parquet").to_pylist()
    assert len(speakers) == 67
    assert {row["country"] for row in speakers} == {"china"}
