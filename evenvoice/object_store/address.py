"""Addresses of objects: s3://bucket/key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from evenvoice.errors import ParamsError

SCHEME: Final = "s3://"


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket and a key in it; an empty key means the bucket as a whole."""

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read ``s3://bucket/key``; slashes at the end of the key are dropped.

        Raises:
            ParamsError: another scheme, or no bucket.
        """
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not bucket:
            raise ParamsError(name="address of an object store", rule="read s3://bucket/path", value=repr(url),
                              action="Correct it; the endpoint belongs in AWS_ENDPOINT_URL.")
        return cls(bucket, key.rstrip("/"))

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

    def under(self, key: str) -> Address:
        """Return the address of ``key`` below this one; an empty key gives this one."""
        return Address(self.bucket, "/".join(part for part in (self.key, key) if part))


def is_object_url(path: str) -> bool:
    """Tell whether a path lies in an object store rather than on a disk or elsewhere."""
    return path.startswith(SCHEME)
