"""DVC serves stale results when a stage's deps and params miss what its code imports and reads; derived here."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml

from dags.dvc_graph import load_graph
from evenvoice.params import ARMS, MADE_FROM, METHODS

ROOT = Path(__file__).resolve().parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
EXEMPT = {"evenvoice/errors.py", "evenvoice/progress.py", "evenvoice/storage.py",
          "evenvoice/code.py", "evenvoice/settings.py", "evenvoice/made_with.py",
          "stages/__init__.py", "stages/entry.py", "stages/paths.py",
          *(f"evenvoice/{folder}/{path.name}" for folder in ("params", "object_store")
            for path in (ROOT / "evenvoice" / folder).glob("*.py"))}
"""They cannot change a result without changing values or paths that DVC tracks: they validate, report, name and move
files, or say how threads wait and what a stage works with, but compute nothing. Of the lists of models and methods in
evenvoice/params each name is a dependency in dvc.yaml as well: test_one_list.py."""
LOADED_BY_NAME = {"discover": [f"evenvoice.cohorts.{method}" for method in METHODS],
                  "mitigate": [f"evenvoice.mitigation.{arm}" for arm in ARMS if arm not in MADE_FROM],
                  **{arm: [f"evenvoice.mitigation.{arm}"] for arm in MADE_FROM}}
"""What a stage imports by a name that it is given."""


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("evenvoice", "stages", cache_dir=None)


def file_of(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def computes_something(path: Path) -> bool:
    """A package's __init__ that holds a docstring alone does not."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)) for part in body)


def code_of(stage: str) -> set[str]:
    """Files that running the stage imports, and the packages they lie in."""
    roots = [f"stages.{stage}", *LOADED_BY_NAME.get(stage, [])]
    modules = {*roots}.union(*(imports().find_upstream_modules(root) for root in roots))
    packages = {module.rsplit(".", depth)[0] for module in modules for depth in range(1, module.count(".") + 1)}
    files = {file_of(module) for module in modules | packages}
    return {str(file.relative_to(ROOT)) for file in files if computes_something(file)} - EXEMPT


def covers(dep: str, file: str) -> bool:
    return Path(file).is_relative_to(dep)


def reads_of(stage: str) -> set[str]:
    """Every ``params.a.b`` of the stage's file as ``a.b``; a section that is passed on whole as ``a``."""
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    chains = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    dotted = {chain.removeprefix("params.") for chain in chains if chain.startswith("params.")}
    return {chain for chain in dotted if not any(other.startswith(f"{chain}.") for other in dotted)}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_every_file_the_stage_imports(stage: str) -> None:
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith(("evenvoice/", "stages/"))]

    missing = sorted(file for file in code_of(stage) if not any(covers(dep, file) for dep in deps))

    assert not missing, f"add to the deps of {stage} in dvc.yaml:\n" + "\n".join(f"      - {file}" for file in missing)


@pytest.mark.parametrize("stage", STAGES)
def test_every_code_dep_is_imported(stage: str) -> None:
    code = code_of(stage)

    needless = [dep for dep in STAGES[stage]["deps"] if dep.startswith(("evenvoice/", "stages/"))
                and not any(covers(dep, file) for file in code)]

    assert not needless, f"{stage} imports nothing of {needless}: a change there would run it for nothing"


@pytest.mark.parametrize("stage", STAGES)
def test_params_cover_everything_the_stage_reads(stage: str) -> None:
    # "arms.${item.arm}" is the item's own part of a section that holds a part for each
    listed = [re.sub(r"\.\$\{item\.\w+\}$", "", entry) for entry in STAGES[stage]["params"]]

    missing = sorted(name for name in reads_of(stage)
                     if not any(name == entry or name.startswith(f"{entry}.") for entry in listed))

    assert not missing, f"add to the params of {stage} in dvc.yaml: {missing}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_file_of_the_stage_directory_is_a_stage(stage: str) -> None:
    assert (ROOT / "stages" / f"{stage}.py").is_file()
    assert f"python -m stages.{stage}" in STAGES[stage]["cmd"]


def test_every_dependency_on_a_result_is_on_the_whole_of_it() -> None:
    """Only then dvc.lock tells whether a stage read what was made: a part of a folder has a hash of its own."""
    graph = load_graph(ROOT)
    outs = {out for node in graph for out in node.outs}

    parts = [f"{node.name}: {dep}" for node in graph for dep in node.deps if dep not in outs
             and any(dep.startswith(f"{out}/") or out.startswith(f"{dep}/") for out in outs)]

    assert parts == []
