"""LibriSpeech's folders."""

from __future__ import annotations

from pathlib import Path

from evenvoice.data.corpora import librispeech
from tests.builders.corpora import write_audio


def corpus(root: Path) -> Path:
    for subset, speaker in (("train-clean-100", "19"), ("dev-clean", "84")):
        chapter = root / subset / speaker / "121"
        for number in ("0000", "0001"):
            write_audio(chapter / f"{speaker}-121-{number}.flac")
        (chapter / f"{speaker}-121.trans.txt").write_text(f"{speaker}-121-0000 TURN IT UP\n{speaker}-121-0001 STOP\n")
    (root / "SPEAKERS.TXT").write_text("; ID | SEX | SUBSET | MINUTES | NAME\n19 | F | train-clean-100 | 25.03 | X\n")
    return root


def test_utterances_come_with_speaker_text_subset_and_gender(tmp_path: Path) -> None:
    recordings = list(librispeech.recordings(corpus(tmp_path), select=""))
    assert [(r.key, r.speaker, r.text, r.split, r.gender) for r in recordings] == [
        ("84-121-0000", "84", "TURN IT UP", "dev", None), ("84-121-0001", "84", "STOP", "dev", None),
        ("19-121-0000", "19", "TURN IT UP", "train", "female"), ("19-121-0001", "19", "STOP", "train", "female")]
    assert recordings[0].audio.load(name="r", max_duration_s=5).duration_s == 1.0


def test_a_chapter_is_a_session(tmp_path: Path) -> None:
    assert {recording.session for recording in librispeech.recordings(corpus(tmp_path), select="")} == {"121"}


def test_one_subset_is_a_corpus_too(tmp_path: Path) -> None:
    subset = corpus(tmp_path) / "dev-clean"
    assert librispeech.is_librispeech(subset)
    assert [(r.speaker, r.split) for r in librispeech.recordings(subset, select="")] == [("84", None)] * 2


def test_select_takes_one_subset(tmp_path: Path) -> None:
    assert {r.speaker for r in librispeech.recordings(corpus(tmp_path), select="train-")} == {"19"}
