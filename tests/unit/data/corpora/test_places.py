"""What is there, what links lead to, and what may not be read: the same answers for every layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.places import files_below, is_file, is_folder, is_there
from evenvoice.data.corpora.registry import open_corpus
from evenvoice.errors import CorpusError, RecordingRejected
from tests.builders.corpora import params_with, write_audio
from tests.builders.layouts import LAYOUTS, recordings_of
from tests.builders.users import closed_to_nobody

INDEXES = [
    ("kaldi", "wav.scp"), ("kaldi", "text"), ("kaldi", "utt2spk"), ("kaldi", "segments"), ("kaldi", "spk2gender"),
    ("kaldi", "spk2age"), ("tsv", "manifest.tsv"), ("csv", "manifest.csv"), ("jsonl", "manifest.jsonl"),
    ("parquet", "manifest.parquet"), ("librispeech", "SPEAKERS.TXT"), ("librispeech", "dev-clean/0/1/0-1.trans.txt"),
    ("commonvoice", "validated.tsv"), ("commonvoice", "train.tsv")]
FOLDERS = [("librispeech", "train-clean-100"), ("librispeech", "dev-clean/0"), ("commonvoice", "clips")]


def test_what_is_there_is_told_from_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    answers = {name: (is_there(tmp_path / name), is_file(tmp_path / name), is_folder(tmp_path / name))
               for name in ("file", "link", "none", "file/inner", "null\0")}
    assert answers == {"file": (True, True, False), "link": (True, False, True), "none": (False, False, False),
                       "file/inner": (False, False, False), "null\0": (False, False, False)}


def test_files_are_found_behind_links_and_only_where_they_can_be_selected(tmp_path: Path) -> None:
    for name in ("elsewhere/a/1.flac", "corpus/b/2.flac", "corpus/c/3.flac", "corpus/top.txt"):
        write_audio(tmp_path / name)
    (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "elsewhere")
    corpus = tmp_path / "corpus"
    assert sorted(files_below(corpus)) == ["b/2.flac", "c/3.flac", "linked/a/1.flac", "top.txt"]
    assert sorted(files_below(corpus, select="linked/a/1")) == ["linked/a/1.flac", "top.txt"]
    assert sorted(files_below(corpus, depth=2)) == ["b/2.flac", "c/3.flac", "top.txt"]


def test_all_speakers_of_librispeech_are_taken_where_a_subset_is_a_link(tmp_path: Path) -> None:
    corpus = LAYOUTS["librispeech"](tmp_path / "corpus")
    expected = recordings_of(corpus)
    (corpus / "train-clean-100").rename(tmp_path / "elsewhere")
    (corpus / "train-clean-100").symlink_to("../elsewhere")
    assert recordings_of(corpus) == expected
    assert len({recording.speaker for recording in expected}) == 8


def test_librispeech_is_recognised_where_every_subset_is_a_link(tmp_path: Path) -> None:
    corpus = LAYOUTS["librispeech"](tmp_path / "real")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "train-clean-100").symlink_to(corpus / "train-clean-100")
    assert len(recordings_of(tmp_path / "corpus")) == 12


@pytest.mark.parametrize(("layout", "name"), [*INDEXES, *FOLDERS])
@pytest.mark.parametrize("configured", [False, True])
def test_a_link_that_leads_nowhere_is_refused_with_where_it_points(
        tmp_path: Path, layout: str, name: str, configured: bool) -> None:
    corpus = LAYOUTS[layout](tmp_path / "corpus")
    broken = corpus / name
    shutil.rmtree(broken) if broken.is_dir() else broken.unlink()
    broken.symlink_to("/mnt/gone")
    with pytest.raises(CorpusError) as refused:
        read_all(corpus, layout, configured)
    assert str(refused.value) == (
        f"{broken} must lead to a file or folder that exists, got a link to /mnt/gone instead. "
        "Mend the link, or remove it where nothing of the corpus belongs there.")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_corpus_that_is_a_link_to_nowhere_is_refused_with_where_it_points(tmp_path: Path, layout: str) -> None:
    (tmp_path / "corpus").symlink_to("/mnt/gone")
    with pytest.raises(CorpusError, match=r"corpus must lead to a file or folder that exists, got a link to /mnt/gone"):
        read_all(tmp_path / "corpus", layout, configured=True)


@pytest.mark.parametrize(("target", "shown"), [("..", "dev-clean"), ("back", "back, in a circle")])
def test_a_link_in_a_circle_is_refused_by_name(tmp_path: Path, target: str, shown: str) -> None:
    corpus = LAYOUTS["librispeech"](tmp_path / "corpus")
    (corpus / "dev-clean" / "0" / "back").symlink_to(target)
    with pytest.raises(CorpusError, match=rf"dev-clean/0/back must lead to .* got a link to .*{shown} instead"):
        recordings_of(corpus, "librispeech")


def test_one_folder_under_two_names_is_no_circle(tmp_path: Path) -> None:
    write_audio(tmp_path / "a" / "1.flac")
    (tmp_path / "b").symlink_to("a")
    assert sorted(files_below(tmp_path)) == ["a/1.flac", "b/1.flac"]


def test_a_link_outside_what_is_selected_is_not_followed(tmp_path: Path) -> None:
    corpus = LAYOUTS["librispeech"](tmp_path / "corpus")
    (corpus / "dev-clean" / "0" / "back").symlink_to(corpus)
    assert len(recordings_of(corpus, "librispeech", select="train-")) == 12


def test_audio_that_is_a_link_to_nowhere_refuses_one_recording(tmp_path: Path) -> None:
    corpus = LAYOUTS["librispeech"](tmp_path / "corpus")
    audio = corpus / "dev-clean" / "0" / "1" / "0-1-0000.flac"
    audio.unlink()
    audio.symlink_to("/mnt/gone.flac")
    first = recordings_of(corpus)[0]
    with pytest.raises(RecordingRejected, match=r"0-1-0000\.flac' \(No such file or directory\)"):
        first.audio.load(name="r", max_duration_s=5)


@pytest.mark.parametrize(("layout", "name"), [*INDEXES, *FOLDERS, ("tsv", "voice03"), ("parquet", "voice03")])
def test_what_may_not_be_read_is_refused_with_its_name_and_the_user(tmp_path: Path, layout: str, name: str) -> None:
    corpus = LAYOUTS[layout](tmp_path / "corpus")
    with closed_to_nobody(corpus / name, inside=corpus) as user, pytest.raises(CorpusError) as refused:
        read_all(corpus, layout, configured=False)
    assert str(refused.value).startswith(f"{corpus / name} must be readable by {user}")
    assert "chmod" in refused.value.action
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize("closed", [".", ".."])
def test_a_corpus_whose_folder_may_not_be_entered_is_refused(tmp_path: Path, layout: str, configured: bool,
                                                             closed: str) -> None:
    corpus = LAYOUTS[layout](tmp_path / "above" / "corpus")
    with closed_to_nobody(corpus / closed, inside=corpus) as user, pytest.raises(CorpusError) as refused:
        read_all(corpus, layout, configured)
    assert refused.value.rule.startswith(f"be readable by {user}")
    assert str(refused.value).startswith(str(corpus))
    assert refused.value.value == "Permission denied"


def test_audio_that_may_not_be_read_refuses_one_recording_and_says_what_to_do(tmp_path: Path) -> None:
    audio = write_audio(tmp_path / "a" / "1.flac")
    with closed_to_nobody(audio, inside=tmp_path / "a") as user, pytest.raises(RecordingRejected) as refused:
        FileAudio(str(audio)).load(name="recording 'r'", max_duration_s=5)
    assert str(refused.value).startswith(f"recording 'r' must be readable by {user}")
    assert refused.value.value == f"'{audio}' (Permission denied)"
    assert "chmod" in refused.value.action


def read_all(corpus: Path, layout: str, configured: bool) -> None:
    """Read everything but audio, the tables of Common Voice in both ways in which they can be chosen."""
    name = layout if layout in ("kaldi", "librispeech", "commonvoice") else "manifest"
    for splits in ("speakers", "corpus"):
        params = params_with({"ingest": {"corpus": str(corpus), "layout": name if configured else "auto",
                                         "splits": splits}})
        opened = open_corpus(params.ingest, params.synthetic, seed=1)
        list(opened.recordings())
        opened.unnamed_audio()
