"""DVC's remote in a real object store: what one machine computed another restores, and damage never passes for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dags.remote import has_remote, local_config, push
from dags.runs import Run
from evenvoice.errors import ParamsError, TransientError
from tests.builders.object_server import ObjectServer

GRAPH = """\
stages:
  greet:
    cmd: cat in.txt > out.txt && echo ran >> ../executions
    deps: [in.txt]
    outs: [out.txt]
"""


class Machine:
    """A workspace with a cache of its own."""

    def __init__(self, root: Path, remote: str, server: ObjectServer) -> None:
        self.workspace = root / "workspace"
        (self.workspace / ".dvc").mkdir(parents=True)
        (self.workspace / "dvc.yaml").write_text(GRAPH)
        (self.workspace / "in.txt").write_text("hello\n")
        config = local_config(root / "cache", {"EVENVOICE_REMOTE": remote})
        (self.workspace / ".dvc" / "config.local").write_text(config)
        self.environment = {**os.environ, **server.environment(), "DVC_NO_ANALYTICS": "1",
                            "DVC_SITE_CACHE_DIR": str(root / "site")}

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=self.workspace, env=self.environment,
                              capture_output=True, text=True, check=False)

    @property
    def result(self) -> str:
        return (self.workspace / "out.txt").read_text()

    @property
    def executions(self) -> int:
        log = self.workspace.parent / "executions"
        return log.read_text().count("ran") if log.exists() else 0


@pytest.fixture
def bucket(object_server: ObjectServer) -> str:
    return object_server.make_bucket()


@pytest.fixture
def there(tmp_path: Path, bucket: str, object_server: ObjectServer) -> Machine:
    """Another machine that computed the result and pushed it."""
    machine = Machine(tmp_path / "there", f"s3://{bucket}/results", object_server)
    for command in (("repro",), ("push", "--run-cache")):
        done = machine.dvc(*command)
        assert done.returncode == 0, done.stderr
    return machine


@pytest.fixture
def here(tmp_path: Path, bucket: str, object_server: ObjectServer) -> Machine:
    return Machine(tmp_path / "here", f"s3://{bucket}/results", object_server)


def test_what_one_machine_computed_another_restores_without_computing(there: Machine, here: Machine) -> None:
    done = here.dvc("repro", "--pull", "--allow-missing")
    assert (done.returncode, here.result) == (0, "hello\n"), done.stderr
    assert (there.executions, here.executions) == (1, 0)


def test_an_object_that_was_damaged_in_the_remote_is_refused(there: Machine, here: Machine, bucket: str,
                                                             object_server: ObjectServer) -> None:
    client = object_server.client()
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]]
    (key,) = [key for key in keys if "/runs/" not in key]
    client.put_object(Bucket=bucket, Key=key, Body=b"hellp\n")
    shutil.copy(there.workspace / "dvc.lock", here.workspace / "dvc.lock")
    done = here.dvc("pull")
    assert done.returncode != 0
    assert not (here.workspace / "out.txt").exists()
    assert not [path for path in (here.workspace.parent / "cache").rglob("*") if path.is_file()
                and path.read_bytes() == b"hellp\n"]


def test_no_remote_no_lines_of_one(tmp_path: Path) -> None:
    config = local_config(tmp_path / "cache", {})
    assert f"    dir = {tmp_path}/cache\n" in config
    assert "store" not in config


def test_every_remote_is_verified_and_holds_no_secret(tmp_path: Path) -> None:
    config = local_config(tmp_path, {"EVENVOICE_REMOTE": "s3://bucket/results/", "AWS_SECRET_ACCESS_KEY": "hush"})
    assert config.endswith("['remote \"store\"']\n    url = s3://bucket/results\n    verify = true\n")
    assert "hush" not in config


def test_a_remote_elsewhere_is_refused() -> None:
    with pytest.raises(ParamsError, match="must read s3://bucket/path, got 'ftp://host/results'"):
        local_config(Path("cache"), {"EVENVOICE_REMOTE": "ftp://host/results"})


def test_a_run_shares_its_results_where_a_remote_is_set(tmp_path: Path, bucket: str, object_server: ObjectServer,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**object_server.environment(), "EVENVOICE_REMOTE": f"s3://{bucket}/dvc"}.items():
        monkeypatch.setenv(name, value)
    run = Run(tmp_path, "monday")
    here = Machine(run.directory, f"s3://{bucket}/dvc", object_server)
    here.dvc("repro")

    push(run)

    elsewhere = Machine(tmp_path / "elsewhere", f"s3://{bucket}/dvc", object_server)
    shutil.copyfile(here.workspace / "dvc.lock", elsewhere.workspace / "dvc.lock")
    elsewhere.dvc("pull")
    assert elsewhere.result == "hello\n"


def test_results_that_did_not_arrive_are_a_reason_to_try_again(tmp_path: Path, object_server: ObjectServer,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**object_server.environment(), "EVENVOICE_REMOTE": "s3://no-such-bucket/dvc"}.items():
        monkeypatch.setenv(name, value)
    run = Run(tmp_path, "monday")
    Machine(run.directory, "s3://no-such-bucket/dvc", object_server).dvc("repro")

    with pytest.raises(TransientError, match="s3://no-such-bucket/dvc must take the results of the run"):
        push(run)


def test_a_remote_has_to_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENVOICE_REMOTE", raising=False)
    assert not has_remote()

    monkeypatch.setenv("EVENVOICE_REMOTE", "s3://bucket/dvc")
    assert has_remote()
