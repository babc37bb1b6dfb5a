"""A small checkout that looks like the project to whoever builds images, and a small wheelhouse."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.builders.checkout import committed

ROOT = Path(__file__).resolve().parents[2]


def code_checkout(directory: Path) -> Path:
    """A committed checkout with one file in each part that an image holds, and locks of two packages."""
    files = {
        "evenvoice/__init__.py": "", "stages/train.py": "print('training')\n", "worker/__main__.py": "",
        "dags/train_asr.py": "", "ops/run.py": "", "dvc.yaml": "stages: {}\n", "params.yaml": "seed: 1\n",
        "profiles/tiny.yaml": "seed: 2\n", ".dvc/config": "", ".dvcignore": "", ".gitignore": "__pycache__/\n*.swp\n",
        "locks/stage.txt": "# Made by hand.\nnumpy==2.4.6\ntorch==2.13.0\n",
        "locks/airflow.txt": "numpy==2.4.6\n", "locks/run.txt": "flask==3.0.0\nnumpy==2.4.6\ntorch==2.13.0\n",
    }
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content, encoding="utf-8")
    shutil.copytree(ROOT / "docker", directory / "docker")
    return committed(directory)


def wheelhouse(directory: Path, *names: str) -> Path:
    """A folder of files that are wheels by name alone."""
    directory.mkdir()
    for name in names:
        (directory / name).write_bytes(b"")
    return directory
