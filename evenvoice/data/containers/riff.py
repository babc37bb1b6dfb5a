"""WAV: chunks, of which one holds the samples (IBM and Microsoft, 1991).

Programs that write into a pipe put 2 or 4 GiB, or nearly so, where the length belongs: such a file is read to its
end. Any other length has to be true, and behind the samples only further chunks may stand: samples behind a header
that was never brought up to date, as a recorder leaves it that crashed, are none.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

import soundfile

from evenvoice.data.sound import SAMPLE_BYTES, UNDECLARED_BYTES, header_is_wrong, truncated
from evenvoice.errors import RecordingRejected

HEAD: Final = 8
"""Bytes of a chunk's name and size."""
SAMPLES: Final = (b"data", b"RIFF", b"RIFX")
"""Chunks that hold samples: behind the first one they would be lost."""
SKIPPED_AT_ONCE: Final = 1 << 16
WRITE_AGAIN: Final = ("write it again, e.g. `ffmpeg -ignore_length 1 -i in.wav out.wav`, or cut off what follows if "
                      "it is no sound.")
ByteOrder = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class _Data:
    """Where the samples are, in bytes."""

    start: int
    declared: int
    end: int
    """Of the file."""
    order: ByteOrder
    file_declared: int
    """Of the whole file behind its first eight bytes."""

    @property
    def file_may_end_here(self) -> bool:
        """False for samples in the place of the length: a program that writes into a pipe knows neither length, so it
        puts no true one for the file either, or one that ran over to nearly nothing.
        """
        length = self.file_declared + HEAD
        return self.file_declared >= UNDECLARED_BYTES or length <= self.start or length == self.end

    @property
    def present(self) -> int:
        """Bytes from the first sample to the end of the file."""
        return self.end - self.start


def check(file: BinaryIO, sound: soundfile.SoundFile, name: str) -> None:
    """Refuse a WAV file whose data chunk says another length than follows, or that ends within a frame.

    Raises:
        RecordingRejected: both figures are in its value.
    """
    data = _find_data(file)
    if data is None:
        raise RecordingRejected(name=name, rule="hold a chunk of samples that its other chunks lead to", value="none",
                                action="Write it again, e.g. `ffmpeg -i in.wav out.wav`.")
    undeclared = data.declared >= UNDECLARED_BYTES and data.present <= data.declared
    if undeclared and not data.file_may_end_here:
        declared = f"{data.end} bytes where the file declares {data.file_declared + HEAD}"
        raise header_is_wrong(name, declared, WRITE_AGAIN)
    if not undeclared and data.present < data.declared:
        raise truncated(name, f"{data.present} of {data.declared} declared bytes")
    frame = sound.channels * SAMPLE_BYTES.get(sound.subtype, 0)
    if not undeclared and not _only_chunks_follow(file, data, frame):
        raise _more_follows(name, f"{data.declared} bytes", f"{data.present} bytes")
    held = data.present if undeclared else data.declared
    if frame and held % frame:
        raise RecordingRejected(name=name, rule="end with a whole frame", value=f"{held} bytes in frames of {frame}",
                                action="Copy the file again, or write it again: its last sample is cut off.")
    if frame and held // frame != sound.frames:
        raise header_is_wrong(name, f"{held // frame} frames where libsndfile finds {sound.frames}", WRITE_AGAIN)


def check_rest(read: Callable[[int], bytes], sound: soundfile.SoundFile, name: str) -> None:
    """Refuse a pipe that goes on with anything but chunks behind the samples its header declared.

    Args:
        read: returns so many of the next bytes of the pipe, fewer only at its end.

    Raises:
        RecordingRejected: more follows.
    """
    order: ByteOrder = "big" if sound.endian == "BIG" else "little"
    head = read(HEAD)
    if head[:1] == b"\0" and sound.frames * sound.channels * SAMPLE_BYTES.get(sound.subtype, 1) % 2:
        head = head[1:] + read(1)  # fills up an odd length
    while head:
        if not _is_chunk(head):
            raise _more_follows(name, f"{sound.frames} frames", "more")
        size = int.from_bytes(head[4:], order)
        left = size + size % 2
        while left and (skipped := read(min(left, SKIPPED_AT_ONCE))):
            left -= len(skipped)
        head = read(HEAD)


def _more_follows(name: str, declared: str, present: str) -> RecordingRejected:
    return header_is_wrong(name, f"{present} behind a header that declares {declared}", WRITE_AGAIN)


def _find_data(file: BinaryIO) -> _Data | None:
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    order: ByteOrder = "big" if file.read(4) == b"RIFX" else "little"
    whole = int.from_bytes(file.read(4), order)
    at = 12
    while at + HEAD <= end:
        file.seek(at)
        head = file.read(HEAD)
        size = int.from_bytes(head[4:], order)
        if head[:4] == b"data":
            return _Data(start=at + HEAD, declared=size, end=end, order=order, file_declared=whole)
        if len(head) < HEAD:
            return None
        at += HEAD + size + size % 2
    return None


def _only_chunks_follow(file: BinaryIO, data: _Data, frame: int) -> bool:
    """The byte that fills up an odd length is zero, where it could be a sample; some programs leave it out."""
    end = data.start + data.declared
    if _chunks_reach_the_end(file, data, end):
        return True
    file.seek(end)
    filled = data.declared % 2 == 1 and (frame != 1 or file.read(1) == b"\0")
    return filled and _chunks_reach_the_end(file, data, end + 1)


def _chunks_reach_the_end(file: BinaryIO, data: _Data, at: int) -> bool:
    while at < data.end:
        file.seek(at)
        head = file.read(HEAD)
        if not _is_chunk(head):
            return False
        size = int.from_bytes(head[4:], data.order)
        at += HEAD + size
        at += size % 2 if at < data.end else 0
    return at == data.end


def _is_chunk(head: bytes) -> bool:
    return len(head) == HEAD and all(0x20 <= letter < 0x7f for letter in head[:4]) and head[:4] not in SAMPLES
