"""Files are whole or absent."""

from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.storage import fresh_directory, read_json, sha256, sha256_of_each, write_json, write_text


def test_a_directory_appears_only_when_its_writer_is_done(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with fresh_directory(target) as draft:
        (draft / "a.txt").write_text("new", encoding="utf-8")
        assert not target.exists()
    assert (target / "a.txt").read_text(encoding="utf-8") == "new"


def test_a_writer_that_fails_leaves_the_old_directory_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with fresh_directory(target) as draft:
        (draft / "a.txt").write_text("old", encoding="utf-8")
    with pytest.raises(FileNotFoundError), fresh_directory(target) as draft:
        (draft / "no such folder" / "a.txt").write_text("new", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (target / "a.txt").read_text(encoding="utf-8") == "old"


def test_a_directory_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with fresh_directory(target) as draft:
        (draft / "old.txt").touch()
    with fresh_directory(target) as draft:
        (draft / "new.txt").touch()
    assert [path.name for path in target.iterdir()] == ["new.txt"]


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [2.5, None]})
    write_json(tmp_path / "b.json", {"a": [2.5, None], "b": 1})
    assert sha256(tmp_path / "a.json") == sha256(tmp_path / "b.json")


def test_hashes_of_files_come_in_their_order(tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(20)]
    for number, file in enumerate(files):
        file.write_bytes(bytes(1000 * number))
    assert sha256_of_each(files) == [sha256(file) for file in files]
    assert sha256_of_each([]) == []


def test_nan_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"wer": 0.1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"wer": float("nan")})
    assert read_json(tmp_path / "a.json") == {"wer": 0.1}


def test_a_missing_file_names_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no such file instead\. Run the stage that writes it"):
        read_json(tmp_path / "none.json")


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", '{"wer": 0.')
    with pytest.raises(ArtifactError, match=r"a\.json must be JSON"):
        read_json(tmp_path / "a.json")
