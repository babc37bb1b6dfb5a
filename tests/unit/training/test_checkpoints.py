"""Checkpoints are whole or absent, and damage is found."""

import errno
import os

import pytest
import torch

from evenvoice.errors import ArtifactError, TrainingError
from evenvoice.training.checkpoints import Checkpoint, Checkpoints, discard, fingerprint


def generation(step: int) -> Checkpoint:
    return Checkpoint(step, {"model/weight": torch.full((3,), float(step))}, {"skipped": 1})


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.fixture
def two(tmp_path):
    kept = Checkpoints(tmp_path, "abc")
    kept.save(generation(1))
    kept.save(generation(2))
    return kept


def test_nothing_saved_is_nothing_loaded(tmp_path):
    assert Checkpoints(tmp_path, "abc").load() is None


def test_the_latest_comes_back(two):
    found = two.load()
    assert (found.step, found.record) == (2, {"skipped": 1})
    assert found.tensors["model/weight"].tolist() == [2.0, 2.0, 2.0]


def test_two_generations_are_kept(two, tmp_path):
    two.save(generation(3))
    assert sorted(path.name for path in (tmp_path / "abc").iterdir()) == ["generation-00000002", "generation-00000003"]


@pytest.mark.parametrize("file", ["state.safetensors", "record.json", "complete.json"])
def test_a_flipped_byte_leads_to_the_generation_before(two, tmp_path, file):
    flip_last_byte(tmp_path / "abc" / "generation-00000002" / file)
    assert two.load().step == 1


def test_an_unreadable_marker_leads_to_the_generation_before(two, tmp_path):
    (tmp_path / "abc" / "generation-00000002" / "complete.json").write_text("{")
    assert two.load().step == 1


def test_a_generation_without_its_marker_does_not_count(two, tmp_path):
    (tmp_path / "abc" / "generation-00000002" / "complete.json").unlink()
    assert two.load().step == 1


def test_damage_to_all_generations_is_an_error_that_names_the_file(two, tmp_path):
    for name in ("generation-00000001", "generation-00000002"):
        flip_last_byte(tmp_path / "abc" / name / "state.safetensors")
    with pytest.raises(ArtifactError, match=r"generation-00000002/state.safetensors must be as it was written"):
        two.load()


def test_another_training_never_sees_it(two, tmp_path):
    assert Checkpoints(tmp_path, "other").load() is None


def test_another_training_that_saves_clears_what_is_stale(two, tmp_path):
    Checkpoints(tmp_path, "other").save(generation(1))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize("failing_call", [1, 2, 3])
def test_a_full_disk_leaves_the_generation_before(two, monkeypatch, failing_call):
    calls, fsync = [], os.fsync

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2 * failing_call - 1:  # each file is flushed, then its folder
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match=r"checkpoint of step 3 .* No space left on device"):
        two.save(generation(3))
    assert two.load().step == 2


def test_discarding_leaves_nothing(two, tmp_path):
    discard(tmp_path)
    assert not tmp_path.exists()


def test_fingerprints_differ_when_any_part_does():
    assert fingerprint({"steps": 1}, ["a"]) == fingerprint({"steps": 1}, ["a"])
    assert len({fingerprint({"steps": 1}, ["a"]), fingerprint({"steps": 2}, ["a"]), fingerprint({"steps": 1}, ["b"]),
                fingerprint({"steps": 1}, ["a"], b"weights")}) == 4
