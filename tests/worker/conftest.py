"""Fixtures of the worker's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.builders.object_server import ObjectServer
from tests.builders.pod_processes import CODE, ROOT, Site


@pytest.fixture
def site(tmp_path: Path, object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in object_server.environment().items():
        if name not in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):  # DVC wants them to be files
            monkeypatch.setenv(name, value)
    image = tmp_path / "image"
    for package in ("evenvoice", "worker"):
        shutil.copytree(ROOT / package, image / package, ignore=shutil.ignore_patterns("__pycache__"))
    (image / "stages").mkdir()
    for name, text in CODE.items():
        (image / "stages" / f"{name}.py").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / ".dvcignore", image)
    return Site(tmp_path, object_server, object_server.make_bucket())
