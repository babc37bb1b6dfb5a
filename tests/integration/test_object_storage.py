"""The door to object stores against a real one that checks signatures, with faults on the wire between them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError, EvenvoiceError, PreflightError, TransientError
from evenvoice.object_store import ObjectStore
from tests.builders.faults import Fault, Wire, wire_to
from tests.builders.object_server import ROOT, ObjectServer

pytestmark = pytest.mark.engine

MIB = 1 << 20
LARGE = bytes(range(256)) * (20 * MIB // 256)
"""20 MiB, three ranges of a download."""


@pytest.fixture
def bucket(object_server: ObjectServer) -> str:
    return object_server.make_bucket()


@pytest.fixture
def wire(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with wire_to(object_server.endpoint) as wire:
        for name, value in object_server.environment(wire.endpoint).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_RETRY_MODE", "standard")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
        yield wire


@pytest.fixture
def store(wire: Wire, bucket: str) -> ObjectStore:
    return ObjectStore.at(f"s3://{bucket}/prefix")


@pytest.fixture
def large(store: ObjectStore, tmp_path: Path) -> Path:
    """20 MiB under the key ``large``; returns where a download of it may go."""
    (tmp_path / "sent").write_bytes(LARGE)
    store.upload(tmp_path / "sent", "large")
    return tmp_path / "got"


# what is stored comes back


def test_what_was_written_is_read_back(store: ObjectStore) -> None:
    for content in (b"hello", b""):
        store.write("a/b", content)
        assert store.read("a/b") == content


def test_a_large_file_goes_up_in_parts_and_down_by_ranges(store: ObjectStore, wire: Wire, large: Path) -> None:
    store.download("large", large)
    assert large.read_bytes() == LARGE
    assert sum(request.startswith("PUT") and "partNumber" in request for request in wire.requests) == 3
    assert sorted(request.rpartition(" ")[2] for request in wire.requests if request.startswith("GET")) == [
        "bytes=0-8388607", "bytes=16777216-20971519", "bytes=8388608-16777215"]


def test_a_small_file_takes_one_request_each_way(store: ObjectStore, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"hello")
    store.upload(tmp_path / "sent", "small")
    store.download("small", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"hello"
    assert [request.partition(" ")[0] for request in wire.requests] == ["PUT", "GET"]


def test_an_empty_file_goes_up_and_down(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "sent").touch()
    store.upload(tmp_path / "sent", "empty")
    store.download("empty", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b""


def test_an_open_object_is_read_where_one_looks(store: ObjectStore, large: Path, wire: Wire) -> None:
    with store.open("large") as file:
        assert file.seek(0, os.SEEK_END) == len(LARGE)
        file.seek(5 * MIB + 3)
        assert file.read(4) == bytes([3, 4, 5, 6])
    assert [request.rpartition(" ")[2] for request in wire.requests if "bytes=" in request] == [
        "bytes=5242883-6291458"]


def test_a_listing_gives_keys_below_the_prefix_with_their_sizes(store: ObjectStore) -> None:
    for key in ("b", "a/1", "a/2"):
        store.write(key, key.encode())
    assert [(entry.key, entry.bytes) for entry in store.list()] == [("a/1", 3), ("a/2", 3), ("b", 1)]
    assert [entry.key for entry in store.list("a/")] == ["a/1", "a/2"]
    assert (store.exists("a/1"), store.exists("a"), store.bytes_of("a/1")) == (True, False, 3)


def test_objects_that_others_wrote_are_verified_by_their_etag(store: ObjectStore, wire: Wire, bucket: str,
                                                              object_server: ObjectServer) -> None:
    object_server.client().put_object(Bucket=bucket, Key="prefix/theirs", Body=b"hello")
    assert store.read("theirs") == b"hello"
    wire.break_next(Fault("flip", at=1), times=2)
    with pytest.raises(ArtifactError, match="theirs must hold what was written"):
        store.read("theirs")


# write-once


def test_the_same_content_may_be_created_again_but_no_other(store: ObjectStore) -> None:
    store.create("fragment", b"one")
    store.create("fragment", b"one")
    with pytest.raises(ArtifactError, match="fragment must be written once, got another content"):
        store.create("fragment", b"two")
    assert store.read("fragment") == b"one"


def test_of_many_writers_one_after_the_other_the_first_wins(store: ObjectStore) -> None:
    refused = 0
    for number in range(5):
        try:
            store.create("fragment", b"%d" % number)
        except ArtifactError:
            refused += 1
    assert (refused, store.read("fragment")) == (4, b"0")


def test_a_writer_who_was_overtaken_between_look_and_write_is_refused(store: ObjectStore, wire: Wire) -> None:
    store.write("fragment", b"theirs")
    wire.break_next(Fault("refuse", status=404, code="NotFound"), method="HEAD")  # it looks as if nothing were there
    with pytest.raises(ArtifactError, match="must be written once"):
        store.create("fragment", b"ours")
    assert store.read("fragment") == b"theirs"


def test_an_answer_that_was_lost_after_the_write_is_no_conflict(store: ObjectStore, wire: Wire) -> None:
    wire.break_next(Fault("reset"), method="PUT")
    store.create("fragment", b"one")
    assert store.read("fragment") == b"one"


# faults that pass


@pytest.mark.parametrize("fault", [Fault("refuse"), Fault("refuse", status=500, code="InternalError"),
                                   Fault("reset", at=2), Fault("close", at=2), Fault("flip", at=2)])
def test_a_small_read_survives_a_fault(store: ObjectStore, wire: Wire, fault: Fault) -> None:
    store.write("a", b"hello")
    wire.break_next(fault)
    assert store.read("a") == b"hello"


def test_a_body_that_broke_is_taken_up_where_it_broke(store: ObjectStore, wire: Wire) -> None:
    store.write("a", LARGE[:2 * MIB])
    wire.break_next(Fault("close", at=MIB + 7))
    assert store.read("a") == LARGE[:2 * MIB]
    (again,) = [request.rpartition("bytes=")[2] for request in wire.requests if "bytes=" in request]
    assert again == f"{MIB + 7}-{2 * MIB - 1}"


@pytest.mark.parametrize("fault", [Fault("refuse"), Fault("reset", at=3 * MIB), Fault("close", at=MIB),
                                   Fault("flip", at=5)])
def test_a_download_survives_a_fault(store: ObjectStore, wire: Wire, large: Path, fault: Fault) -> None:
    wire.break_next(fault)
    store.download("large", large)
    assert large.read_bytes() == LARGE
    assert sorted(path.name for path in large.parent.iterdir()) == ["got", "sent"]


def test_an_upload_survives_a_fault(store: ObjectStore, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(LARGE)
    wire.break_next(Fault("refuse"), method="PUT")
    wire.break_next(Fault("reset"), method="PUT")
    store.upload(tmp_path / "sent", "large")
    store.download("large", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == LARGE


# faults that do not pass


def test_a_store_that_stays_busy_is_a_transient_error_by_name(store: ObjectStore, wire: Wire) -> None:
    wire.break_next(Fault("refuse"), times=3)
    with pytest.raises(TransientError, match=r"store of s3://.*/prefix/a must answer in full, got SlowDown") as found:
        store.read("a")
    assert found.value.exit_code == 75


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_a_body_that_never_goes_on_is_a_transient_error(store: ObjectStore, wire: Wire, kind: str) -> None:
    store.write("a", b"hello")
    wire.break_next(Fault(kind), times=30)  # type: ignore[arg-type]
    with pytest.raises(TransientError, match="must answer in full"):
        store.read("a")


def test_a_server_that_is_not_there_is_a_transient_error(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TransientError, match="must answer in full, got Could not connect"):
        store.read("a")


@pytest.mark.parametrize("kind", ["flip", "shorten"])
def test_a_damaged_object_is_refused_by_name(store: ObjectStore, wire: Wire, kind: str) -> None:
    store.write("a", b"hello")
    wire.break_next(Fault(kind, at=2), times=2)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="prefix/a must hold what was written"):
        store.read("a")


def test_a_damaged_download_leaves_the_old_file_as_it_was(store: ObjectStore, wire: Wire, large: Path) -> None:
    large.write_bytes(b"old")
    wire.break_next(Fault("flip"), times=6)
    with pytest.raises(ArtifactError, match="large must hold what was written, got bytes that do not fit its sha256"):
        store.download("large", large)
    assert large.read_bytes() == b"old"


def test_an_object_that_is_replaced_while_it_is_read_is_refused(store: ObjectStore) -> None:
    store.write("a", LARGE[:3 * MIB])
    with store.open("a") as file:
        assert file.read(1) == b"\0"
        store.write("a", b"something else")
        with pytest.raises(ArtifactError, match="must stay the same while it is read"):
            file.read()


@pytest.mark.parametrize("call", ["read", "bytes_of", "open"])
def test_a_missing_object_is_refused_by_name(store: ObjectStore, call: str) -> None:
    with pytest.raises(ArtifactError, match="prefix/nothing must exist, got no such object"):
        getattr(store, call)("nothing")


@pytest.mark.parametrize("call", ["read", "exists", "bytes_of"])
def test_a_missing_bucket_is_refused_by_name(store: ObjectStore, wire: Wire, call: str) -> None:
    before = len(wire.requests)
    with pytest.raises(PreflightError, match="bucket no-such-bucket must exist"):
        getattr(ObjectStore.at("s3://no-such-bucket/a"), call)("b")
    assert len(wire.requests) - before <= 2


def test_nothing_is_written_into_a_missing_bucket(wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(LARGE)
    for call in (lambda store: store.write("b", b""), lambda store: store.upload(tmp_path / "sent", "b"),
                 lambda store: list(store.list())):
        with pytest.raises(PreflightError, match="bucket no-such-bucket must exist"):
            call(ObjectStore.at("s3://no-such-bucket/a"))


@pytest.mark.parametrize("call", [lambda store: store.read("a"), lambda store: store.exists("a"),
                                  lambda store: store.write("a", b""), lambda store: list(store.list())])
def test_wrong_credentials_are_refused_at_once_and_told_to_nobody(
        store: ObjectStore, wire: Wire, call: object, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    before = len(wire.requests)
    with pytest.raises(PreflightError, match="must be granted") as found:
        call(store)  # type: ignore[operator]
    assert len(wire.requests) == before + 1
    assert "a-wrong-secret" not in f"{found.value} {found.value.__cause__} {caplog.text}"


def test_no_credentials_at_all_are_refused_by_name(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(PreflightError, match="must have credentials"):
        store.read("a")


def test_an_unknown_profile_is_refused_by_name(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(PreflightError, match="AWS settings must make a client, got The config profile"):
        store.read("a")


def test_credentials_and_endpoint_may_stand_in_a_profile(store: ObjectStore, object_server: ObjectServer,
                                                         monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(
        f"[profile speech]\naws_access_key_id = {object_server.access_key}\n"
        f"aws_secret_access_key = {object_server.secret}\nendpoint_url = {object_server.endpoint}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "speech")
    store.write("a", b"hello")
    assert store.read("a") == b"hello"


# crashes and memory


def cut_short(store: ObjectStore, wire: Wire, large: Path) -> None:
    """A download that ended before its second range was there."""
    wire.break_next(Fault("refuse", status=403, code="AccessDenied"), of="bytes=8388608-")
    with pytest.raises(PreflightError):
        store.download("large", large)


def test_a_download_goes_on_where_a_crash_ended_it(store: ObjectStore, wire: Wire, large: Path) -> None:
    cut_short(store, wire, large)
    assert not large.exists()
    before = len(wire.requests)
    store.download("large", large)
    assert large.read_bytes() == LARGE
    assert sum("bytes=" in request for request in wire.requests[before:]) == 1


def test_what_a_power_cut_lost_is_fetched_again(store: ObjectStore, wire: Wire, large: Path) -> None:
    cut_short(store, wire, large)
    (large.parent / ".got.part").write_bytes(b"")
    store.download("large", large)
    assert large.read_bytes() == LARGE


def test_a_new_version_is_not_mixed_with_what_is_left_of_the_old(store: ObjectStore, wire: Wire, large: Path) -> None:
    cut_short(store, wire, large)
    (large.parent / "sent").write_bytes(LARGE[::-1])
    store.upload(large.parent / "sent", "large")
    store.download("large", large)
    assert large.read_bytes() == LARGE[::-1]


def test_two_downloads_of_one_file_do_not_mix(store: ObjectStore, large: Path) -> None:
    outcomes: list[str] = []

    def bring() -> None:
        try:
            store.download("large", large)
            outcomes.append("done")
        except TransientError:
            outcomes.append("told to try again")

    threads = [threading.Thread(target=bring) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "done" in outcomes
    assert large.read_bytes() == LARGE


def test_an_upload_that_fails_leaves_the_old_object(store: ObjectStore, wire: Wire, large: Path) -> None:
    (large.parent / "sent").write_bytes(LARGE[::-1])
    wire.break_next(Fault("refuse", status=403, code="AccessDenied"), method="PUT")
    with pytest.raises(PreflightError, match="must be granted"):
        store.upload(large.parent / "sent", "large")
    store.download("large", large)
    assert large.read_bytes() == LARGE


MEMORY = """
import resource, sys
from pathlib import Path
from evenvoice.object_store import ObjectStore
store, folder = ObjectStore.at(sys.argv[1]), Path(sys.argv[2])
store.write("warm", b"up"); store.read("warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.upload(folder / "sent", "huge")
store.download("huge", folder / "got")
with store.open("huge", hold_bytes=1 << 20) as file:
    for _ in range(32):
        file.read(1 << 20)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_memory_stays_bounded_for_an_object_of_160_mib(object_server: ObjectServer, bucket: str,
                                                       tmp_path: Path) -> None:
    block = os.urandom(MIB)
    with (tmp_path / "sent").open("wb") as file:
        for _ in range(160):
            file.write(block)
    environment = {**os.environ, **object_server.environment(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", MEMORY, f"s3://{bucket}", str(tmp_path)], env=environment,
                          capture_output=True, text=True, check=True)
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("sent", "got")}
    assert len(digests) == 1
    assert int(done.stdout) < 150, "MiB beside the program itself"


def test_errors_of_the_door_are_all_of_our_own_tree(store: ObjectStore, wire: Wire) -> None:
    for status, code in ((400, "InvalidRequest"), (405, "MethodNotAllowed"), (501, "NotImplemented")):
        wire.break_next(Fault("refuse", status=status, code=code))
        with pytest.raises(EvenvoiceError, match="must accept the request"):
            store.read("a")
