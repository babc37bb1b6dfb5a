"""Layouts are recognised by the files that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice.data.corpora.registry import layout_of
from evenvoice.errors import CorpusError
from tests.builders.corpora import kaldi_corpus, params_with, write_manifest


def layout(corpus: str | Path, configured: str = "auto") -> str:
    return layout_of(params_with({"ingest": {"corpus": str(corpus), "layout": configured}}).ingest)


def test_a_kaldi_directory_is_recognised(tmp_path: Path) -> None:
    assert layout(kaldi_corpus(tmp_path, {"a-1": ("a", "STOP")})) == "kaldi"


def test_a_manifest_is_recognised_in_a_directory_and_by_itself(tmp_path: Path) -> None:
    index = write_manifest(tmp_path, [{"path": "1.flac"}])
    assert layout(tmp_path) == layout(index) == "manifest"


def test_common_voice_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    write_manifest(tmp_path, [{"path": "1.mp3"}], "validated.tsv")
    assert layout(tmp_path) == "commonvoice"


def test_librispeech_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "dev-clean" / "84" / "121").mkdir(parents=True)
    (tmp_path / "dev-clean" / "84" / "121" / "84-121.trans.txt").write_text("84-121-0000 STOP\n")
    assert layout(tmp_path) == "librispeech"


def test_synthetic_needs_no_files() -> None:
    assert layout("synthetic") == "synthetic"


def test_a_configured_layout_is_not_questioned(tmp_path: Path) -> None:
    assert layout(tmp_path, "kaldi") == "kaldi"


def test_a_folder_of_anything_else_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"wav\.scp.*manifest\.tsv.*validated\.tsv.*trans\.txt"):
        layout(tmp_path)


def test_a_path_that_is_not_there_is_refused() -> None:
    with pytest.raises(CorpusError, match="corpus nowhere/at/all must exist"):
        layout("nowhere/at/all")
