"""Results by their hash: what is fetched and sent, never more than is needed, and as DVC itself reads and writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice import dvc_lock
from evenvoice.errors import ArtifactError
from evenvoice.object_store import ObjectStore
from tests.builders.pod_processes import FILE_BYTES, FILES, SPEECH, Site
from worker import dvc_door
from worker.exchange import Exchange
from worker.results import SMALL, Results

pytestmark = pytest.mark.engine
SMALL_FILES = 20_000
"""Settings, fragments, lists and the table of speakers, in bytes."""


def spoken(site: Site, run: str = "first", lock: str = "") -> Exchange:
    exchange = site.begin(run, lock, upstream=SPEECH)
    status, output = site.stage(run, "speak")
    assert status == 0, output
    return exchange


def outs(exchange: Exchange, stage: str) -> list[dict[str, str]]:
    return list((exchange.fragment(stage) or {})["outs"])


def test_a_shard_fetches_its_share_and_small_files(site: Site) -> None:
    exchange = spoken(site)

    for number in range(1, FILES + 1):
        status, output = site.stage("first", "measure", "--shard", f"{number}/{FILES}")
        assert status == 0, output
        assert FILE_BYTES <= site.measured("measure")["fetched_mb"] * 1e6 <= FILE_BYTES + SMALL_FILES

    assert [name for number in range(1, FILES + 1)
            for name in (exchange.fragment(f"measure-shard-{number}-of-{FILES}") or {})["pieces"]] == [
                f"measure/utterances-{number:016x}/length" for number in range(FILES)]


def test_a_machine_of_two_fetches_the_files_that_its_processes_draw_from(site: Site,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = spoken(site)
    exchange.store.write("rendezvous/learn/1", b"127.0.0.1")
    monkeypatch.setenv("EVENVOICE_ADDRESS", "127.0.0.1")
    monkeypatch.setenv("EVENVOICE_ATTEMPT", "1")

    status, output = site.stage("first", "learn", "--machine", "1/2")

    assert (status, "here 1 3 5 7" in output) == (0, True), output
    assert site.measured("learn")["fetched_mb"] * 1e6 < FILES / 2 * FILE_BYTES + SMALL_FILES


def test_more_shards_than_files_leave_some_without_work(site: Site) -> None:
    exchange = spoken(site)

    status, _ = site.stage("first", "measure", "--shard", "1/9")

    assert status == 0
    assert exchange.fragment("measure-shard-1-of-9") == {"pieces": []}
    assert site.measured("measure")["fetched_mb"] * 1e6 < SMALL_FILES


@pytest.mark.parametrize("is_known", [True, False], ids=["from the lock", "from the run-cache"])
def test_a_restored_stage_fetches_neither_inputs_nor_results_nor_other_runs(site: Site, is_known: bool) -> None:
    first = spoken(site)
    assert site.stage("first", "measure")[0] == 0
    for number in range(3):
        ObjectStore.at(first.remote).write(f"runs/ab/{number:064x}/other", bytes(1_000_000))
    known = site.directory / "known.lock"
    dvc_lock.write(known, {stage: first.fragment(stage) for stage in SPEECH})

    second = spoken(site, "second", known.read_text(encoding="utf-8") if is_known else "")
    assert site.measured("speak")["fetched_mb"] * 1e6 < 100_000
    status, output = site.stage("second", "measure")

    assert (status, "Stage 'measure' is cached - skipping run" in output) == (0, True), output
    assert site.measured("measure")["fetched_mb"] * 1e6 < 100_000
    assert second.fragment("measure") == first.fragment("measure")


def test_a_restored_result_of_unknown_making_is_computed_anew_where_that_was_asked_for(site: Site) -> None:
    first = spoken(site)
    assert site.stage("first", "measure")[0] == 0
    second = site.begin("second", upstream=SPEECH)
    assert site.stage("second", "speak")[0] == 0

    status, output = site.stage("second", "measure", "--rerun-older")

    assert (status, "measure is computed anew: made with unknown versions" in output) == (0, True), output
    assert "measuring" in output
    assert second.fragment("measure") == first.fragment("measure")


def test_a_damaged_memory_of_an_earlier_run_is_passed_over(site: Site) -> None:
    remote = ObjectStore.at(spoken(site).remote)
    [remembered] = remote.list("runs/")
    remote.write(remembered.key, b"outs: [{path: out/speech}]")

    site.begin("second", upstream=SPEECH)
    status, output = site.stage("second", "speak")

    assert status == 0
    assert f"{remembered.key} in dvc.lock must each have a path and an md5" in output
    assert "speaking" in output


def test_objects_that_are_there_are_not_sent_again(site: Site) -> None:
    spoken(site)
    site.begin("second", upstream=SPEECH)

    status, output = site.stage("second", "speak", "--force")

    assert (status, "speaking" in output) == (0, True)
    assert site.measured("speak")["sent_mb"] * 1e6 < SMALL_FILES


def test_dvc_pulls_what_was_sent(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = spoken(site)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".dvc").mkdir(parents=True)
    (elsewhere / ".dvc" / "config").write_text(dvc_door.config(remote=exchange.remote), encoding="utf-8")
    (elsewhere / "dvc.yaml").write_text(exchange.settings().graph, encoding="utf-8")
    dvc_lock.write(elsewhere / "dvc.lock", {"speak": exchange.fragment("speak")})

    done = dvc_door.run("pull", "--run-cache", "speak", directory=elsewhere)

    assert done.returncode == 0, done.stderr
    assert (elsewhere / "out/speech/utterances/utterances-0000000000000003.parquet").read_bytes() == b"\3" * FILE_BYTES
    assert list((elsewhere / ".dvc/cache/runs").rglob("*"))


def test_what_dvc_pushed_is_brought_in_place_of_what_lies_there(site: Site, tmp_path: Path) -> None:
    exchange = spoken(site)
    (tmp_path / "home/out/speech").mkdir(parents=True)
    (tmp_path / "home/out/speech/of-an-earlier-run").write_text("", encoding="utf-8")

    wanted = outs(exchange, "speak")
    for _ in range(2):
        exchange.results(tmp_path / "cache").bring_whole(wanted, tmp_path / "home")

    brought = {path.name: path.stat().st_size for path in (tmp_path / "home/out/speech").rglob("*") if path.is_file()}
    assert brought == {**{f"utterances-{number:016x}.parquet": FILE_BYTES for number in range(FILES)},
                       "speakers.parquet": 5000}
    assert exchange.traffic.fetched == 1 + 1 + FILES + 1  # the fragment, the list, and each file once


def test_outputs_of_the_same_content_are_brought_at_once(site: Site, tmp_path: Path) -> None:
    exchange = spoken(site)
    [out] = outs(exchange, "speak")
    same = [{**out, "path": f"out/{number}"} for number in range(8)]

    for turn in range(5):
        files = exchange.results(tmp_path / f"cache-{turn}").files(same)
        assert {len(found) for found in files.values()} == {FILES + 1}


@pytest.mark.parametrize("size", [1000, SMALL + 1], ids=["small", "large"])
def test_a_damaged_object_is_refused_by_path_and_hash_and_nothing_of_it_stays(site: Site, tmp_path: Path,
                                                                             size: int) -> None:
    remote = ObjectStore.at(site.exchange("first").remote)
    md5 = "0123456789abcdef0123456789abcdef"
    remote.write(f"files/md5/01/{md5[2:]}", bytes(size))
    results = Results(remote, tmp_path / "cache")

    with pytest.raises(ArtifactError, match=rf"out/model \(.*{md5[2:]}\) must have the MD5 that it is stored under"):
        results.bring_whole([{"path": "out/model", "md5": md5, "size": size}], tmp_path)

    assert not (tmp_path / "out/model").exists()
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_an_object_that_is_missing_is_refused_by_path_and_hash(site: Site, tmp_path: Path) -> None:
    results = site.exchange("first").results(tmp_path / "cache")
    out = {"path": "out/model", "md5": "0123456789abcdef0123456789abcdef", "size": 10}

    with pytest.raises(ArtifactError, match=r"out/model \(.*23456789abcdef\) must exist, got no such object"):
        results.bring_whole([out], tmp_path)

    assert [url.rpartition("/")[2] for url in results.missing([out])] == ["23456789abcdef0123456789abcdef"]
