"""FLAC: how many frames really follow a header that tells too few, too many, or none (RFC 9639).

The head of every block of samples says where in the recording it lies, so the last one tells the whole length. It is
looked for from the end: two heads are believed when one begins where the other ends, which no noise imitates.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

import soundfile

from evenvoice.data.sound import UNKNOWN_FRAMES, header_is_wrong, truncated
from evenvoice.errors import RecordingRejected

TOTAL_AT: Final = 18
"""Where the 8 bytes begin of which the last 36 bits are the number of frames, behind the beginning of the stream."""
TOTAL_BITS: Final = 36
WINDOW: Final = 1 << 16
LONGEST_HEAD: Final = 16
SYNC: Final = re.compile(rb"\xff[\xf8\xf9]")
BEGINNING: Final = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
"""Name of the format and head of the block that each stream begins with."""
BEGINNING_BYTES: Final = 8
RATES: Final = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
"""Hz by their code in the head of a block; 0 says that it is in the header of the stream."""
BITS: Final = (0, 8, 12, None, 16, 20, 24, 32)
WRITE_AGAIN: Final = "write it again, e.g. `ffmpeg -i in.flac out.flac`."


@dataclass(frozen=True, slots=True)
class _Stream:
    """What the header says."""

    start: int
    """In bytes; tags may lie before it."""
    rate: int
    channels: int
    bits: int


@dataclass(frozen=True, slots=True)
class _Block:
    """What the head of a block of samples says."""

    is_numbered: bool
    """Blocks are of one length and numbered; otherwise each tells its first frame."""
    number: int
    length: int
    """In frames."""

    def end_behind(self, before: _Block) -> int | None:
        """Frames up to the end of this block; None where it does not follow ``before``."""
        if self.is_numbered != before.is_numbered:
            return None
        if not self.is_numbered:
            return self.number + self.length if self.number == before.number + before.length else None
        follows = self.number == before.number + 1 and self.length <= before.length
        return self.number * before.length + self.length if follows else None


def check(file: BinaryIO, sound: soundfile.SoundFile, name: str) -> None:
    """Refuse a file whose header declares another number of frames than follows.

    Raises:
        RecordingRejected: both figures are in its value.
    """
    stream = _read_stream(file)
    if stream is not None and (second := _second_stream(file, stream)) is not None:
        raise RecordingRejected(name=name, rule="hold one recording", value=f"another one from byte {second} on",
                                action="Split it into two files: the second would be lost.")
    frames = None if stream is None else _frames(file, stream)
    if frames is None:
        raise RecordingRejected(name=name, rule="hold blocks of samples that tell where they lie", value="none",
                                action=f"Its header is wrong, or it is damaged: {WRITE_AGAIN}")
    if frames < sound.frames != UNKNOWN_FRAMES:
        raise truncated(name, f"{frames} of {sound.frames} declared frames")
    if frames > sound.frames:
        raise header_is_wrong(name, f"{frames} frames behind a header that declares {sound.frames}", WRITE_AGAIN)


def with_length(file: BinaryIO) -> BinaryIO | None:
    """Return the same file with its length in its header, None where it cannot be told."""
    stream = _read_stream(file)
    frames = None if stream is None else _frames(file, stream)
    if stream is None or not frames or frames >= 1 << TOTAL_BITS:
        return None
    at = stream.start + TOTAL_AT
    file.seek(at)
    field = int.from_bytes(file.read(8)) | frames
    return cast(BinaryIO, _Overlaid(file, at, field.to_bytes(8)))


class _Overlaid:
    """A file some of whose bytes are others."""

    def __init__(self, file: BinaryIO, at: int, content: bytes) -> None:
        self.seek = file.seek
        self.tell = file.tell
        self._file = file
        self._at = at
        self._content = content

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        block = bytearray(self._file.read(size))
        low, high = max(start, self._at), min(start + len(block), self._at + len(self._content))
        if low < high:
            block[low - start:high - start] = self._content[low - self._at:high - self._at]
        return bytes(block)


def _read_stream(file: BinaryIO) -> _Stream | None:
    start = 0
    file.seek(start)
    while (head := file.read(42))[:3] == b"ID3":  # tags, whose length is written in groups of 7 bits
        start += 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
        file.seek(start)
    if len(head) < 42 or not BEGINNING.match(head):
        return None
    field = int.from_bytes(head[TOTAL_AT:TOTAL_AT + 8])
    return _Stream(start=start, rate=field >> 44, channels=(field >> 41 & 7) + 1, bits=(field >> 36 & 31) + 1)


def _second_stream(file: BinaryIO, stream: _Stream) -> int | None:
    """First byte of a stream behind the first one, as two files have that were put one behind the other."""
    at = stream.start + BEGINNING_BYTES
    file.seek(at)
    kept = b""
    while block := file.read(1 << 20):
        if found := BEGINNING.search(kept + block):
            return at - len(kept) + found.start()
        at += len(block)
        kept = (kept + block)[-BEGINNING_BYTES + 1:]
    return None


def _frames(file: BinaryIO, stream: _Stream) -> int | None:
    """Frames up to the end of the last block of samples; None where their heads do not tell."""
    later: list[_Block] = []
    for block in _blocks_from_the_end(file, stream):
        for last in later:
            if (end := last.end_behind(block)) is not None:
                return end
        later.append(block)
    return next((block.length for block in reversed(later) if block.number == 0), None) if later else 0


def _blocks_from_the_end(file: BinaryIO, stream: _Stream) -> Iterator[_Block]:
    """All that looks like the head of a block."""
    high = file.seek(0, io.SEEK_END)
    while high > stream.start:
        low = max(stream.start, high - WINDOW)
        file.seek(low)
        if not (window := file.read(high - low + LONGEST_HEAD)):
            return
        for found in reversed(list(SYNC.finditer(window, 0, high - low + 1))):
            if block := _block(window[found.start():][:LONGEST_HEAD], stream):
                yield block
        high = low


def _block(head: bytes, stream: _Stream) -> _Block | None:
    """What a head says; None for what is no head of a block of this stream."""
    reader = io.BytesIO(head)
    _, blocking, lengths, kinds = reader.read(4).ljust(4, b"\xff")
    if not _fits(kinds, stream):
        return None
    number = _number(reader)
    length = _length(lengths >> 4, reader)
    if number is None or length is None or not _has_rate(lengths & 15, reader, stream.rate):
        return None
    size = reader.tell()
    if size >= len(head) or _crc8(head[:size]) != head[size]:
        return None
    return _Block(is_numbered=blocking == 0xf8, number=number, length=length)


def _fits(kinds: int, stream: _Stream) -> bool:
    """Whether channels and bits are those of the stream, and the reserved bit is zero."""
    channels = 2 if kinds >> 4 in (8, 9, 10) else (kinds >> 4) + 1
    return channels == stream.channels and BITS[kinds >> 1 & 7] in (0, stream.bits) and not kinds & 1


def _number(reader: io.BytesIO) -> int | None:
    """A number of up to 36 bits, written as UTF-8 writes those of letters."""
    (lead,) = reader.read(1) or b"\xff"
    if lead < 0x80:
        return lead
    more = 7 - (lead ^ 0xff).bit_length()
    tail = reader.read(max(more, 0))
    if not 1 <= more <= 6 or len(tail) < more or any(byte >> 6 != 2 for byte in tail):
        return None
    number = lead & (0x3f >> more)
    for byte in tail:
        number = number << 6 | byte & 0x3f
    return number


def _length(code: int, reader: io.BytesIO) -> int | None:
    """Frames of a block by the code in its head."""
    if code in (6, 7):
        return int.from_bytes(reader.read(code - 5)) + 1
    if code == 0:
        return None
    return 192 if code == 1 else 144 << code if code <= 5 else 1 << code


def _has_rate(code: int, reader: io.BytesIO, rate: int) -> bool:
    if code < len(RATES):
        return RATES[code] in (0, rate)
    if code == 15:
        return False
    return int.from_bytes(reader.read(1 if code == 12 else 2)) * (1000, 1, 10)[code - 12] == rate


def _crc8(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x107 if crc & 0x80 else 0)) & 0xff
    return crc
