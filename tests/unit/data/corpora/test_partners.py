"""What one file of a corpus names and another lacks is counted and refused; audio that no table names is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evenvoice.data.checks import check_description
from evenvoice.data.corpora.recording import Recording, Unnamed
from evenvoice.data.corpora.registry import open_corpus
from evenvoice.data.schemas import REJECTED
from evenvoice.data.tables import read_table
from evenvoice.errors import CorpusError, RecordingRejected, TooManyRejected
from tests.builders.corpora import kaldi_corpus, params_with, write_audio
from tests.builders.ingested import ingest_into
from tests.builders.layouts import LAYOUTS, recordings_of
from tests.builders.users import closed_to_nobody

FIX = "as Kaldi's utils/fix_data_dir.sh does."


def refused(recordings: list[Recording]) -> dict[str, str]:
    """What is said of the recordings whose audio cannot be had."""
    said = {}
    for recording in recordings:
        try:
            recording.audio.load(name=recording.key, max_duration_s=5)
        except RecordingRejected as rejection:
            said[recording.key] = str(rejection)
    return said


def without_lines(path: Path, *starts: str) -> None:
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith(starts)))


@pytest.fixture
def kaldi(tmp_path: Path) -> Path:
    """A directory without segments."""
    return kaldi_corpus(tmp_path, dict.fromkeys(("a-1", "a-2", "a-3"), ("a", "STOP")))


def test_an_utterance_of_kaldi_without_audio_is_refused(kaldi: Path) -> None:
    without_lines(kaldi / "wav.scp", "a-2", "a-3")
    without_lines(kaldi / "text", "a-3")
    recordings = recordings_of(kaldi)
    assert [(r.key, r.speaker, r.text) for r in recordings] == [
        ("a-1", "a", "STOP"), ("a-2", "a", "STOP"), ("a-3", "a", "")]
    assert refused(recordings) == {
        "a-2": "a-2 must stand in wav.scp too, got a line in text and utt2spk only instead. "
               f"Add it to wav.scp in {kaldi}, or remove its lines from the other tables, {FIX}",
        "a-3": "a-3 must stand in wav.scp too, got a line in utt2spk only instead. "
               f"Add it to wav.scp in {kaldi}, or remove its lines from the other tables, {FIX}"}


@pytest.mark.parametrize(("tables", "names"), [(["text"], "text"), (["utt2spk"], "utt2spk"),
                                               (["text", "utt2spk"], "text and utt2spk")])
def test_audio_of_kaldi_without_text_or_speaker_is_refused(kaldi: Path, tables: list[str], names: str) -> None:
    for table in tables:
        without_lines(kaldi / table, "a-2")
    assert refused(recordings_of(kaldi)) == {
        "a-2": f"a-2 must stand in {names} too, got no line there instead. Add it to {names} in {kaldi}, or remove its "
               f"lines from the other tables, {FIX}"}


def test_an_id_of_kaldi_without_a_path_is_refused_whatever_is_selected(kaldi: Path) -> None:
    (kaldi / "wav.scp").write_text("a-1 wav/a-1.flac\na-2\na-3 wav/a-3.flac\n")
    assert refused(recordings_of(kaldi, select="wav/a-1")) == {
        "a-2": "a-2 must have a path in wav.scp, got nothing after its id instead. "
               f"Complete its line in {kaldi}/wav.scp."}


def test_what_segments_lack_and_do_not_use_is_refused(kaldi: Path) -> None:
    (kaldi / "segments").write_text("a-1 a-3 0.25 0.75\n")
    said = refused(recordings_of(kaldi))
    assert {key: text.partition(", got ")[2].partition(" instead")[0] for key, text in said.items()} == {
        "a-2": "a line in text and utt2spk only", "a-3": "a line in text and utt2spk only",
        "a-1 in wav.scp": "a line in wav.scp only", "a-2 in wav.scp": "a line in wav.scp only"}
    assert all("must stand in segments too" in text for text in said.values())


def test_only_what_is_selected_has_to_fit_together(kaldi: Path) -> None:
    without_lines(kaldi / "text", "a-2")
    (kaldi / "segments").write_text("a-1 a-1 0.25 0.75\na-2 a-2 0 1\na-3 a-1 0 1\n")
    assert refused(recordings_of(kaldi, select="wav/a-1")) == {}


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    return LAYOUTS["librispeech"](tmp_path)


def test_flac_without_a_line_is_refused_and_so_is_a_chapter_without_a_transcript(librispeech: Path) -> None:
    first, second = (librispeech / "dev-clean" / name / "1" for name in "01")
    without_lines(first / "0-1.trans.txt", "0-1-0001")
    (second / "1-1.trans.txt").unlink()
    assert refused(recordings_of(librispeech)) == {
        "dev-clean/0/1/0-1-0001.flac": "dev-clean/0/1/0-1-0001.flac must have a line in its chapter's transcript, got "
                                       f"none in {first}/0-1.trans.txt instead. Add the line, or remove the file.",
        **{f"dev-clean/1/1/{name}": f"dev-clean/1/1/{name} must have a line in its chapter's transcript, got no "
                                    f"*.trans.txt in {second} instead. Add the line, or remove the file."
           for name in ("1-1-0000.flac", "1-1-0001.flac")}}


def test_a_line_without_flac_is_refused(librispeech: Path) -> None:
    (librispeech / "dev-clean" / "0" / "1" / "0-1-0001.flac").unlink()
    [said] = refused(recordings_of(librispeech)).values()
    assert "0-1-0001.flac' (No such file or directory)" in said


def test_flac_outside_what_is_selected_does_not_count(librispeech: Path) -> None:
    write_audio(librispeech / "dev-clean" / "0" / "1" / "more.flac")
    write_audio(librispeech / "loose.flac")
    assert list(refused(recordings_of(librispeech))) == ["loose.flac", "dev-clean/0/1/more.flac"]
    assert refused(recordings_of(librispeech, select="train-")) == {}
    assert list(refused(recordings_of(librispeech, select="dev-clean/0/1/m"))) == ["dev-clean/0/1/more.flac"]


@pytest.mark.parametrize("layout", ["tsv", "csv", "jsonl", "parquet", "commonvoice"])
def test_a_row_without_its_file_is_refused(tmp_path: Path, layout: str) -> None:
    corpus = LAYOUTS[layout](tmp_path)
    audio = next(path for path in sorted(corpus.rglob("voice03*")) if path.name == "voice03.mp3" or path.is_dir())
    audio.rename(tmp_path / "gone")
    said = refused(recordings_of(corpus))
    assert sorted(said) == (["voice03.mp3"] if layout == "commonvoice" else ["voice03/0.flac", "voice03/1.flac"])
    assert all("must name an audio file that can be opened" in text for text in said.values())


def broken_kaldi(root: Path) -> Path:
    directory = LAYOUTS["kaldi"](root)
    without_lines(directory / "segments", "voice00-1")
    without_lines(directory / "wav.scp", "voice00-1")
    return directory


def broken_librispeech(root: Path) -> Path:
    corpus = LAYOUTS["librispeech"](root)
    without_lines(corpus / "train-clean-100" / "3" / "1" / "3-1.trans.txt", "3-1-0001")
    return corpus


def run(corpus: Path, out: Path, **changes: Any) -> dict[str, Any]:
    """Ingest a corpus and return the summary."""
    params = params_with({"ingest": {"corpus": str(corpus), "max_rejected": 0.5, **changes}})
    ingest_into(out, params)
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


@pytest.mark.parametrize(("make", "key", "rule"), [
    (broken_kaldi, "voice00-1", "stand in segments too"),
    (broken_librispeech, "train-clean-100/3/1/3-1-0001.flac", "have a line in its chapter's transcript")])
def test_a_missing_partner_counts_and_stands_in_the_list_of_what_was_refused(
        tmp_path: Path, make: Callable[[Path], Path], key: str, rule: str) -> None:
    corpus = make(tmp_path / "corpus")
    summary = run(corpus, tmp_path / "out")
    assert (summary["source_recordings"], summary["recordings"], summary["rejected"]) == (16, 15, 1)
    [row] = read_table(tmp_path / "out" / "rejected.parquet", REJECTED).to_pylist()
    assert (row["recording"], row["rule"]) == (key, rule)
    with pytest.raises(TooManyRejected, match=r"1 of 16"):
        run(corpus, tmp_path / "out", max_rejected=0.01)


def test_the_missing_partner_is_told_before_any_other_fault(kaldi: Path) -> None:
    without_lines(kaldi / "text", "a-2")
    settings = params_with({}).ingest
    with pytest.raises(RecordingRejected, match=r"recording 'a-2' must stand in text too"):
        check_description(recordings_of(kaldi)[1], settings)


def unnamed(corpus: Path, select: str = "") -> Unnamed | None:
    params = params_with({"ingest": {"corpus": str(corpus), "select": select}})
    return open_corpus(params.ingest, params.synthetic, seed=1).unnamed_audio()


@pytest.mark.parametrize("layout", ["tsv", "csv", "jsonl", "parquet"])
def test_audio_that_a_manifest_does_not_name_is_counted_and_the_first_is_named(tmp_path: Path, layout: str) -> None:
    corpus = LAYOUTS[layout](tmp_path)
    assert unnamed(corpus) == {"count": 0, "first": []}
    for name in ("z/4.flac", "b/3.MP3", "b/2.wav", "b/1.flac", ".trash/0.flac", "b/._1.flac", "b/notes.txt"):
        write_audio(tmp_path / name)
    assert unnamed(corpus) == {"count": 4, "first": ["b/1.flac", "b/2.wav", "b/3.MP3"]}
    assert unnamed(corpus, select="z/") == {"count": 1, "first": ["z/4.flac"]}
    index = next(corpus.glob("manifest.*"))
    assert unnamed(index) is None


def test_names_that_lead_into_the_folder_by_another_way_are_names(tmp_path: Path) -> None:
    corpus = LAYOUTS["tsv"](tmp_path / "corpus")
    (tmp_path / "link").symlink_to("corpus")
    text = (corpus / "manifest.tsv").read_text()
    text = text.replace("voice00/", f"{corpus}/voice00/").replace("voice01/", f"{tmp_path}/link/voice01/")
    text = text.replace("voice02/", f"file://{corpus}/voice02/").replace("voice03/", "./voice04/../voice03/")
    (corpus / "manifest.tsv").write_text(text)
    assert unnamed(tmp_path / "link") == {"count": 0, "first": []}


def test_clips_that_any_table_of_common_voice_names_are_named(tmp_path: Path) -> None:
    corpus = LAYOUTS["commonvoice"](tmp_path)
    for name in ("other", "invalid", "none"):
        write_audio(corpus / "clips" / f"{name}.mp3", kind="MP3")
    (corpus / "other.tsv").write_text("client_id\tpath\tsentence\nx\tother.mp3\tstop\n")
    (corpus / "invalidated.tsv").write_text("client_id\tpath\tsentence\nx\tinvalid.mp3\tstop\n")
    assert unnamed(corpus) == {"count": 1, "first": ["none.mp3"]}


@pytest.mark.parametrize("layout", ["kaldi", "librispeech"])
def test_layouts_whose_tables_name_everything_have_no_such_count(tmp_path: Path, layout: str) -> None:
    assert unnamed(LAYOUTS[layout](tmp_path)) is None


def test_a_folder_that_may_not_be_searched_for_audio_is_refused(tmp_path: Path) -> None:
    corpus = LAYOUTS["tsv"](tmp_path)
    with (closed_to_nobody(corpus / "voice03", inside=corpus) as user,
          pytest.raises(CorpusError, match=f"voice03 must be readable by {user}")):
        unnamed(corpus)


def test_the_summary_counts_audio_that_no_table_names(tmp_path: Path) -> None:
    corpus = LAYOUTS["tsv"](tmp_path / "corpus")
    write_audio(corpus / "new" / "1.flac")
    assert run(corpus, tmp_path / "out")["unnamed_audio"] == {"count": 1, "first": ["new/1.flac"]}
