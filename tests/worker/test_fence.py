"""Two workers of one stage at once, as when a node is cut off: the one that began last speaks for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evenvoice.errors import TransientError
from evenvoice.storage import sha256, write_json
from tests.builders.pod_processes import Site
from worker.checkpoint_copies import CheckpointCopies
from worker.fence import IDENTITY, Fence

pytestmark = pytest.mark.engine


@pytest.fixture
def site(site: Site) -> Site:
    fence = site.image / "worker" / "fence.py"
    text = fence.read_text(encoding="utf-8")
    assert "LOOK_EVERY_S: Final = 15.0" in text
    fence.write_text(text.replace("LOOK_EVERY_S: Final = 15.0", "LOOK_EVERY_S: Final = 0.2"), encoding="utf-8")
    return site


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert happened()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_earlier_worker_ends_its_stage_and_publishes_nothing(site: Site) -> None:
    exchange = site.begin("first", upstream={"wait": ()})
    earlier = site.start("first", "wait")
    wait_until((site.directory / "waits").exists)
    pid = int((site.directory / "waits").read_text(encoding="utf-8"))

    status, _ = site.stage("first", "wait")
    output, _ = earlier.communicate(timeout=120)

    assert (status, earlier.returncode) == (0, 75)
    assert output.count("this worker of wait must be the last one that began") == 1
    assert "is published" not in output
    assert not is_running(pid)
    assert exchange.fragment("wait") is not None


def test_whoever_lost_the_stage_may_not_publish(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    store = site.exchange("first").store
    monkeypatch.setenv(IDENTITY, "uid-of-the-first-pod")
    first = Fence(store, "train")
    first.take()
    assert store.read("owners/train") == b"uid-of-the-first-pod"
    first.demand()

    monkeypatch.setenv(IDENTITY, "uid-of-the-second-pod")
    Fence(store, "train").take()

    assert not first.holds()
    with pytest.raises(TransientError, match="this worker of train must be the last one that began"):
        first.demand()


def test_a_store_that_does_not_answer_ends_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.fence.LOOK_EVERY_S", 0.01)
    fence = Fence(site.exchange("first").store, "train")
    before = signal.getsignal(signal.SIGUSR1)

    with fence.watched():  # nobody took it: the object is missing
        time.sleep(0.3)

    assert signal.getsignal(signal.SIGUSR1) == before


def test_whoever_lost_the_stage_copies_no_checkpoint(site: Site, tmp_path: Path) -> None:
    store = site.exchange("first").store
    generation = tmp_path / "base" / "0f3a" / "generation-00000010"
    generation.mkdir(parents=True)
    (generation / "state.safetensors").write_bytes(b"weights")
    write_json(generation / "complete.json", {"state.safetensors": sha256(generation / "state.safetensors")})
    first = Fence(store, "train")
    first.take()
    copies = CheckpointCopies(store, "train", tmp_path, first.holds)

    Fence(store, "train").take()
    copies.copy_latest()

    assert list(store.list("checkpoints/")) == []


def test_every_worker_without_a_pod_has_an_identity_of_its_own(site: Site) -> None:
    assert IDENTITY not in os.environ
    store = site.exchange("first").store
    first, second = Fence(store, "train"), Fence(store, "train")
    first.take()

    assert (first.holds(), second.holds()) == (True, False)
