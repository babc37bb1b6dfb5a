"""Common Voice's tables and clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice.data.corpora import commonvoice
from evenvoice.errors import CorpusError
from tests.builders.corpora import write_audio, write_manifest


def corpus(root: Path) -> Path:
    for name, speaker in (("train", "c1"), ("dev", "c2"), ("test", "c3"), ("validated", "c1")):
        write_audio(root / "clips" / f"{name}.mp3", kind="MP3")
        row = {"client_id": speaker, "path": f"{name}.mp3", "sentence": 'Say "stop".', "age": "twenties",
               "gender": "male_masculine", "accents": "Scottish", "locale": "en"}
        write_manifest(root, [row], f"{name}.tsv")
    return root


def test_validated_clips_are_read_where_splits_are_drawn_here(tmp_path: Path) -> None:
    [recording] = commonvoice.recordings(corpus(tmp_path), select="", text_column="text", own_split=False)
    assert (recording.speaker, recording.text, recording.split) == ("c1", 'Say "stop".', None)
    assert (recording.age_band, recording.gender, recording.accent) == ("20-29", "male", "Scottish")
    assert recording.audio.load(name="r", max_duration_s=5).duration_s == pytest.approx(1.0, abs=0.1)


def test_its_own_split_is_in_the_names_of_its_tables(tmp_path: Path) -> None:
    recordings = commonvoice.recordings(corpus(tmp_path), select="", text_column="text", own_split=True)
    assert [(r.speaker, r.split) for r in recordings] == [("c1", "train"), ("c2", "dev"), ("c3", "test")]


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"must hold train\.tsv or dev\.tsv or test\.tsv"):
        list(commonvoice.recordings(tmp_path, select="", text_column="text", own_split=True))
