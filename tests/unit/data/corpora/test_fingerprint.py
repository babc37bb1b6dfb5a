"""A fingerprint changes when, and only when, ingest would read something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from evenvoice.data.corpora.fingerprint import fingerprint
from evenvoice.data.pseudonyms import KEY_VARIABLE
from evenvoice.errors import CorpusError, PreflightError
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


def replace_in_place(path: Path) -> None:
    """Other content of the same size, with the time of change that the file had, as rsync, tar and touch -r do it."""
    before = path.stat()
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@contextmanager
def as_nobody(path: Path) -> Iterator[None]:
    """Be a user who owns nothing, for whom the folders above ``path`` are open."""
    if os.geteuid() != 0:
        yield
        return
    for folder in path.parents:
        if str(folder).startswith(tempfile.gettempdir() + "/"):
            folder.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder for an index, and a recording in another one whose name ends in no suffix of audio."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return tmp_path / "index", write_audio(tmp_path / "elsewhere" / "one, two.sph")


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


@pytest.mark.parametrize("change", [replace_in_place, lambda path: path.rename(path.with_suffix(".wav")), Path.unlink])
def test_a_recording_that_was_replaced_renamed_or_removed_is_seen(corpus: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint(str(corpus))
    change(corpus / "part1" / "a.flac")
    assert fingerprint(str(corpus))["sha256"] != before["sha256"]


def test_a_recording_that_another_file_was_moved_over_is_seen(corpus: Path) -> None:
    path = corpus / "part1" / "a.flac"
    before, status = fingerprint(str(corpus)), path.stat()
    (corpus / "new").write_bytes(bytes(status.st_size))
    os.utime(corpus / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (corpus / "new").rename(path)
    assert fingerprint(str(corpus))["sha256"] != before["sha256"]


def write_tsv(index: Path, audio: str) -> Path:
    return write_manifest(index, [{"text": "stop", "path": audio}])


def write_csv(index: Path, audio: str) -> Path:
    path = index / "manifest.csv"
    path.write_text(f'\ufefftext,audio\n"stop, ""now""\nplease","{audio}"\n', encoding="utf-8")
    return path


def write_jsonl(index: Path, audio: str) -> Path:
    path = index / "manifest.jsonl"
    path.write_text(json.dumps({"text": "stop", "audio_filepath": audio}) + "\n", encoding="utf-8")
    return path


def write_parquet(index: Path, audio: str) -> Path:
    table = pa.table({"text": ["stop"] * 3, "path": pa.array([None, audio, "x.flac"]).dictionary_encode(),
                      "audio": [b"no path"] * 3})
    pa.parquet.write_table(table, index / "manifest.parquet")
    return index / "manifest.parquet"


def write_scp(index: Path, audio: str) -> Path:
    (index / "wav.scp").write_text(f"a-1\t{audio}\n", encoding="utf-8")
    return index / "wav.scp"


def write_list(index: Path, audio: str) -> Path:
    (index / "audio.txt").write_text(f"{audio}\n", encoding="utf-8")
    return index / "audio.txt"


WRITERS = [write_tsv, write_csv, write_jsonl, write_parquet, write_scp, write_list]


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("write", WRITERS)
def test_audio_elsewhere_is_followed_whatever_names_it_and_whatever_its_suffix(
        apart: tuple[Path, Path], write: Callable[[Path, str], Path], alone: bool) -> None:
    index, audio = apart
    index.mkdir()
    named = write(index, str(audio))
    corpus = str(named if alone else index)
    before = fingerprint(corpus)
    assert before["files"] == 2
    replace_in_place(audio)
    assert fingerprint(corpus)["sha256"] != before["sha256"]


@pytest.mark.parametrize("write", [write_tsv, write_csv, write_jsonl, write_parquet])
def test_a_manifest_alone_counts_what_it_names_beside_it_without_a_known_suffix(
        tmp_path: Path, write: Callable[[Path, str], Path]) -> None:
    audio = write_audio(tmp_path / "part" / "one.sph")
    named = write(tmp_path, "part/one.sph")
    before = fingerprint(str(named))
    assert before["files"] == 2
    replace_in_place(audio)
    assert fingerprint(str(named))["sha256"] != before["sha256"]


def test_a_parquet_file_that_is_no_manifest_is_not_searched(corpus: Path) -> None:
    (corpus / "part1" / "statistics.parquet").write_bytes(b"anything")
    assert fingerprint(str(corpus))["files"] == 4


def test_a_parquet_manifest_is_refused_where_it_cannot_be_searched(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(tmp_path, "a.flac")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(PreflightError, match=r"pyarrow must be installed to see what .*manifest\.parquet names"):
        fingerprint(str(tmp_path))


def test_a_damaged_parquet_manifest_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "manifest.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(CorpusError, match=r"manifest\.parquet must be a readable Parquet file"):
        fingerprint(str(tmp_path))


def test_selected_clips_of_common_voice_count_although_the_table_leaves_their_folder_out(tmp_path: Path) -> None:
    audio = write_audio(tmp_path / "clips" / "voice_en_1.mp3")
    write_manifest(tmp_path, [{"client_id": "a", "path": "voice_en_1.mp3", "sentence": "stop"}], "validated.tsv")
    before = fingerprint(str(tmp_path), "voice_en")
    replace_in_place(audio)
    assert fingerprint(str(tmp_path), "voice_en")["sha256"] != before["sha256"]


def test_a_selected_folder_that_is_a_link_to_another_counts(corpus: Path) -> None:
    (corpus / "again").symlink_to(corpus / "part2")
    (corpus / "zero").symlink_to(corpus / "part2")
    before = fingerprint(str(corpus), "zero/")
    replace_in_place(corpus / "part2" / "b.flac")
    assert fingerprint(str(corpus), "zero/")["sha256"] != before["sha256"]


@pytest.mark.parametrize("name", ["part1/c.flac", "text", "manifest.csv"])
def test_a_link_that_leads_nowhere_counts_by_its_name_and_so_does_its_repair(corpus: Path, name: str) -> None:
    without = fingerprint(str(corpus))
    (corpus / name).symlink_to(corpus / "nowhere")
    broken = fingerprint(str(corpus))
    assert broken["files"] == without["files"] + 1
    (corpus / "nowhere").write_bytes(b"")
    (corpus / name).unlink()
    (corpus / name).symlink_to(corpus / "part2" / "b.flac")
    assert len({found["sha256"] for found in (without, broken, fingerprint(str(corpus)))}) == 3


def test_a_link_to_itself_is_one_that_leads_nowhere(corpus: Path) -> None:
    (corpus / "part1" / "me").symlink_to(corpus / "part1" / "me")
    assert fingerprint(str(corpus))["files"] == 4


@pytest.mark.parametrize("closed", ["manifest.tsv", "part1", "."])
def test_what_may_not_be_read_is_refused_with_its_name_and_the_user(corpus: Path, closed: str) -> None:
    corpus.chmod(0o755)
    (corpus / closed).chmod(0)
    try:
        with as_nobody(corpus), pytest.raises(CorpusError) as refused:
            fingerprint(str(corpus))
    finally:
        (corpus / closed).chmod(0o755)
    user = "user nobody" if os.geteuid() == 0 else "user "
    assert str(refused.value).startswith(f"{corpus / closed} must be readable by {user}")
    assert refused.value.value == "Permission denied"
    assert refused.value.exit_code == 3


def test_a_folder_that_may_not_be_entered_on_the_way_to_the_corpus_is_refused(corpus: Path) -> None:
    inner = corpus / "part1"
    corpus.chmod(0o600)
    try:
        with as_nobody(corpus), pytest.raises(CorpusError, match="must be readable by"):
            fingerprint(str(inner))
    finally:
        corpus.chmod(0o755)


def test_a_path_that_is_not_there_is_refused() -> None:
    with pytest.raises(CorpusError, match="corpus nowhere/at/all must exist"):
        fingerprint("nowhere/at/all")


def test_it_needs_the_standard_library_only() -> None:
    code = ("import sys; import evenvoice.data.corpora.fingerprint; "
            "print([m for m in ('numpy', 'pyarrow', 'pydantic', 'soundfile') if m in sys.modules])")
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
