"""Corpora in a real object store: what ingest makes of them is what it makes of the same files on a disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.fingerprint import content_of, fingerprint
from evenvoice.errors import (
    CorpusError,
    ParamsError,
    PreflightError,
    RecordingRejected,
    TooManyRejected,
    TransientError,
)
from tests.builders.corpora import (
    REPOSITORY,
    SPEAKERS,
    kaldi_corpus,
    params_with,
    speakers_corpus,
    write_audio,
    write_manifest,
)
from tests.builders.faults import Fault, Wire, wire_to
from tests.builders.ingested import ingest_into
from tests.builders.object_server import ObjectServer

pytestmark = pytest.mark.engine


@pytest.fixture
def wire(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with wire_to(object_server.endpoint) as wire:
        for name, value in {**object_server.environment(wire.endpoint), "AWS_MAX_ATTEMPTS": "3"}.items():
            monkeypatch.setenv(name, value)
        yield wire


@pytest.fixture
def bucket(object_server: ObjectServer) -> str:
    return object_server.make_bucket()


@pytest.fixture
def copied(object_server: ObjectServer, bucket: str) -> Callable[[Path], str]:
    """Copies a directory into a bucket as it stands; returns its address."""
    def copy(directory: Path) -> str:
        client = object_server.client()
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                client.upload_file(str(path), bucket, f"speech/{path.relative_to(directory)}")
        return f"s3://{bucket}/speech"

    return copy


def ingested(corpus: str, out: Path, **changes: Any) -> dict[str, bytes]:
    """Every table that ingest writes of a corpus; the summary beside them names the corpus."""
    params = params_with({"ingest": {"corpus": corpus, **changes}})
    return tables(ingest_into(out, params))


def tables(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def manifest_corpus(root: Path, suffix: str, recordings_each: int = 2) -> Path:
    rows = speakers_corpus(root, recordings_each=recordings_each)
    if suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet
        pa.parquet.write_table(pa.Table.from_pylist([{name: row[name] for name in ("path", "text", "speaker")}
                                                     for row in rows]), root / "manifest.parquet")
    else:
        write_manifest(root, rows)
    return root


def librispeech_corpus(root: Path) -> Path:
    for speaker in range(8):
        folder = root / "train-clean" / str(speaker) / "1"
        keys = [f"{speaker}-1-{number:04d}" for number in range(3)]
        for key in keys:
            write_audio(folder / f"{key}.flac")
        (folder / f"{speaker}-1.trans.txt").write_text("".join(f"{key} TURN IT UP\n" for key in keys))
    (root / "SPEAKERS.TXT").write_text("; comment\n0 | F | train-clean | 1.0 | a\n")
    return root


def common_voice_corpus(root: Path) -> Path:
    lines = ["client_id\tpath\tsentence"]
    for speaker in SPEAKERS:
        write_audio(root / "clips" / f"{speaker}.mp3", kind="MP3")
        lines.append(f"{speaker}\t{speaker}.mp3\tturn it up")
    (root / "validated.tsv").write_text("\n".join(lines) + "\n")
    return root


def kaldi(root: Path) -> Path:
    kaldi_corpus(root, {f"{speaker}-{number}": (speaker, "TURN IT UP") for speaker in SPEAKERS for number in (1, 2)})
    spans = "".join(f"{speaker}-{number} {speaker}-{number} 0.25 0.75\n" for speaker in SPEAKERS for number in (1, 2))
    (root / "kaldi" / "segments").write_text(spans)
    return root


@pytest.mark.parametrize(("make", "below"), [
    (lambda root: manifest_corpus(root, ".tsv"), ""), (lambda root: manifest_corpus(root, ".tsv"), "/manifest.tsv"),
    (lambda root: manifest_corpus(root, ".parquet"), ""), (librispeech_corpus, ""), (common_voice_corpus, ""),
    (kaldi, "/kaldi"),
], ids=["directory", "manifest", "parquet", "librispeech", "common-voice", "kaldi-segments"])
def test_ingest_from_a_store_writes_the_bytes_that_ingest_from_a_disk_writes(
        make: Callable[[Path], Path], below: str, wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> None:
    corpus = make(tmp_path / "corpus")
    from_store = ingested(copied(corpus) + below, tmp_path / "from-store")
    assert from_store == ingested(f"{corpus}{below}", tmp_path / "from-disk")
    assert "utterances/utterances-00000.parquet" in from_store


def test_the_stage_brings_a_larger_corpus_in_several_processes(
        wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> None:
    corpus = manifest_corpus(tmp_path / "corpus", ".tsv", recordings_each=10)
    written = {}
    for name, place in (("store", copied(corpus)), ("disk", str(corpus))):
        folder = tmp_path / name
        folder.mkdir()
        params = params_with({"ingest": {"corpus": place}}).model_dump(mode="json", by_alias=True)
        (folder / "params.yaml").write_text(yaml.safe_dump(params))
        subprocess.run([sys.executable, "-m", "stages.ingest"], cwd=folder, check=True,
                       env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
        written[name] = tables(folder / "artifacts" / "corpus")
    assert written["store"] == written["disk"]


def test_joined_recordings_are_the_same_too(wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> None:
    corpus = manifest_corpus(tmp_path / "corpus", ".tsv")
    strings = {"concatenate_min": 2, "concatenate_max": 3, "splits": "speakers"}
    assert ingested(copied(corpus), tmp_path / "1", **strings) == ingested(str(corpus), tmp_path / "2", **strings)


def test_a_manifest_on_a_disk_may_name_audio_in_a_store(wire: Wire, copied: Callable[[Path], str], tmp_path: Path,
                                                        ) -> None:
    rows = speakers_corpus(tmp_path / "corpus")
    url = copied(tmp_path / "corpus")
    local = write_manifest(tmp_path / "corpus", rows)
    named = [{**row, "path": f"{url}/{row['path']}", "id": row["path"]} for row in rows]
    remote = write_manifest(tmp_path / "index", named)
    assert ingested(str(remote), tmp_path / "1") == ingested(str(local), tmp_path / "2")


def test_faults_that_pass_change_nothing(wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> None:
    corpus = manifest_corpus(tmp_path / "corpus", ".tsv")
    url = copied(corpus)
    faults = (Fault("refuse"), Fault("reset", at=100), Fault("flip", at=9), Fault("close", at=7))
    for fault in faults:
        wire.break_next(fault, of=".flac")
    assert ingested(url, tmp_path / "1") == ingested(str(corpus), tmp_path / "2")
    assert sum(".flac" in request for request in wire.requests if request.startswith("GET")) == 16 + len(faults)


def test_a_store_that_goes_away_rejects_no_recording(wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> None:
    url = copied(manifest_corpus(tmp_path / "corpus", ".tsv"))
    wire.break_next(Fault("refuse"), times=50, of="voice05")
    with pytest.raises(TransientError, match="must answer in full, got SlowDown"):
        ingested(url, tmp_path / "out", max_rejected=1.0)
    assert not (tmp_path / "out").exists()


def test_missing_and_damaged_audio_is_rejected_by_name(object_server: ObjectServer, bucket: str, wire: Wire,
                                                       copied: Callable[[Path], str], tmp_path: Path) -> None:
    corpus = manifest_corpus(tmp_path / "corpus", ".tsv")
    url = copied(corpus)
    client = object_server.client()
    client.delete_object(Bucket=bucket, Key="speech/voice01/1.flac")
    whole = (corpus / "voice02/1.flac").read_bytes()
    client.put_object(Bucket=bucket, Key="speech/voice02/1.flac", Body=whole[:len(whole) // 2])
    client.put_object(Bucket=bucket, Key="speech/voice03/1.flac", Body=whole, Metadata={"sha256": "0" * 64})
    with pytest.raises(TooManyRejected, match="3 of 16"):
        ingested(url, tmp_path / "out")
    listed = (tmp_path / "checkpoints" / "rejected.tsv").read_text()
    assert "voice01/1.flac' (no such object" in listed
    assert "voice02/1.flac\tbe readable audio" in listed or "voice02/1.flac\tbe as long as its header" in listed
    assert "voice03/1.flac' (bytes that do not fit its sha256" in listed


def test_a_missing_bucket_and_a_missing_corpus_are_told_apart(wire: Wire, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="bucket no-such-bucket must exist"):
        ingested("s3://no-such-bucket/speech", tmp_path / "out")
    with pytest.raises(CorpusError, match=f"corpus s3://{bucket}/speech must exist"):
        ingested(f"s3://{bucket}/speech", tmp_path / "out")
    with pytest.raises(CorpusError, match=f"corpus s3://{bucket}/speech must exist"):
        fingerprint(f"s3://{bucket}/speech")


def test_a_fingerprint_changes_with_the_objects_and_downloads_no_audio(
        object_server: ObjectServer, bucket: str, wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> None:
    url = copied(manifest_corpus(tmp_path / "corpus", ".tsv"))
    before = fingerprint(url)
    assert (before["corpus"], before["files"]) == (url, 17)
    assert not [request for request in wire.requests if request.startswith("GET") and ".flac" in request]
    assert fingerprint(url) == before
    object_server.client().put_object(Bucket=bucket, Key="speech/voice01/0.flac", Body=b"other")
    after = fingerprint(url)
    assert after["sha256"] != before["sha256"]
    assert fingerprint(url, "voice02/") == fingerprint(url, "voice02/")


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_a_manifest_alone_counts_the_audio_it_names(object_server: ObjectServer, bucket: str, wire: Wire, suffix: str,
                                                    copied: Callable[[Path], str], tmp_path: Path) -> None:
    url = f"{copied(manifest_corpus(tmp_path / 'corpus', suffix))}/manifest{suffix}"
    write_audio(tmp_path / "unnamed.flac")
    object_server.client().upload_file(str(tmp_path / "unnamed.flac"), bucket, "speech/unnamed.flac")
    before = fingerprint(url)
    assert before["files"] == 17
    object_server.client().put_object(Bucket=bucket, Key="speech/voice01/0.flac", Body=b"other")
    assert fingerprint(url) != before


def test_kaldi_audio_beside_its_directory_counts(object_server: ObjectServer, bucket: str, wire: Wire,
                                                 copied: Callable[[Path], str], tmp_path: Path) -> None:
    url = f"{copied(kaldi(tmp_path / 'corpus'))}/kaldi"
    before = fingerprint(url)
    object_server.client().put_object(Bucket=bucket, Key="speech/wav/voice01-1.flac", Body=b"other")
    assert fingerprint(url) != before


def test_selected_clips_of_common_voice_count(object_server: ObjectServer, bucket: str, wire: Wire,
                                              copied: Callable[[Path], str], tmp_path: Path) -> None:
    url = copied(common_voice_corpus(tmp_path / "corpus"))
    before = fingerprint(url, "voice01")
    object_server.client().put_object(Bucket=bucket, Key="speech/clips/voice01.mp3", Body=b"other")
    after = fingerprint(url, "voice01")
    assert after["sha256"] != before["sha256"]
    object_server.client().put_object(Bucket=bucket, Key="speech/clips/voice02.mp3", Body=b"other")
    assert fingerprint(url, "voice01") == after


@pytest.mark.parametrize("name", ["", "/table.csv"])
def test_another_file_or_folder_that_a_parameter_names_counts(
        object_server: ObjectServer, bucket: str, wire: Wire, copied: Callable[[Path], str], tmp_path: Path,
        name: str) -> None:
    (tmp_path / "table.csv").write_text("postal_code,share\n10115,0.5\n")
    url = f"{copied(tmp_path)}{name}"
    before = content_of(url, parameter="ingest.census")
    assert (before["files"], before["bytes"]) == (1, 28)
    object_server.client().put_object(Bucket=bucket, Key="speech/table.csv", Body=b"postal_code,share\n10115,0.6\n")
    assert content_of(url, parameter="ingest.census")["sha256"] != before["sha256"]
    with pytest.raises(ParamsError, match=r"ingest\.census must name a file or folder that exists, got s3://"):
        content_of(f"{url}/nowhere", parameter="ingest.census")


def test_audio_in_a_store_that_a_manifest_on_a_disk_names_counts(
        object_server: ObjectServer, bucket: str, wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> None:
    rows = speakers_corpus(tmp_path / "corpus")
    url = copied(tmp_path / "corpus")
    index = write_manifest(tmp_path / "index", [{**row, "path": f"{url}/{row['path']}"} for row in rows])
    before = fingerprint(str(index))
    assert before["files"] == 1 + len(rows)
    object_server.client().put_object(Bucket=bucket, Key=f"speech/{rows[0]['path']}", Body=b"other")
    assert fingerprint(str(index)) != before




@pytest.fixture
def long_recording(wire: Wire, copied: Callable[[Path], str], tmp_path: Path) -> FileAudio:
    """One second of a recording of 40 s, which is too long to be brought as a whole for it."""
    write_audio(tmp_path / "corpus" / "long.wav", seconds=40.0, kind="WAV")
    return FileAudio(f"{copied(tmp_path / 'corpus')}/long.wav", 30.0, 31.0)


def test_a_part_of_a_long_recording_is_read_by_ranges(long_recording: FileAudio, wire: Wire) -> None:
    waveform = long_recording.load(name="r", max_duration_s=5)
    assert waveform.duration_s == 1.0
    assert sum("bytes=" in request for request in wire.requests) < 10


def test_a_store_that_goes_away_while_audio_is_decoded_is_no_fault_of_the_recording(
        long_recording: FileAudio, wire: Wire, capfd: pytest.CaptureFixture[str]) -> None:
    opened = long_recording.open(name="r")
    wire.break_next(Fault("refuse"), times=50)
    with pytest.raises(TransientError, match="must answer in full, got SlowDown"):
        opened.load(name="r", max_duration_s=5)
    assert capfd.readouterr().err == ""


def test_a_recording_that_is_replaced_while_it_is_decoded_is_rejected(
        long_recording: FileAudio, object_server: ObjectServer, bucket: str) -> None:
    opened = long_recording.open(name="r")
    object_server.client().put_object(Bucket=bucket, Key="speech/long.wav", Body=b"other")
    with pytest.raises(RecordingRejected, match="another object, must stay the same while it is read"):
        opened.load(name="r", max_duration_s=5)
