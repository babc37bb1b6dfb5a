"""The README's tree, links, commands and stages are true."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TREE = re.findall(r"^([a-z_.]+/?) {2,}\S", README.split("## The house")[1].split("```")[1], re.MULTILINE)


def test_the_tree_is_the_tree() -> None:
    missing = [entry for entry in TREE if not (ROOT / entry.rstrip("/")).exists()]
    assert len(TREE) > 8
    assert missing == []


def test_the_tree_names_every_folder_that_is_tracked() -> None:
    tracked = {path.name for path in ROOT.iterdir() if path.is_dir() and (path.name[0] != ".") and any(
        file.suffix in {".py", ".md", ".yaml", ".txt"} for file in path.rglob("*"))}
    made_here = {"artifacts", "reports", "checkpoints", "evenvoice.egg-info"}
    assert tracked - made_here - {entry.rstrip("/") for entry in TREE} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = set(re.findall(r"`(?:\$ )?make ([a-z-]+)|^\$ make ([a-z-]+)", document.read_text(encoding="utf-8"),
                          re.MULTILINE))
    assert {first or second for first, second in used} - targets == set()


def test_the_picture_shows_every_stage() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    picture = README.split("```mermaid")[1].split("```")[0]
    assert [stage for stage in stages if not re.search(rf"\b{stage}\b", picture)] == []
