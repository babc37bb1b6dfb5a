"""What a store says of an object beside its content, and whether the content fits it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from evenvoice.object_store.address import Address
from evenvoice.object_store.client import client, code_of, corrupted, missing_bucket, missing_object, own_errors


@dataclass(frozen=True, slots=True)
class Description:
    """What the store says of an object beside its content."""

    bytes: int
    etag: str
    sha256: str = ""
    """Hex, where evenvoice wrote it."""
    plain: bool = False
    """Whether the ETag is the MD5 of the content: written in one piece and not under a key of the store's."""

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Description:
        """Read it from the answer to HEAD, or to GET without a range."""
        etag = str(answer.get("ETag", ""))
        encrypted = answer.get("ServerSideEncryption") not in (None, "AES256") or "SSECustomerAlgorithm" in answer
        digest = etag.strip('"').lower()
        plain = len(digest) == 32 and all(character in "0123456789abcdef" for character in digest) and not encrypted
        return cls(int(answer["ContentLength"]), etag, str(answer.get("Metadata", {}).get("sha256", "")), plain)

    def check(self, address: Address, digests: Digests) -> None:
        """Compare what was read with what was stored; an ETag that is no MD5 leaves the length alone to compare.

        Raises:
            ArtifactError: truncated, or other bytes.
        """
        if digests.bytes != self.bytes:
            raise corrupted(address, f"{digests.bytes} of {self.bytes} bytes")
        if self.sha256:
            if digests.sha256.hexdigest() != self.sha256:
                raise corrupted(address, "bytes that do not fit its sha256")
        elif self.plain and digests.md5.hexdigest() != self.etag.strip('"').lower():
            raise corrupted(address, "bytes that do not fit its ETag")


class Digests:
    """Length and digests of a content that goes by; only the digest that will be compared is computed."""

    def __init__(self, description: Description) -> None:
        self.bytes = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._digest = self.sha256 if description.sha256 else self.md5 if description.plain else None

    def update(self, content: bytes) -> None:
        """Add the next bytes."""
        self.bytes += len(content)
        if self._digest is not None:
            self._digest.update(content)


def describe(address: Address) -> Description | None:
    """Ask for everything but the content; None where there is no such object in the bucket."""
    from botocore.exceptions import ClientError

    with own_errors(address):
        try:
            answer = client().head_object(Bucket=address.bucket, Key=address.key)
        except ClientError as error:
            if code_of(error) != "404":
                raise
            _demand_bucket(address)
            return None
    return Description.of(answer)


def required(address: Address) -> Description:
    """:func:`describe`, where there has to be something.

    Raises:
        ArtifactError: no such object.
    """
    found = describe(address)
    if found is None:
        raise missing_object(address)
    return found


def _demand_bucket(address: Address) -> None:
    """An answer to HEAD has no body that could tell a missing object from a missing bucket."""
    from botocore.exceptions import ClientError

    try:
        client().head_bucket(Bucket=address.bucket)
    except ClientError as error:
        if code_of(error) == "404":
            raise missing_bucket(address) from None
        raise
