"""Kaldi data directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice.data.corpora import kaldi
from evenvoice.data.corpora.files import FileAudio
from evenvoice.errors import CorpusError, RecordingRejected
from tests.builders.corpora import kaldi_corpus, write_audio

UTTERANCES = {"a-1": ("a", "TURN IT UP"), "a-2": ("a", "TURN IT DOWN"), "b-1": ("b", "STOP")}


def test_utterances_come_with_speaker_text_and_audio_beside_the_directory(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    (directory / "spk2gender").write_text("a f\nb m\n")
    (directory / "spk2age").write_text("a 21\n")
    first, _, third = kaldi.recordings(directory, select="")
    assert (first.key, first.speaker, first.text) == ("a-1", "a", "TURN IT UP")
    assert (first.gender, first.age_band, third.gender, third.age_band) == ("female", "18-24", "male", None)
    assert first.audio.load(name="a-1", max_duration_s=5).duration_s == 1.0


def test_segments_take_parts_of_recordings(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    (directory / "segments").write_text("a-1 a-2 0.25 0.75\na-2 a-2 0.5 -1\n")
    first, second, *_ = kaldi.recordings(directory, select="")
    assert [r.audio.load(name=r.key, max_duration_s=5).duration_s for r in (first, second)] == [0.5, 0.5]


def test_a_command_is_never_run(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    (directory / "wav.scp").write_text(f"a-1 touch {tmp_path}/ran |\n")
    with pytest.raises(CorpusError, match=r"recording 'a-1' in .* must be a path, got a command"):
        list(kaldi.recordings(directory, select=""))
    assert not (tmp_path / "ran").exists()


def test_an_id_that_stands_twice_is_refused_by_name(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    with (directory / "wav.scp").open("a") as file:
        file.write("a-1 wav/a-1.flac\n")
    with pytest.raises(CorpusError, match=r"id 'a-1' in .*wav\.scp must be unique, got a second one in line 4"):
        list(kaldi.recordings(directory, select=""))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    (directory / "utt2spk").unlink()
    with pytest.raises(CorpusError, match=r"utt2spk must exist"):
        list(kaldi.recordings(directory, select=""))


@pytest.mark.parametrize("line", ["a-1 a-1 zero 1", "a-1 a-1 nan 1", "a-1 a-1 0", "a-1 nowhere 0 1"])
def test_a_malformed_segment_is_refused_by_name_and_line(tmp_path: Path, line: str) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    (directory / "segments").write_text(f"\nb-1 b-1 0 1\n{line}\n")
    with pytest.raises(CorpusError, match=r"segment 'a-1' in line 3 of .*segments must"):
        list(kaldi.recordings(directory, select=""))


def test_an_utterance_without_text_or_speaker_is_left_to_the_rules(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    (directory / "text").write_text("a-1\n")
    (directory / "utt2spk").write_text("a-1\n")
    first = next(kaldi.recordings(directory, select=""))
    assert (first.text, first.speaker) == ("", "")
    assert isinstance(first.audio, FileAudio)


def test_audio_in_the_directory_itself_is_found_first(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    own = write_audio(directory / "wav" / "a-1.flac")
    assert next(kaldi.recordings(directory, select="")).audio == FileAudio(str(own))


def test_select_takes_the_paths_that_begin_with_it(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    assert [r.key for r in kaldi.recordings(directory, select="wav/b")] == ["b-1"]


@pytest.mark.parametrize("path", ["x" * 5000, "nowhere.flac"])
def test_a_path_that_is_no_file_is_refused_when_it_is_loaded(tmp_path: Path, path: str) -> None:
    directory = kaldi_corpus(tmp_path, UTTERANCES)
    (directory / "wav.scp").write_text(f"a-1 {path}\n")
    recording = next(kaldi.recordings(directory, select=""))
    with pytest.raises(RecordingRejected, match="a-1 must name an audio file that can be opened"):
        recording.audio.load(name="a-1", max_duration_s=5)
