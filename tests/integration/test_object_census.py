"""A census in a real object store is what it is on a disk, and says where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice.data.census import read_census
from evenvoice.data.corpora.places import place
from evenvoice.errors import CorpusError, PreflightError
from tests.builders.corpora import params_with, speakers_corpus, write_manifest
from tests.builders.ingested import ingest_into
from tests.builders.object_server import ObjectServer

pytestmark = pytest.mark.engine

CSV = b"postal_code,rural\n01067,0.25\n10115,0\n"


@pytest.fixture
def bucket(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in object_server.environment().items():
        monkeypatch.setenv(name, value)
    name = object_server.make_bucket()
    object_server.client().put_object(Bucket=name, Key="speech/census.csv", Body=CSV)
    return name


def test_a_census_in_a_store_is_the_same_table(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "census.csv").write_bytes(CSV)
    assert read_census(place(f"s3://{bucket}/speech/census.csv")) == read_census(tmp_path / "census.csv")


def test_a_corpus_on_a_disk_takes_its_census_from_a_store(bucket: str, tmp_path: Path) -> None:
    rows = [{**row, "postal_code": "01067"} for row in speakers_corpus(tmp_path / "corpus")]
    write_manifest(tmp_path / "corpus", rows)
    (tmp_path / "census.csv").write_bytes(CSV)
    found = [tables_of(ingest_into(tmp_path / name / "out", params_with({"ingest": {
        "corpus": str(tmp_path / "corpus"), "census": census}})))
        for name, census in (("store", f"s3://{bucket}/speech/census.csv"), ("disk", str(tmp_path / "census.csv")))]
    assert found[0] == found[1]
    assert "census.parquet" in found[0]


def tables_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def test_a_missing_object_is_refused_by_its_address(bucket: str) -> None:
    with pytest.raises(CorpusError, match=f"census s3://{bucket}/census.csv must be a file, got no such object"):
        read_census(place(f"s3://{bucket}/census.csv"))


def test_a_store_that_gives_no_access_asks_for_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PreflightError, match=r"access to s3://.* must be granted") as caught:
        read_census(place(f"s3://{bucket}/speech/census.csv"))
    assert caught.value.exit_code == 3
