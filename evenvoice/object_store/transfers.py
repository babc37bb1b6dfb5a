"""Files to and from a store: parts and ranges in parallel, memory bounded, whole or absent at either end."""

from __future__ import annotations

import hashlib
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import ArtifactError
from evenvoice.object_store.address import Address
from evenvoice.object_store.bodies import begin_part, pieces_of
from evenvoice.object_store.client import PARALLEL, client, in_parts, own_errors
from evenvoice.object_store.descriptions import Description, Digests, required
from evenvoice.object_store.partial import PartialFile, draft_of
from evenvoice.storage import sha256

PART: Final = 8 << 20


def put(address: Address, content: bytes, **condition: str) -> None:
    """Send an object in one request, with its sha256.

    Args:
        condition: under which the store may write, as boto3 names it.
    """
    client().put_object(Bucket=address.bucket, Key=address.key, Body=content,
                        Metadata={"sha256": hashlib.sha256(content).hexdigest()}, **condition)


def upload(path: Path, address: Address) -> None:
    """Send a file with its sha256: up to one part as it is read, a larger one in parts, withdrawn if one fails.

    Raises:
        ArtifactError: the file changed while it was sent.
    """
    before = path.stat()
    if before.st_size <= PART:
        content = path.read_bytes()
        sent = len(content)
        with own_errors(address):
            put(address, content)
    else:
        _send_in_parts(path, address)
        sent = required(address).bytes
    after = path.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) or sent != after.st_size:
        raise ArtifactError(name=str(path), rule="stay the same while it is sent", value="a changed file",
                            action=f"Send it again: {address} holds neither the old nor the new one.")


def _send_in_parts(path: Path, address: Address) -> None:
    digest = sha256(path)
    with own_errors(address):
        client().upload_file(str(path), address.bucket, address.key, Config=in_parts(PART),
                             ExtraArgs={"Metadata": {"sha256": digest}})


def download(address: Address, path: Path) -> None:
    """Bring an object to ``path`` by ranges; bytes that do not fit are fetched once more, from the start.

    Raises:
        ArtifactError: missing, replaced while it was read, truncated or damaged; ``path`` is left as it was.
        TransientError: another process brings the same file; or the store did not answer in full.
    """
    # what an earlier try left may hold the first bytes already
    described, body = (required(address), None) if draft_of(path).exists() else begin_part(address, PART)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(body) if body else nullcontext(), PartialFile.open(path, described, PART) as partial:
        digests = _fill(address, described, partial, begun=body)
        try:
            described.check(address, digests)
        except ArtifactError:
            partial.forget()
            described.check(address, _fill(address, described, partial))
        partial.finish()


def _fill(address: Address, described: Description, partial: PartialFile, *, begun: Any = None) -> Digests:
    """Fetch the ranges that are not there yet, and digest all of them in order; ``begun`` is a body of the first."""
    digests = Digests(described)
    spans = [(start, min(start + PART, described.bytes)) for start in range(0, described.bytes, PART)]

    def fetch(span: tuple[int, int]) -> tuple[int, int]:
        if not partial.has(span):
            at, checksum = span[0], 0
            for piece in pieces_of(address, described.etag, *span, begun=None if at else begun):
                os.pwrite(partial.descriptor, piece, at)
                checksum = zlib.crc32(piece, checksum)
                at += len(piece)
            partial.add(span, checksum)
        return span

    with ThreadPoolExecutor(min(PARALLEL, max(len(spans), 1))) as pool:
        for start, end in pool.map(fetch, spans):
            digests.update(os.pread(partial.descriptor, end - start, start))
    return digests
