"""A place in an object store, and what can be done there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from evenvoice.errors import ArtifactError
from evenvoice.object_store import transfers
from evenvoice.object_store.address import Address
from evenvoice.object_store.bodies import open_object, read_whole
from evenvoice.object_store.client import EXISTS, client, code_of, own_errors
from evenvoice.object_store.descriptions import describe, required


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An entry of a listing."""

    key: str
    """Below the store's own prefix."""
    bytes: int
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A bucket, or what lies below a prefix of one. Holds no connection: it can be pickled and shared by threads.

    Every method raises what :func:`evenvoice.object_store.client.own_errors` says.
    """

    root: Address

    @classmethod
    def at(cls, url: str) -> ObjectStore:
        """Name a place by ``s3://bucket/prefix``; nothing is asked of the store yet.

        Raises:
            ParamsError: the address is malformed.
        """
        return cls(Address.parse(url))

    def url(self, key: str) -> str:
        """Return the full address of a key."""
        return str(self.root.under(key))

    def read(self, key: str) -> bytes:
        """Read a small object as a whole; its length and, where there is one, its checksum are verified.

        Raises:
            ArtifactError: missing, truncated or damaged.
        """
        return read_whole(self.root.under(key))

    def write(self, key: str, content: bytes) -> None:
        """Write an object, in place of the one that may be there. Readers see the old or the new, never a part."""
        address = self.root.under(key)
        with own_errors(address):
            transfers.put(address, content)

    def create(self, key: str, content: bytes) -> None:
        """Write an object that must not change any more; writing the same content again does nothing.

        The store decides where it knows conditional writes. It is then asked what it holds: a store that ignores the
        condition, or checks it before a write rather than with it (OpenStack Swift does), gives two writers at the
        same instant the same answer, and the later content stands. Who reads it back in time is told; the earlier
        writer may not be. Never rely on this as a lock.

        Raises:
            ArtifactError: there is another content.
        """
        address = self.root.under(key)
        if describe(address) is None:
            _put_where_nothing_is(address, content)
        if read_whole(address) != content:
            raise ArtifactError(name=str(address), rule="be written once", value="another content already there",
                                action="Remove it on purpose, or write under another name.")

    def upload(self, path: Path, key: str) -> None:
        """Write a file of any size in parts; memory stays bounded, and the object is there as a whole or not at all.

        Raises:
            ArtifactError: the file changed while it was sent.
        """
        transfers.upload(path, self.root.under(key))

    def download(self, key: str, path: Path) -> None:
        """Bring an object of any size to a file by several ranges at a time; goes on where a crash ended it.

        Raises:
            ArtifactError: missing, replaced while it was read, truncated or damaged; ``path`` is left as it was.
        """
        transfers.download(self.root.under(key), path)

    def open(self, key: str, *, hold_bytes: int = 0) -> BinaryIO:
        """Open an object as a seekable file that is read by ranges, all of the same version.

        Args:
            hold_bytes: an object of up to this length is rather read as a whole, by one request, and verified.

        Raises:
            ArtifactError: missing; where it is held, also truncated or damaged.
        """
        return open_object(self.root.under(key), hold_bytes)

    def bytes_of(self, key: str) -> int:
        """Return the length of an object in bytes.

        Raises:
            ArtifactError: missing.
        """
        return required(self.root.under(key)).bytes

    def exists(self, key: str) -> bool:
        """Tell whether there is an object under exactly this key."""
        return describe(self.root.under(key)) is not None

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield what begins with ``prefix``, by key; pages are fetched as they are needed."""
        own = f"{self.root.key}/" if self.root.key else ""
        with own_errors(self.root):
            pages = client().get_paginator("list_objects_v2").paginate(Bucket=self.root.bucket, Prefix=own + prefix)
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield StoredObject(key=entry["Key"].removeprefix(own), bytes=entry["Size"], etag=entry["ETag"],
                                       modified=entry["LastModified"])


def _put_where_nothing_is(address: Address, content: bytes) -> None:
    from botocore.exceptions import ClientError

    with own_errors(address):
        try:
            transfers.put(address, content, IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) == "NotImplemented":
                transfers.put(address, content)
            elif code_of(error) not in EXISTS:
                raise
