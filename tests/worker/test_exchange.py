"""Stages in separate directories that share nothing but an object store. On the real DVC and a real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evenvoice import dvc_lock
from evenvoice.errors import ArtifactError, TransientError
from evenvoice.object_store import ObjectStore
from evenvoice.storage import sha256, write_json
from tests.builders.pod_processes import UPSTREAM, Site
from worker.checkpoint_copies import CheckpointCopies
from worker.exchange import Settings

pytestmark = pytest.mark.engine


def test_results_pass_from_stage_to_stage_and_a_second_run_executes_nothing(site: Site) -> None:
    exchange = site.begin("first")

    assert [site.stage("first", name)[0] for name in ("double", "add")] == [0, 0]
    [out] = (exchange.fragment("add") or {})["outs"]
    assert ObjectStore.at(exchange.remote).read(f"files/md5/{out['md5'][:2]}/{out['md5'][2:]}") == b"12"

    again = site.begin("second")  # it knows nothing of the first but the remote
    outputs = [site.stage("second", name) for name in ("double", "add")]

    assert [status for status, _ in outputs] == [0, 0]
    assert [word for word in ("doubling", "adding") if word in "".join(text for _, text in outputs)] == []
    assert again.fragment("add") == exchange.fragment("add")


def test_what_is_known_but_no_longer_stored_is_computed_again(site: Site) -> None:
    exchange = site.begin("first")
    assert site.stage("first", "double")[0] == 0
    known = site.directory / "known.lock"
    dvc_lock.write(known, {"double": exchange.fragment("double")})
    client = site.server.client()
    for found in ObjectStore.at(exchange.remote).list("files/"):
        client.delete_object(Bucket=site.bucket, Key=f"root/cache/{found.key}")

    third = site.begin("second", known.read_text(encoding="utf-8"))
    status, output = site.stage("second", "double")

    assert status == 0
    assert "doubling" in output
    assert third.results(site.directory).missing((third.fragment("double") or {})["outs"]) == []


def known_lock(site: Site, run: str) -> str:
    exchange = site.exchange(run)
    path = site.directory / f"{run}.lock"
    dvc_lock.write(path, {name: exchange.fragment(name) for name in UPSTREAM})
    return path.read_text(encoding="utf-8")


def test_a_stage_whose_input_changed_is_run_again_although_an_earlier_run_knows_it(site: Site) -> None:
    """DVC takes an input that is not there for one that did not change; once, a whole verdict came from that."""
    site.begin("first")
    for name in UPSTREAM:
        assert site.stage("first", name)[0] == 0

    second = site.begin("second", known_lock(site, "first"), numbers="4, 5")
    outputs = {name: site.stage("second", name) for name in UPSTREAM}

    assert [status for status, _ in outputs.values()] == [0, 0]
    assert "adding" in outputs["add"][1]
    [out] = (second.fragment("add") or {})["outs"]
    assert ObjectStore.at(second.remote).read(f"files/md5/{out['md5'][:2]}/{out['md5'][2:]}") == b"18"
    assert dvc_lock.disagreements(dvc_lock.parse(known_lock(site, "second"), "")) == []


def test_a_result_of_an_earlier_run_with_the_same_inputs_is_restored_from_the_run_cache(site: Site) -> None:
    for run, numbers, lock in (("first", "1, 2, 3", ""), ("second", "4, 5", "first"), ("third", "1, 2, 3", "second")):
        site.begin(run, known_lock(site, lock) if lock else "", numbers=numbers)
        outputs = "".join(site.stage(run, name)[1] for name in UPSTREAM)

    assert [word for word in ("doubling", "adding") if word in outputs] == []
    assert site.exchange("third").fragment("add") == site.exchange("first").fragment("add")


def test_a_stage_that_is_forced_gets_its_inputs_and_runs(site: Site) -> None:
    site.begin("first")
    for name in UPSTREAM:
        site.stage("first", name)
    site.begin("second", known_lock(site, "first"))
    site.stage("second", "double")

    status, output = site.stage("second", "add", "--force")

    assert (status, "adding" in output) == (0, True), output
    assert site.exchange("second").fragment("add") == site.exchange("first").fragment("add")


def test_an_earlier_result_counts_only_where_it_fits_what_this_run_published(site: Site) -> None:
    site.begin("first")
    for name in UPSTREAM:
        site.stage("first", name)
    exchange = site.begin("second", known_lock(site, "first"), upstream={"double": (), "add": ("double",),
                                                                         "more": ("add",)})
    exchange.publish("double", {"outs": [{"path": "out/doubled", "md5": "0" * 32}]})

    status, output = site.stage("second", "more")

    assert status == 3
    assert "fragments/add must be published before more runs" in output


def test_a_damaged_result_is_refused_by_name_and_nothing_is_published(site: Site) -> None:
    exchange = site.begin("first")
    assert site.stage("first", "double")[0] == 0
    [found] = [found for found in ObjectStore.at(exchange.remote).list("files/") if not found.key.endswith(".dir")]
    ObjectStore.at(exchange.remote).write(found.key, b"[7, 7, 7]")

    status, output = site.stage("first", "add")

    assert status != 0
    assert "out/doubled" in output
    assert exchange.fragment("add") is None


def test_a_stage_that_was_published_is_not_run_again_even_when_forced(site: Site) -> None:
    site.begin("first")
    site.stage("first", "double")

    status, output = site.stage("first", "double", "--force")

    assert (status, "was published by an earlier try" in output) == (0, True)


def test_pieces_of_every_shard_reach_the_stage(site: Site) -> None:
    exchange = site.begin("first")
    site.stage("first", "double")

    statuses = [site.stage("first", "add", "--shard", shard)[0] for shard in ("1/2", "2/2")]
    status, output = site.stage("first", "add")

    assert [*statuses, status] == [0, 0, 0]
    assert exchange.fragment("add-shard-2-of-2") == {"pieces": ["add/2-2/sum"]}
    assert "pieces ['pieces/add/1-2/sum', 'pieces/add/2-2/sum']" in output


def test_an_image_with_other_code_is_refused(site: Site) -> None:
    site.begin("first")
    (site.image / "stages" / "double.py").write_text("print('other')\n", encoding="utf-8")

    status, output = site.stage("first", "double")

    assert status == 3
    assert f"the code in {site.image} must be that of the run" in output


def test_a_stage_before_its_time_is_refused(site: Site) -> None:
    site.begin("first")

    status, output = site.stage("first", "add")

    assert status == 3
    assert "fragments/double must be published before add runs" in output


def test_the_first_fragment_stands_and_another_is_refused_by_name(site: Site) -> None:
    exchange = site.begin("first")
    first = {"cmd": "train", "outs": [{"path": "model", "md5": "1" * 32}]}
    other = {"cmd": "train", "outs": [{"path": "model", "md5": "2" * 32}]}
    exchange.publish("train", first)
    exchange.publish("train", dict(reversed(first.items())))

    with pytest.raises(TransientError, match=r"fragments/train must stay .* model 22.* where model 11.* stands"):
        exchange.publish("train", other)

    assert exchange.fragment("train") == first


def test_a_run_keeps_the_settings_it_began_with(site: Site) -> None:
    exchange = site.begin("first", "stages: {}\n")
    site.begin("first", "stages: {later: {}}\n")
    assert exchange.settings().lock == "stages: {}\n"

    changed = Settings(params="seed: 2\n", graph="", corpus="{}", watched="{}", lock="", code="x", upstream=UPSTREAM)
    with pytest.raises(ArtifactError, match=r"settings.json must be written once"):
        exchange.open(changed)


def generation(directory: Path, step: int, weights: bytes) -> Path:
    path = directory / "base" / "0f3a" / f"generation-{step:08d}"
    path.mkdir(parents=True)
    (path / "state.safetensors").write_bytes(weights)
    (path / "record.json").write_text(json.dumps({"step": step}), encoding="utf-8")
    write_json(path / "complete.json", {name: sha256(path / name) for name in ("state.safetensors", "record.json")})
    return path


def test_the_latest_checkpoint_comes_back_in_another_pod(site: Site, tmp_path: Path) -> None:
    store = site.exchange("first").store
    here, there = tmp_path / "here", tmp_path / "there"
    copies = CheckpointCopies(store, "train", here, lambda: True)
    for step in (10, 20, 30):
        generation(here, step, bytes([step]) * 100)
        copies.copy_latest()

    CheckpointCopies(store, "train", there, lambda: True).restore()

    [found] = there.glob("*/*/generation-*")
    assert found.name == "generation-00000030"
    assert {file.name: file.read_bytes() for file in found.iterdir()} == {
        file.name: file.read_bytes() for file in (here / "base" / "0f3a" / found.name).iterdir()}
    assert len([entry for entry in store.list("checkpoints/") if entry.key.endswith("safetensors")]) == 2


def test_a_checkpoint_that_was_altered_in_the_store_is_refused(site: Site, tmp_path: Path) -> None:
    store = site.exchange("first").store
    generation(tmp_path / "here", 10, b"weights")
    CheckpointCopies(store, "train", tmp_path / "here", lambda: True).copy_latest()
    store.write("checkpoints/train/0/state.safetensors", b"weighty")

    with pytest.raises(ArtifactError, match=r"checkpoints/train/0/state.safetensors must have the SHA-256"):
        CheckpointCopies(store, "train", tmp_path / "there", lambda: True).restore()

    assert not list((tmp_path / "there").glob("*/*/generation-*"))


def settings_of(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def test_settings_of_another_form_are_refused_by_name(site: Site) -> None:
    exchange = site.exchange("first")
    exchange.store.write("settings.json", settings_of({"params": ""}))

    with pytest.raises(ArtifactError, match=r"settings.json must hold the settings of a run"):
        exchange.settings()
