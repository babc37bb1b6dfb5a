"""A fingerprint changes when, and only when, ingest would read something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evenvoice.data.corpora.fingerprint import fingerprint
from evenvoice.data.pseudonyms import KEY_VARIABLE
from evenvoice.errors import CorpusError
from tests.builders.corpora import REPOSITORY, kaldi_corpus, write_audio, write_manifest

ROWS = [{"path": "part1/a.flac", "text": "stop"}, {"path": "part2/b.flac", "text": "go"}]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    for row in ROWS:
        write_audio(tmp_path / row["path"])
    write_manifest(tmp_path, ROWS)
    return tmp_path


def touch(path: Path) -> None:
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))


def test_synthetic_speech_is_told_by_its_name_alone() -> None:
    assert fingerprint("synthetic") == {"corpus": "synthetic"}


def test_looking_twice_gives_the_same(corpus: Path) -> None:
    found = fingerprint(str(corpus))
    assert found == fingerprint(str(corpus))
    assert (found["files"], found["corpus"]) == (3, str(corpus))


def test_touched_audio_changes_it_and_a_touched_index_does_not(corpus: Path) -> None:
    before = fingerprint(str(corpus))
    touch(corpus / "manifest.tsv")
    assert fingerprint(str(corpus)) == before
    touch(corpus / "part1" / "a.flac")
    assert fingerprint(str(corpus)) != before


def test_an_index_of_the_same_size_with_other_words_changes_it(corpus: Path) -> None:
    before = fingerprint(str(corpus))
    write_manifest(corpus, [{**ROWS[0], "text": "halt"}, ROWS[1]])
    assert fingerprint(str(corpus))["sha256"] != before["sha256"]


def test_audio_that_is_not_selected_does_not_count(corpus: Path) -> None:
    before = fingerprint(str(corpus), "part1/")
    touch(corpus / "part2" / "b.flac")
    assert fingerprint(str(corpus), "part1/") == before
    touch(corpus / "part1" / "a.flac")
    assert fingerprint(str(corpus), "part1/") != before


def test_a_manifest_by_itself_counts_the_audio_it_names(corpus: Path) -> None:
    index = corpus / "mine.jsonl"
    index.write_text(json.dumps({"audio_filepath": "part1/\u00e9.flac"}) + "\n")
    before = fingerprint(str(index))
    audio = write_audio(corpus / "part1" / "\u00e9.flac")
    touch(corpus / "part1" / "a.flac")
    after = fingerprint(str(index))
    assert (before["files"], after["files"]) == (1, 2)
    touch(audio)
    assert fingerprint(str(index)) != after


def test_kaldi_audio_beside_the_directory_counts(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, {"a-1": ("a", "STOP")})
    before = fingerprint(str(directory))
    assert before["files"] == 4
    touch(tmp_path / "wav" / "a-1.flac")
    assert fingerprint(str(directory)) != before


@pytest.mark.parametrize("line", [f"{'x' * 5000}.wav", '{"path": "\\x.wav"}', "null\0character.wav", "\\.wav"])
def test_lines_that_name_nothing_are_passed_over(corpus: Path, line: str) -> None:
    for name in ("notes.txt", "notes.jsonl"):
        (corpus / name).write_text(line + "\n")
    assert fingerprint(str(corpus))["files"] == 5


def test_links_in_a_circle_end(corpus: Path) -> None:
    (corpus / "part1" / "back").symlink_to(corpus)
    assert fingerprint(str(corpus))["files"] == 3


def test_a_changed_pseudonym_key_changes_it_without_being_told(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "one secret")
    one = fingerprint(str(corpus))
    monkeypatch.setenv(KEY_VARIABLE, "another secret")
    assert fingerprint(str(corpus)) != one
    assert "one secret" not in json.dumps(one)


def test_a_path_that_is_not_there_is_refused() -> None:
    with pytest.raises(CorpusError, match="corpus nowhere/at/all must exist"):
        fingerprint("nowhere/at/all")


def test_it_needs_the_standard_library_only() -> None:
    code = ("import sys; import evenvoice.data.corpora.fingerprint; "
            "print([m for m in ('numpy', 'pyarrow', 'pydantic', 'soundfile') if m in sys.modules])")
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
