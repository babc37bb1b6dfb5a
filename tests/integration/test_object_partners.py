"""Corpora in a real object store whose files do not fit together: refused and counted as on a disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evenvoice.data.corpora.recording import MissingPartner
from evenvoice.data.corpora.registry import open_corpus
from evenvoice.errors import CorpusError
from tests.builders.corpora import params_with, write_audio
from tests.builders.layouts import LAYOUTS, recordings_of
from tests.builders.object_server import ObjectServer

pytestmark = pytest.mark.engine


@pytest.fixture
def copied(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Copies a directory into a bucket of its own; returns its address."""
    for name, value in object_server.environment(object_server.endpoint).items():
        monkeypatch.setenv(name, value)
    bucket = object_server.make_bucket()

    def copy(directory: Path) -> str:
        client = object_server.client()
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                client.upload_file(str(path), bucket, f"speech/{path.relative_to(directory)}")
        return f"s3://{bucket}/speech"

    return copy


def partners(corpus: str | Path, root: str) -> list[tuple[str, str, str]]:
    """Key, rule and value of what cannot be had, without the address of the corpus."""
    return [(recording.key, recording.audio.rule, recording.audio.value.replace(root, ""))
            for recording in recordings_of(corpus) if isinstance(recording.audio, MissingPartner)]


def test_what_kaldi_and_librispeech_lack_is_refused_as_on_a_disk(copied: Callable[[Path], str], tmp_path: Path) -> None:
    kaldi, librispeech = LAYOUTS["kaldi"](tmp_path / "a"), LAYOUTS["librispeech"](tmp_path / "b")
    (kaldi / "segments").write_text("voice00-1 voice00-1 0.25 0.75\n")
    (librispeech / "dev-clean" / "0" / "1" / "0-1.trans.txt").unlink()
    write_audio(librispeech / "dev-clean" / "1" / "1" / "more.flac")
    in_kaldi = partners(kaldi, f"{tmp_path}/a")
    in_librispeech = partners(librispeech, f"{tmp_path}/b")
    assert (len(in_kaldi), len(in_librispeech)) == (30, 3)
    store = copied(tmp_path)
    assert partners(f"{store}/a/kaldi", f"{store}/a") == in_kaldi
    assert partners(f"{store}/b", f"{store}/b") == in_librispeech


@pytest.mark.parametrize("layout", ["tsv", "parquet", "commonvoice"])
def test_audio_that_no_table_names_is_counted_as_on_a_disk(copied: Callable[[Path], str], tmp_path: Path,
                                                           layout: str) -> None:
    corpus = LAYOUTS[layout](tmp_path)
    write_audio(corpus / "clips" / "none.mp3", kind="MP3")
    params = params_with({"ingest": {"corpus": copied(corpus)}})
    first = "none.mp3" if layout == "commonvoice" else "clips/none.mp3"
    assert open_corpus(params.ingest, params.synthetic, seed=1).unnamed_audio() == {"count": 1, "first": [first]}


@pytest.mark.parametrize(("layout", "name"), [
    ("kaldi", "text"), ("csv", "manifest.csv"), ("librispeech", "SPEAKERS.TXT"), ("commonvoice", "validated.tsv")])
def test_a_line_that_is_at_fault_is_named(copied: Callable[[Path], str], tmp_path: Path, layout: str,
                                          name: str) -> None:
    corpus = LAYOUTS[layout](tmp_path)
    (corpus / name).write_bytes((corpus / name).read_bytes().replace(b"\n", b"\r"))
    address = copied(corpus)
    with pytest.raises(CorpusError, match=f"line 1 of {address}/{name} must hold no carriage return but at its end"):
        recordings_of(address)


def test_an_index_that_is_not_there_is_named(copied: Callable[[Path], str], tmp_path: Path) -> None:
    corpus = LAYOUTS["kaldi"](tmp_path)
    (corpus / "utt2spk").unlink()
    address = copied(corpus)
    with pytest.raises(CorpusError, match=f"{address}/utt2spk must exist, got no such file instead"):
        recordings_of(address)
