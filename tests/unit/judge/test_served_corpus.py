"""The recordings that a model is to hear: every layout, ingest's rules, and nobody's name in a note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evenvoice.data.audio import decode
from evenvoice.errors import CorpusError, ParamsError, TooManyRejected
from evenvoice.judge.served_corpus import SpokenCorpus, sent
from evenvoice.judge.settings import read_judging
from tests.builders.corpora import speakers_corpus, write_manifest
from tests.builders.layouts import LAYOUTS


def opened(path: Path, *changes: str, columns: tuple[str, ...] = ()) -> SpokenCorpus:
    return SpokenCorpus(str(path), read_judging(None, [f"ingest.{change}" for change in changes]).ingest, columns)


def heard(corpus: SpokenCorpus, feed, rate: int, scratch: Path) -> list[object]:
    return [sent(recording, audio, feed, rate, scratch)
            for recording, audio in corpus.audible(corpus.described(), rate)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_who_spoke_and_what_was_said_as_it_has_it(tmp_path, layout):
    corpus = opened(LAYOUTS[layout](tmp_path))
    rows = list(corpus.rows())
    assert len({row["speaker"] for row in rows}) == 8
    assert len(rows) == corpus.total == len({row["utterance"] for row in rows})
    assert {row["text"] for row in rows} <= {"turn it up", "TURN IT UP"}
    assert rows[0]["gender"] == {"kaldi": "female", "librispeech": "female"}.get(layout)


def test_a_model_is_handed_the_file_itself_or_what_is_in_it_at_the_rate_it_asks_for(tmp_path):
    corpus = opened(LAYOUTS["tsv"](tmp_path / "corpus"))
    paths = heard(corpus, "paths", 16000, tmp_path)
    assert paths[0] == str(tmp_path / "corpus" / "voice00" / "0.flac")
    arrays = heard(corpus, "arrays", 8000, tmp_path)
    assert arrays[0].dtype == np.float32
    assert arrays[0].shape == (8000,)
    waveform = decode(heard(corpus, "bytes", 8000, tmp_path)[0], name="recording", max_duration_s=9)
    assert waveform.rate == 8000
    np.testing.assert_array_equal(waveform.samples, arrays[0])


def test_a_part_of_a_file_gets_a_file_of_its_own(tmp_path):
    corpus = opened(LAYOUTS["kaldi"](tmp_path / "corpus"))
    paths = [Path(str(path)) for path in heard(corpus, "paths", 16000, tmp_path)]
    assert {path.parent for path in paths} == {tmp_path}
    assert len(set(paths)) == corpus.total
    assert decode(paths[0].read_bytes(), name="part", max_duration_s=9).duration_s == 0.5


def broken(root: Path) -> Path:
    """Two of sixteen recordings break a rule: one of its description, one of its audio."""
    rows = speakers_corpus(root)
    rows[3]["text"] = " "
    (root / rows[5]["path"]).write_bytes(b"soup")
    write_manifest(root, rows)
    return root


def test_a_recording_that_breaks_a_rule_is_refused_with_its_name(tmp_path):
    with pytest.raises(TooManyRejected, match=r"got 1 of 16 so far.*'voice01/1\.flac' must have a transcript"):
        opened(broken(tmp_path))


def test_what_is_tolerated_is_left_out_and_told_without_a_name(tmp_path):
    corpus = opened(broken(tmp_path), "max_rejected=0.2")
    assert corpus.total == 15
    assert len(list(corpus.audible(corpus.described(), 16000))) == corpus.total == 14
    assert len(list(corpus.rows())) == 14
    [note] = corpus.notes()
    assert note.startswith("2 of 16 recordings were left out, since a recording must: have a transcript (1); ")
    assert "voice" not in note


def test_faults_of_audio_are_refused_as_soon_as_there_are_too_many(tmp_path):
    corpus = opened(broken(tmp_path), "max_rejected=0.07")
    with pytest.raises(TooManyRejected, match="got 2 of 16 so far"):
        list(corpus.audible(corpus.described(), 16000))


def test_markup_is_taken_out_of_what_was_said_where_that_is_asked_for(tmp_path):
    rows = speakers_corpus(tmp_path)
    rows[0]["text"] = "Turn <unk> it up!"
    write_manifest(tmp_path, rows)
    texts = [next(opened(tmp_path, f"markup={markup}").rows())["text"] for markup in ("drop", "keep")]
    assert [" ".join(text.split()) for text in texts] == ["Turn it up!", "Turn <unk> it up!"]


def test_further_columns_come_along(tmp_path):
    rows = [{**row, "device": "phone"} for row in speakers_corpus(tmp_path)]
    write_manifest(tmp_path, rows)
    assert next(opened(tmp_path, columns=("device",)).rows())["device"] == "phone"


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(ParamsError, match="--corpus must be recordings that lie somewhere, got synthetic"):
        opened(Path("synthetic"))
    with pytest.raises(CorpusError, match="must exist"):
        opened(tmp_path / "nowhere")
    rows = speakers_corpus(tmp_path)
    write_manifest(tmp_path, [*rows, rows[0]])
    with pytest.raises(CorpusError, match=r"id 'voice00/0\.flac' must stand for one recording"):
        opened(tmp_path)
