"""Throw-away checkouts: the real configuration, or a graph of three stages that take no time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL_GRAPH = """\
stages:
  first:
    cmd: mkdir -p out && cat in.txt > out/first
    deps: [in.txt]
    params: [seed]
    outs: [out/first]
  second:
    matrix:
      item:
        - a
        - b
    cmd: cat out/first > out/second_${item.item}
    deps: [out/first]
    outs: ["out/second_${item.item}"]
  report:
    cmd: cat out/second_a > out/report
    deps: [out/second_a, out/second_b]
    outs: [out/report]
"""


def git(directory: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    subprocess.run(["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", *arguments],
                   cwd=directory, check=True, capture_output=True)


def checkout(directory: Path) -> Path:
    """A committed checkout with the project's own params.yaml, dvc.yaml and profiles, and one source file."""
    directory.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, directory / name)
    shutil.copytree(ROOT / "profiles", directory / "profiles")
    (directory / "code.py").write_text("print('hello')\n", encoding="utf-8")
    return committed(directory)


def small_checkout(directory: Path) -> Path:
    """:func:`checkout` with :data:`SMALL_GRAPH` in place of the project's."""
    checkout(directory)
    (directory / "dvc.yaml").write_text(SMALL_GRAPH, encoding="utf-8")
    (directory / "in.txt").write_text("hello\n", encoding="utf-8")
    (directory / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", directory / ".dvc" / "config")
    shutil.copytree(ROOT / "dags", directory / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "a small graph")
    return directory


def full_checkout(directory: Path) -> Path:
    """Everything that git tracks, or would track, here; committed."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
    return committed(directory)


def committed(directory: Path) -> Path:
    """Make ``directory`` a repository with one commit."""
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "all of it")
    return directory


def archive(checkout: Path, directory: Path) -> Path:
    """Unpack `git archive` of the last commit of ``checkout`` into ``directory``."""
    directory.mkdir(parents=True)
    tar = subprocess.run(["git", "archive", "HEAD"], cwd=checkout, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", "--file", "-"], cwd=directory, input=tar, check=True)
    return directory
