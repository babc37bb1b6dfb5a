"""Files to and from a store: parts and ranges in parallel, memory bounded, whole or absent at either end."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from evenvoice.errors import ArtifactError
from evenvoice.object_store.address import Address
from evenvoice.object_store.bodies import pieces_of
from evenvoice.object_store.client import PARALLEL, client, in_parts, own_errors
from evenvoice.object_store.descriptions import Description, Digests, required
from evenvoice.object_store.partial import PartialFile
from evenvoice.storage import sha256

PART: Final = 8 << 20


def upload(path: Path, address: Address) -> None:
    """Send a file with its sha256; boto3 makes several parts of a large one and withdraws them if one fails.

    Raises:
        ArtifactError: the file changed while it was sent.
    """
    before = path.stat()
    digest = sha256(path)
    with own_errors(address):
        client().upload_file(str(path), address.bucket, address.key, Config=in_parts(PART),
                             ExtraArgs={"Metadata": {"sha256": digest}})
    after = path.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) \
            or required(address).bytes != after.st_size:
        raise ArtifactError(name=str(path), rule="stay the same while it is sent", value="a changed file",
                            action=f"Send it again: {address} holds neither the old nor the new one.")


def download(address: Address, path: Path) -> None:
    """Bring an object to ``path`` by ranges; bytes that do not fit are fetched once more, from the start.

    Raises:
        ArtifactError: missing, replaced while it was read, truncated or damaged; ``path`` is left as it was.
        TransientError: another process brings the same file; or the store did not answer in full.
    """
    described = required(address)
    path.parent.mkdir(parents=True, exist_ok=True)
    with PartialFile.open(path, described, PART) as partial:
        digests = _fill(address, described, partial)
        try:
            described.check(address, digests)
        except ArtifactError:
            partial.forget()
            described.check(address, _fill(address, described, partial))
        partial.finish()


def _fill(address: Address, described: Description, partial: PartialFile) -> Digests:
    """Fetch the ranges that are not there yet, and digest all of them in order."""
    digests = Digests(described)
    spans = [(start, min(start + PART, described.bytes)) for start in range(0, described.bytes, PART)]

    def fetch(span: tuple[int, int]) -> tuple[int, int]:
        if not partial.has(span):
            at, checksum = span[0], 0
            for piece in pieces_of(address, described.etag, *span):
                os.pwrite(partial.descriptor, piece, at)
                checksum = zlib.crc32(piece, checksum)
                at += len(piece)
            partial.add(span, checksum)
        return span

    with ThreadPoolExecutor(min(PARALLEL, max(len(spans), 1))) as pool:
        for start, end in pool.map(fetch, spans):
            digests.update(os.pread(partial.descriptor, end - start, start))
    return digests
