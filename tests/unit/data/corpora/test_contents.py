"""Content that was read once is known until a file's state changes; a file that was replaced unseen is named."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from evenvoice.data.corpora import fingerprint as module
from evenvoice.data.corpora.contents import Contents
from evenvoice.data.corpora.fingerprint import fingerprint
from evenvoice.data.pseudonyms import KEY_VARIABLE
from evenvoice.errors import CorpusError
from evenvoice.progress import Progress
from tests.builders.corpora import write_audio, write_manifest


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    rows = [{"path": "a.flac", "text": "stop"}, {"path": "b.flac", "text": "go"}]
    for row in rows:
        write_audio(tmp_path / "corpus" / row["path"])
    return write_manifest(tmp_path / "corpus", rows).parent


def looked_at(corpus: Path, *, verify: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    return fingerprint(str(corpus), contents=Contents(corpus.parent / "kept", verify, progress))


def said(corpus: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    looked_at(corpus, verify=True, progress=Progress("snapshot", unit="file"))
    return capsys.readouterr().out


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk whose files show neither inode nor the kernel's own time, as some mounted ones do."""
    def add(tally: Any, name: str, status: os.stat_result, path: str) -> None:
        tally._add(module.Item(name, status.st_size, str(status.st_mtime_ns), status.st_mtime_ns, path))

    monkeypatch.setattr(module._Tally, "add_status", add)


def replace(path: Path) -> None:
    before = path.stat()
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_corpus_that_nobody_read_goes_by_its_state(corpus: Path) -> None:
    assert looked_at(corpus) == fingerprint(str(corpus))
    assert looked_at(corpus)["told_by"] == "size and time"
    assert not (corpus.parent / "kept").exists()


def test_switching_verify_on_and_off_changes_nothing_once_the_content_is_known(corpus: Path) -> None:
    first = looked_at(corpus, verify=True)
    assert first["told_by"] == "content"
    assert first == looked_at(corpus) == looked_at(corpus, verify=True) == looked_at(corpus)


def test_verified_content_counts_alone_so_touching_a_file_changes_nothing(corpus: Path) -> None:
    first = looked_at(corpus, verify=True)
    os.utime(corpus / "a.flac")
    assert looked_at(corpus)["told_by"] == "size and time"
    assert looked_at(corpus, verify=True) == first == looked_at(corpus)


@pytest.mark.usefixtures("blind")
def test_a_recording_that_was_replaced_unseen_is_found_and_named(
        corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = looked_at(corpus, verify=True)
    replace(corpus / "b.flac")
    assert looked_at(corpus) == first
    assert ("snapshot  content of 1 of 2 files is what it was\n"
            "snapshot  changed although size and time did not: b.flac\n") in said(corpus, capsys)
    found = looked_at(corpus)
    assert found["told_by"] == "content"
    assert found["sha256"] != first["sha256"]


def test_what_was_found_is_said_in_figures(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "content of 2 files read for the first time" in said(corpus, capsys)
    assert "content of 2 of 2 files is what it was\n" in said(corpus, capsys)
    write_audio(corpus / "a.flac", seconds=2.0)
    write_audio(corpus / "c.flac")
    found = said(corpus, capsys)
    assert "content of 1 of 3 files is what it was\n" in found
    assert "new, or changed as size or time says: 2\n" in found
    assert "changed although" not in found


@pytest.mark.usefixtures("blind")
def test_only_the_first_of_many_replaced_files_are_named(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"c{number}\n\udcff.wav" for number in range(7)]
    for name in names:
        (corpus / name).write_bytes(b"a")
    looked_at(corpus, verify=True)
    for name in names:
        replace(corpus / name)
    assert "'c4\\n\\udcff.wav' and 2 more\n" in said(corpus, capsys)


def test_progress_counts_files_and_megabytes(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    megabytes = sum(path.stat().st_size for path in corpus.glob("*.flac")) / 1e6
    assert f"file 2/2  MB {megabytes:.4g}  of_MB {megabytes:.4g}" in said(corpus, capsys)


def test_each_corpus_and_selection_is_known_for_itself(corpus: Path) -> None:
    looked_at(corpus, verify=True)
    fingerprint(str(corpus), "a", contents=Contents(corpus.parent / "kept", verify=True))
    assert len(list((corpus.parent / "kept").iterdir())) == 2
    assert looked_at(corpus)["told_by"] == "content"


@pytest.mark.parametrize("damage", [
    b"", b"not compressed", gzip.compress(b"not JSON\n"), gzip.compress(b"[1]\n"), gzip.compress(b"{}\n" * 99)[:20]],
    ids=["empty", "not compressed", "not JSON", "a list", "half of it"])
def test_a_damaged_record_is_one_that_is_not_there(corpus: Path, damage: bytes) -> None:
    first = looked_at(corpus, verify=True)
    (record,) = (corpus.parent / "kept").iterdir()
    record.write_bytes(damage)
    assert looked_at(corpus)["told_by"] == "size and time"
    assert looked_at(corpus, verify=True) == first == looked_at(corpus)


def test_a_file_that_goes_away_while_content_is_read_is_refused_by_name(
        corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "advance", lambda *_, **__: (corpus / "b.flac").unlink())
    with pytest.raises(CorpusError, match=r"b\.flac must be readable, got No such file or directory"):
        looked_at(corpus, verify=True)
    assert not (corpus.parent / "kept").exists()
