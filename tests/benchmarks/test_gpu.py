"""The benchmark of a GPU, on a processor at toy size: it ends, and needs few packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import __main__ as bench
from benchmarks.gpu import device, loss, part
from benchmarks.gpu.scale import FULL, TINY
from benchmarks.gpu.training import RECIPE, edits
from evenvoice.params import load_params
from tests.builders.checkout import ROOT

ALLOWED = ("torch", "numpy", "pyarrow", "scikit-learn", "pydantic", "soundfile")
REFUSING = """
import sys
from importlib.machinery import PathFinder

class Refusing(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {refused!r} else super().find_spec(name, path, target)

sys.meta_path[:] = [Refusing if finder is PathFinder else finder for finder in sys.meta_path]
"""


def needed(names: tuple[str, ...]) -> set[str]:
    """These packages, and all that they require."""
    found: set[str] = set()
    waiting = [name.lower() for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        found.add(name)
        waiting += [re.split(r"[^A-Za-z0-9_.-]", one)[0].lower().replace("_", "-") for one in required
                    if "extra ==" not in one]
    return found


def refused() -> set[str]:
    """Names that can be imported here and would not be there."""
    kept = needed(ALLOWED) | {"evenvoice"}
    return {name for name, owners in importlib.metadata.packages_distributions().items()
            if not kept & {owner.lower().replace("_", "-") for owner in owners}}


@pytest.mark.science
def test_every_part_runs_to_its_end_where_only_the_named_packages_are(tmp_path):
    """Several processes of torch: the one test of the whole."""
    names = refused()
    assert names >= {"safetensors", "sentencepiece", "soxr", "yaml", "rapidfuzz", "pytest"}
    assert not names & {"torch", "numpy", "scipy", "evenvoice"}
    (tmp_path / "sitecustomize.py").write_text(REFUSING.format(refused=names), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-m", "benchmarks.gpu", "--tiny", "--out", str(tmp_path)], cwd=tmp_path,
                          env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("*-gpu-tiny.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["versions"]["torch"] == torch.__version__
    rows = {name: found["rows"] for name, found in result["parts"].items()}
    assert list(rows) == sorted(part.MEASURES)  # JSON is written with its names in order
    assert rows["correctness"]["3,9,5,7"]["plain"]["gradient of weight"] < 1e-5
    assert rows["correctness"]["3,9,5,7"]["reference against the textbook recursion"] < 1e-12
    assert set(rows["loss"]["2,6,4,7"]) == {"evenvoice", "plain", "plain_flushed", "warprnnt_numba"}
    assert rows["loss"]["2,6,4,7"]["warprnnt_numba"] == {"absent": "warprnnt_numba is not installed"}
    assert rows["together"]["2"] | {"backend": "gloo", "processes": 2, "same_weights": True} == rows["together"]["2"]
    assert rows["training"]["conformer tiny"]["uncompiled"]["audio_s_per_s"] > 0
    assert rows["automatic"]["lstm tiny"]["chosen_batch_s"] == 25.0
    assert rows["learning"]["lstm tiny"]["test_words"] > 0
    assert rows["streams"]["lstm tiny"]["2"]["with_search"]["p50_ms"] > 0


def test_without_a_gpu_only_a_little_can_be_measured(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        bench.main([])
    assert "this machine has no GPU that torch can use: --tiny measures" in capsys.readouterr().err


def test_the_recipe_is_that_of_params_yaml():
    assert load_params(ROOT / "params.yaml").train == RECIPE


def test_all_parts_fit_seven_minutes_and_have_a_budget():
    assert FULL.total_s <= 420
    for scale in (FULL, TINY):
        assert set(scale.budgets_s) == set(part.MEASURES)
        assert all(part.items(name, scale) for name in part.MEASURES)


def test_a_rival_that_runs_out_of_memory_is_a_figure_and_ends_nothing(monkeypatch):
    def too_large(_batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB.\nmore")

    monkeypatch.setitem(loss.PEERS["cpu"], "plain", too_large)
    row = loss.speed("2,6,4,7", TINY)
    assert row["plain"]["out_of_memory"] == "CUDA out of memory. Tried to allocate 80.00 GiB."
    assert row["evenvoice"]["ms"] > 0
    assert row["plain_flushed"]["ms"] > 0


def test_a_rival_that_flushes_subnormal_numbers_does_so_for_itself_alone():
    loss.speed("2,6,4,7", TINY)
    assert torch.finfo(torch.float64).smallest_normal / 2 > 0


def test_a_rival_that_fails_is_told(monkeypatch):
    def broken(_batch):
        raise RuntimeError("no kernel")

    monkeypatch.setitem(loss.PEERS["cpu"], "plain", broken)
    assert loss.speed("2,6,4,7", TINY)["plain"] == {"failed": "RuntimeError: no kernel"}


def written(monkeypatch, code: str, wanted: list[str], *, seconds: float = 20.0) -> dict[str, dict[str, object]]:
    """Rows of a part whose process runs ``code`` instead; its arguments stand in ``argv``."""
    run = bench._run
    monkeypatch.setattr(bench, "items", lambda *_: tuple(wanted))
    monkeypatch.setattr(bench, "_run", lambda command, until: run(
        [sys.executable, "-c", f"import json, os, sys, time; argv = sys.argv[1:]\n{code}", *command[3:]], until))
    return bench.measured("loss", TINY, ends_at=time.monotonic() + seconds)


TELLS = """
with open(argv[2], "a") as file:
    for item in argv[3:]:
        print(json.dumps({"item": item}), file=file, flush=True)
        if item == "dies": os._exit(9)
        if item == "hangs": time.sleep(600)
        print(json.dumps({"item": item, "row": {"ms": 1.0}}), file=file, flush=True)
"""


def test_a_process_that_dies_costs_the_item_that_it_was_at(monkeypatch, capsys):
    rows = written(monkeypatch, TELLS, ["first", "dies", "last"])
    assert rows == {"first": {"ms": 1.0}, "dies": {"not_measured": "its process ended with status 9"},
                    "last": {"ms": 1.0}}
    assert "loss  dies  its process ended with status 9" in capsys.readouterr().out


def test_a_process_that_hangs_is_ended_with_its_part(monkeypatch):
    rows = written(monkeypatch, TELLS, ["first", "hangs", "last"], seconds=2.0)
    assert rows["first"] == {"ms": 1.0}
    assert rows["hangs"] == {"not_measured": "its part's time was over"}
    assert rows["last"]["not_measured"].endswith("of all, were over")


def test_what_is_missing_is_told_by_whoever_calls_it(monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.absent.NEVER_CALLED", {"no_such_package"})
    distance = importlib.import_module("no_such_package.distance")
    with pytest.raises(ModuleNotFoundError, match="editops was called, and no_such_package is not installed"):
        distance.Levenshtein.editops([], [])
    with pytest.raises(ModuleNotFoundError, match="no_other_package"):
        importlib.import_module("no_other_package")


@pytest.mark.parametrize(("said", "heard", "count"), [
    ("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b c", "a x c d", 2), ("a", "", 1), ("", "a b", 2),
    ("a b c d", "b c d a", 2)])
def test_word_errors_are_the_fewest_edits(said, heard, count):
    assert edits(said.split(), heard.split()) == count


def test_a_processor_has_no_peak_of_a_gpu():
    assert device.with_peak(lambda: 3) == (3, None)
    seconds, found = device.timed(lambda: 4)
    assert found == 4
    assert seconds >= 0


def test_the_target_of_make_needs_no_virtual_environment(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"), encoding="utf-8")

    def command(*arguments: str) -> str:
        done = subprocess.run(["make", "-n", "bench-gpu", *arguments], cwd=tmp_path, capture_output=True, text=True,
                              check=True, env={"PATH": os.environ["PATH"]})
        return " ".join(done.stdout.replace("\\\n", " ").split())

    assert command() == "python3 -m benchmarks.gpu"
    assert command("PYTHON=/opt/python", "TINY=1") == "/opt/python -m benchmarks.gpu --tiny"
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(Path(sys.executable))
    assert command() == ".venv/bin/python -m benchmarks.gpu"
