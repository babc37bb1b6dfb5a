"""Addresses, places and settings of object stores: what can be told without one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from evenvoice.data.corpora.places import ObjectPath, place
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.object_store import Address, ObjectStore, is_object_url
from evenvoice.object_store.descriptions import Description, Digests
from evenvoice.object_store.partial import PartialFile

ROOT = Path(__file__).resolve().parents[2]
HELLO_MD5 = "5d41402abc4b2a76b9719d911017c592"
HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_an_address_is_a_bucket_and_a_key() -> None:
    assert Address.parse("s3://bucket/a/b.flac") == Address("bucket", "a/b.flac")
    assert Address.parse("s3://bucket/a/") == Address("bucket", "a")
    assert Address.parse("s3://bucket") == Address("bucket")
    assert str(Address("bucket", "a/b")) == "s3://bucket/a/b"
    assert str(Address("bucket")) == "s3://bucket"


@pytest.mark.parametrize("url", ["", "s3://", "s3:///key", "bucket/key", "gs://bucket/key", "S3://bucket/key"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ParamsError, match="must read s3://bucket/path"):
        ObjectStore.at(url)


def test_keys_lie_below_the_prefix() -> None:
    store = ObjectStore.at("s3://bucket/prefix")
    assert store.url("a/b") == "s3://bucket/prefix/a/b"
    assert store.url("") == "s3://bucket/prefix"
    assert ObjectStore.at("s3://bucket").url("a") == "s3://bucket/a"


def test_a_store_crosses_processes() -> None:
    store = ObjectStore.at("s3://bucket/prefix")
    assert pickle.loads(pickle.dumps(store)) == store


def test_a_path_in_a_store_reads_like_one_on_a_disk() -> None:
    path = place("s3://bucket/corpus/part1/a.flac")
    assert isinstance(path, ObjectPath)
    assert (path.name, path.stem, path.suffix) == ("a.flac", "a", ".flac")
    assert str(path.parent / "b.flac") == str(path.with_name("b.flac")) == "s3://bucket/corpus/part1/b.flac"
    assert str(path.relative_to(ObjectPath.at("s3://bucket/corpus"))) == "part1/a.flac"
    assert str(ObjectPath.at("s3://bucket").parent) == "s3://bucket"
    assert place("corpus/a.flac") == Path("corpus/a.flac")
    assert (is_object_url("s3://bucket/a"), is_object_url("https://bucket/a")) == (True, False)


@pytest.mark.parametrize(("answer", "content", "problem"), [
    ({"ETag": f'"{HELLO_MD5}"'}, b"hello", None),
    ({"ETag": f'"{HELLO_MD5}"'}, b"hellp", "do not fit its ETag"),
    ({"ETag": f'"{HELLO_MD5}"'}, b"hell", "4 of 5 bytes"),
    ({"ETag": '"x-2"', "Metadata": {"sha256": HELLO_SHA256}}, b"hello", None),
    ({"ETag": '"x-2"', "Metadata": {"sha256": HELLO_SHA256}}, b"hellp", "do not fit its sha256"),
    ({"ETag": f'"{HELLO_MD5}-2"'}, b"hellp", None),  # written in parts by others: the ETag is no digest of the content
    ({"ETag": f'"{HELLO_MD5}"', "ServerSideEncryption": "aws:kms"}, b"hellp", None),
], ids=str)
def test_content_is_compared_with_what_the_store_says_of_it(answer: dict[str, object], content: bytes,
                                                            problem: str | None) -> None:
    described = Description.of({"ContentLength": 5, **answer})
    digests = Digests(described)
    digests.update(content)
    if problem is None:
        described.check(Address("bucket", "a"), digests)
    else:
        with pytest.raises(ArtifactError, match=f"s3://bucket/a must hold what was written, got .*{problem}"):
            described.check(Address("bucket", "a"), digests)


def test_a_line_that_a_crash_cut_counts_for_nothing(tmp_path: Path) -> None:
    described = Description(10, '"etag"')
    with PartialFile.open(tmp_path / "got", described, 5) as partial:
        os.pwrite(partial.descriptor, b"hellohello", 0)
        partial.add((0, 5), 0x3610A686)
    with (tmp_path / ".got.ranges").open("a") as file:
        file.write("5 10 9073")
    with PartialFile.open(tmp_path / "got", described, 5) as again:
        assert (again.has((0, 5)), again.has((5, 10))) == (True, False)
    with PartialFile.open(tmp_path / "got", Description(10, '"another"'), 5) as other:
        assert not other.has((0, 5))


def test_the_door_is_imported_without_boto3() -> None:
    code = ("import sys; import evenvoice.object_store, evenvoice.data.corpora.fingerprint; "
            "print([m for m in ('boto3', 'botocore', 'urllib3') if m in sys.modules])")
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
