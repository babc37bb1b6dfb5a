"""OGG: whether its pages (RFC 3533) are whole, all there, and go on to the one that says it is the last.

libsndfile passes over pages that are damaged, takes the last whole one for the end of the recording, and the first
recording for the only one.
"""

from __future__ import annotations

import zlib
from typing import Final

from evenvoice.data.sound import truncated
from evenvoice.errors import RecordingRejected

PAGE: Final = b"OggS"
HEAD: Final = 27
"""Bytes of a page before the table of its segments."""
SUM_AT: Final = 22
"""Where the 4 bytes of its check sum begin."""
FIRST: Final = 2
LAST: Final = 4
"""Flags of a page."""
REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check(content: bytes, name: str) -> None:
    """Refuse a file that ends before its last page does, lost one, or goes on with another recording behind it.

    Raises:
        RecordingRejected: it says where.
    """
    at, pages, is_last = 0, 0, False
    while not is_last and at < len(content):
        size = _size(content, at)
        if at + size > len(content):
            raise truncated(name, f"{len(content) - at} of {size} bytes of page {pages + 1}")
        page = content[at:at + size]
        if not page.startswith(PAGE) or int.from_bytes(page[SUM_AT:SUM_AT + 4], "little") != _check_sum(page):
            raise _damaged(name, f"a damaged one as page {pages + 1}")
        if (number := int.from_bytes(page[18:22], "little")) != pages:
            raise _damaged(name, f"page {number + 1} as page {pages + 1}")
        is_last = bool(page[5] & LAST)
        at += size
        pages += 1
    if not is_last:
        raise truncated(name, f"{pages} pages, none of which says that it is the last")
    if (second := content.find(PAGE, at)) >= 0:
        raise RecordingRejected(name=name, rule="hold one recording", value=f"another one from byte {second} on",
                                action="Split it into two files: the second would be lost.")


def _size(content: bytes, at: int) -> int:
    segments = content[at + HEAD - 1] if at + HEAD <= len(content) else 0
    return HEAD + segments + sum(content[at + HEAD:at + HEAD + segments])


def _damaged(name: str, value: str) -> RecordingRejected:
    return RecordingRejected(name=name, rule="hold all of its pages as they were written", value=value,
                             action="Copy the file again, or write it again, e.g. `ffmpeg -i in.ogg out.flac`.")


def _check_sum(page: bytes) -> int:
    """CRC-32 with the highest bit first; that of zlib takes the lowest first and begins and ends with ones."""
    content = b"".join((page[:SUM_AT], bytes(4), page[SUM_AT + 4:])).translate(REVERSED)
    lowest_first = zlib.crc32(content, 0xffffffff) ^ 0xffffffff
    return int(f"{lowest_first:032b}"[::-1], 2)
