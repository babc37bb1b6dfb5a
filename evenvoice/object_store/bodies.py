"""Content of objects, whole or by range: bodies that break are taken up again where they broke.

A body is read from one version of its object: every later request names the ETag of the first.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Final, cast

from evenvoice.errors import ArtifactError, TransientError
from evenvoice.object_store.address import Address
from evenvoice.object_store.client import client, code_of, corrupted, own_errors, transient
from evenvoice.object_store.descriptions import Description, Digests, required

CHUNK: Final = 1 << 18
ATTEMPTS: Final = 6
"""Broken bodies in a row, without a byte between them, before giving up."""
FIRST_PAUSE_S: Final = 0.1
EMPTY: Final = "InvalidRange"
"""What a store answers that is asked for the first bytes of an object without any."""
READ_AHEAD: Final = 1 << 20
"""Bytes that one request of an opened object brings."""


def read_whole(address: Address) -> bytes:
    """Read and verify an object; bytes that do not fit are fetched once more, since the network may be at fault.

    Raises:
        TransientError, PreflightError, ArtifactError: see :func:`evenvoice.object_store.client.own_errors`.
    """
    return _verified(address, *_begin(address))


def open_object(address: Address, hold_bytes: int) -> BinaryIO:
    """Open an object by ranges, or hold it as a whole where it has at most ``hold_bytes``.

    Raises:
        TransientError, PreflightError, ArtifactError: see :func:`evenvoice.object_store.client.own_errors`.
    """
    if not hold_bytes:
        return _by_ranges(address, required(address))
    described, body = _begin(address)
    if described.bytes <= hold_bytes:
        return io.BytesIO(_verified(address, described, body))
    body.close()
    return _by_ranges(address, described)


def _by_ranges(address: Address, described: Description) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(ObjectFile(address, described), READ_AHEAD))


def _begin(address: Address) -> tuple[Description, Any]:
    with own_errors(address):
        answer = client().get_object(Bucket=address.bucket, Key=address.key)
    return Description.of(answer), answer["Body"]


def begin_part(address: Address, end: int) -> tuple[Description, Any]:
    """Describe an object and begin to read its bytes before ``end``, by one request; no body where it is empty.

    Raises:
        TransientError, PreflightError, ArtifactError: see :func:`evenvoice.object_store.client.own_errors`.
    """
    from botocore.exceptions import ClientError

    with own_errors(address):
        try:
            answer = client().get_object(Bucket=address.bucket, Key=address.key, Range=f"bytes=0-{end - 1}")
        except ClientError as error:
            if code_of(error) != EMPTY:
                raise
            return required(address), None
    described = Description.of(answer)
    if "ContentRange" not in answer:
        if described.bytes > end:
            raise _not_a_part(address)
        return described, answer["Body"]
    return replace(described, bytes=int(answer["ContentRange"].rpartition("/")[2])), answer["Body"]


def _verified(address: Address, described: Description, body: Any) -> bytes:
    try:
        return _read_to_end(address, described, body)
    except ArtifactError as error:
        if error.rule != corrupted(address, "").rule:
            raise
        return _read_to_end(address, *_begin(address))


def _read_to_end(address: Address, described: Description, body: Any) -> bytes:
    digests = Digests(described)
    pieces = []
    for piece in pieces_of(address, described.etag, 0, described.bytes, begun=body):
        digests.update(piece)
        pieces.append(piece)
    described.check(address, digests)
    return b"".join(pieces)


def pieces_of(address: Address, etag: str, start: int, end: int, *, begun: Any = None) -> Iterator[bytes]:
    """Yield the bytes from ``start`` to before ``end`` of the version with this ETag, piece by piece.

    Args:
        begun: a body that starts at ``start`` and is already under way.

    Raises:
        TransientError: the body broke ``ATTEMPTS`` times in a row at one place.
        ArtifactError: the object was replaced meanwhile, or is shorter than it was said to be.
    """
    at, failures = start, 0
    while at < end:
        try:
            body = begun if begun is not None else _request(address, etag, at, end)
            begun = None
            for piece in _until_broken(body, address):
                failures = 0
                at += len(piece)
                yield piece
            if at < end:
                raise transient(address, f"{at - start} of {end - start} bytes")
        except TransientError:
            failures += 1
            if failures >= ATTEMPTS:
                raise
            time.sleep(FIRST_PAUSE_S * 2 ** failures * random.uniform(0.5, 1))


def _until_broken(body: Any, address: Address) -> Iterator[bytes]:
    import urllib3.exceptions

    with own_errors(address):
        try:
            while piece := body.read(CHUNK):
                yield piece
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise transient(address, f"a broken connection ({type(error).__name__})") from error
        finally:
            body.close()


def _request(address: Address, etag: str, start: int, end: int) -> Any:
    with own_errors(address):
        answer = client().get_object(Bucket=address.bucket, Key=address.key, IfMatch=etag,
                                     Range=f"bytes={start}-{end - 1}")
    if answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
        raise _not_a_part(address)
    return answer["Body"]


def _not_a_part(address: Address) -> ArtifactError:
    return corrupted(address, "the whole object where a part of it was asked for")


class ObjectFile(io.RawIOBase):
    """An object as a seekable file: each read is a request for a range, always of the same version."""

    def __init__(self, address: Address, description: Description) -> None:
        super().__init__()
        self.address = address
        self.description = description
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.description.bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"position must be at least 0, got {base + offset} instead")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self.description.bytes)
        filled = 0
        for piece in pieces_of(self.address, self.description.etag, self._at, end):
            buffer[filled:filled + len(piece)] = piece
            filled += len(piece)
        self._at += filled
        return filled
