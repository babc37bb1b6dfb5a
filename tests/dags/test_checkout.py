"""What belongs to a checkout, and of which commit it is, with git and without."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dags.checkout import COMMIT, files, origin
from evenvoice.errors import WorkspaceError
from tests.builders.checkout import ROOT, archive, committed


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the project's own rules of what git ignores and what `git archive` fills in."""
    root = tmp_path / "clone"
    for name, content in {"code.py": "", "docs/a page.md": "", "profiles/größe.yaml": ""}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    for name in (".gitignore", ".gitattributes", ".git_archival.txt"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    return committed(root)


def make_what_is_ignored(root: Path) -> None:
    for name in (".venv/bin/python", ".evenvoice/runs/a", "artifacts/big", "docs/__pycache__/a.pyc", "a.egg-info/b",
                 "docker/stack.env.old", "corpus.json", "watched.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("made\n", encoding="utf-8")


def head(root: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_archive_holds_the_files_of_the_clone(clone: Path, tmp_path: Path) -> None:
    unpacked = archive(clone, tmp_path / "unpacked")
    for root in (clone, unpacked):
        make_what_is_ignored(root)
        (root / "new.py").write_text("not committed yet\n", encoding="utf-8")

    assert files(unpacked) == files(clone) == [".git_archival.txt", ".gitattributes", ".gitignore", "code.py",
                                               "docs/a page.md", "new.py", "profiles/größe.yaml"]


def test_an_archive_knows_its_commit_but_not_whether_it_was_changed(clone: Path, tmp_path: Path) -> None:
    assert origin(clone) == {"commit": head(clone), "dirty": False}
    assert origin(archive(clone, tmp_path / "unpacked")) == {"commit": head(clone), "dirty": True}


def test_files_of_which_nothing_says_the_commit_are_of_none(clone: Path, tmp_path: Path) -> None:
    (clone / ".git").rename(tmp_path / "elsewhere")  # as a person copies a checkout

    assert origin(clone) == {"commit": "none", "dirty": True}


def test_an_archive_inside_a_foreign_repository_is_not_taken_for_that(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / ".gitignore").write_text("*\n!.gitignore\n", encoding="utf-8")
    committed(tmp_path / "foreign")

    unpacked = archive(clone, tmp_path / "foreign" / "evenvoice")

    assert "code.py" in files(unpacked)
    assert origin(unpacked)["commit"] == head(clone)


@pytest.mark.parametrize(("given", "dirty"), [("abc", False), ("abc+changes", True)])
def test_an_image_is_told_its_commit(given: str, dirty: bool, clone: Path, tmp_path: Path,
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMIT, given)

    assert origin(archive(clone, tmp_path / "image")) == {"commit": "abc", "dirty": dirty}
    assert origin(clone)["commit"] == head(clone)


def test_a_commit_that_was_left_empty_counts_as_not_given(clone: Path, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMIT, "")

    assert origin(archive(clone, tmp_path / "image"))["commit"] == head(clone)


def test_a_clone_without_git_on_path_is_refused_with_what_to_do(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(clone))

    with pytest.raises(WorkspaceError, match=r"git must be installed, since .* is a clone.*Install git"):
        files(clone)
