"""MP3: how many frames really follow the one that tells how many there are (Xing, Info or VBRI), or none at all.

libsndfile believes that frame, and where it is missing it guesses from the bit rate of the first one. So frames are
counted here, each by its head (ISO 11172-3, 13818-3), and a file without a count gets one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from evenvoice.data.sound import header_is_wrong, truncated
from evenvoice.errors import RecordingRejected

HEAD: Final = 4
SAME: Final = 0xfffe0c00
"""Bits of a head that stay: the first eleven, version, layer and sample rate."""
MONO: Final = 0xc0
LAYER_3: Final = 1
UNPROTECTED: Final = 0x10000
KBITS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""Bit rates of version 1 from code 1 on."""
LOW_KBITS: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Bit rates of versions 2 and 2.5."""
RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Hz by the code of the version."""
ID3V1_BYTES: Final = 128
WRITE_AGAIN: Final = "write it again, e.g. `ffmpeg -i in.mp3 out.flac`."


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all frames of a stream share."""

    same: int
    mono: bool
    sizes: dict[int, int]
    """Bytes of a frame by the bits of bit rate and padding."""

    @classmethod
    def of(cls, head: int) -> Self | None:
        """The kind of a frame with this head; None for what is no head."""
        version, layer, rate_code = head >> 19 & 3, head >> 17 & 3, head >> 10 & 3
        if head >> 21 != 0x7ff or version == 1 or layer != LAYER_3 or rate_code == 3:
            return None
        bytes_per_kbit, kbits = (144_000, KBITS) if version == 3 else (72_000, LOW_KBITS)
        sizes = {code << 12 | padding << 9: bytes_per_kbit * kbit // RATES[version][rate_code] + padding
                 for code, kbit in enumerate(kbits, start=1) for padding in (0, 1)}
        return cls(same=head & SAME, mono=head & MONO == MONO, sizes=sizes)

    def size(self, head: int) -> int:
        """Bytes of the frame with this head; 0 for what is no head of such a stream."""
        if head & SAME != self.same or (head & MONO == MONO) != self.mono:
            return 0
        return self.sizes.get(head & 0xf200, 0)

    @property
    def side_bytes(self) -> int:
        """Bytes between the head of a frame and what it holds."""
        version_1 = self.same >> 19 & 3 == 3
        return (17 if self.mono else 32) if version_1 else (9 if self.mono else 17)


def whole(content: bytes, name: str) -> bytes:
    """Return a file that tells how many frames it has, all in a row: this one, or one with a count before its frames.

    Decoders lose their step, and what follows, where tags or zeros lie between two frames.

    Raises:
        RecordingRejected: it tells another number than follows, ends within a frame, or holds anything else.
    """
    first = _behind_tags(content, 0)
    kind = _Kind.of(_head(content, first))
    if kind is None:
        raise _damaged(name, f"something else at byte {first}")
    told = _told(content, first, kind)
    start = first if told is None else first + kind.size(_head(content, first))
    frames, spans = _counted(content, start, kind, name)
    if told:
        if frames < told:
            raise truncated(name, f"{frames} of {told} declared frames of MP3")
        if frames > told:
            raise header_is_wrong(name, f"{frames} frames of MP3 behind a header that declares {told}", WRITE_AGAIN)
        if not content.startswith(b"VBRI", first + HEAD + 32):
            return content if len(spans) == 1 else content[:start] + _joined(content, spans)
    return content[:first] + _counting_frame(frames, _head(content, first), kind) + _joined(content, spans)


def _joined(content: bytes, spans: list[list[int]]) -> bytes:
    return content[spans[0][0]:] if len(spans) == 1 else b"".join(content[begin:end] for begin, end in spans)


def _counted(content: bytes, at: int, kind: _Kind, name: str) -> tuple[int, list[list[int]]]:
    """How many frames there are, and where those lie that follow each other, from byte to byte."""
    frames, spans = 0, [[at, at]]
    while at < len(content):
        size = kind.size(_head(content, at))
        if size and at + size <= len(content):
            frames += 1
            if at > spans[-1][1]:
                spans.append([at, at])
            at += size
            spans[-1][1] = at
        elif size or len(content) - at < HEAD:
            raise truncated(name, f"{len(content) - at} bytes of its last frame, which has {size or 'more'}")
        elif (behind := _behind_tags(content, at)) > at:
            at = behind
        else:
            raise _damaged(name, f"something else at byte {at}, behind {frames} frames")
    return frames, spans


def _damaged(name: str, value: str) -> RecordingRejected:
    return RecordingRejected(name=name, rule="hold MP3 of one kind from its first byte to its last", value=value,
                             action=f"Copy the file again, or {WRITE_AGAIN}")


def _told(content: bytes, first: int, kind: _Kind) -> int | None:
    """Frames that the first one says will follow, 0 where it says nothing; None where it is not there to say so."""
    for skipped in (HEAD + kind.side_bytes, HEAD + kind.side_bytes + 2):
        at = first + skipped
        if content[at:at + 4] in (b"Xing", b"Info"):
            return int.from_bytes(content[at + 8:at + 12]) if content[at + 7] & 1 else 0
    at = first + HEAD + 32
    if content.startswith(b"VBRI", at):
        return int.from_bytes(content[at + 14:at + 18])
    return None


def _counting_frame(frames: int, head: int, kind: _Kind) -> bytes:
    """A frame of silence, as long as they get, that tells how many follow."""
    head = head & ~0xf200 | UNPROTECTED | 14 << 12
    told = bytes(kind.side_bytes) + b"Info" + (1).to_bytes(4) + frames.to_bytes(4)
    return (head.to_bytes(HEAD) + told).ljust(kind.size(head), b"\0")


def _behind_tags(content: bytes, at: int) -> int:
    """Where what is no sound ends: tags of the kinds that players write, and zeros."""
    while at < len(content) and (size := _tag_bytes(content, at)):
        at += size
    return min(at, len(content))


def _tag_bytes(content: bytes, at: int) -> int:
    if content.startswith(b"ID3", at):
        return 10 + sum(byte << shift for byte, shift in zip(content[at + 6:at + 10], (21, 14, 7, 0), strict=False))
    if content.startswith(b"TAG", at):
        return ID3V1_BYTES
    if content.startswith(b"APETAGEX", at):
        has_head = content[at + 23:at + 24] >= b"\x80"
        return (32 if has_head else 0) + int.from_bytes(content[at + 12:at + 16], "little")
    if content.startswith(b"LYRICSBEGIN", at):
        return max(0, content.find(b"LYRICS200", at) + 9 - at)
    rest = content[at:]
    return len(rest) - len(rest.lstrip(b"\0"))


def _head(content: bytes, at: int) -> int:
    return int.from_bytes(content[at:at + HEAD])
