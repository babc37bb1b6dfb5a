"""Whether a file holds as much as its header says, for every container that is read.

libsndfile believes the header: it stops where the header says, however much follows, and shortens what ends before.
So each module of this package counts for itself what is there, in bounded memory and without decoding. A file is then
read to its last sample, or refused with both figures.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import soundfile

from evenvoice.data.containers import flac, mpeg, ogg, riff
from evenvoice.data.sound import COMPRESSED_FORMATS, MAX_DECODED_BYTES, UNKNOWN_FRAMES, check_header
from evenvoice.errors import RecordingRejected


@contextmanager
def opened(file: BinaryIO, name: str, formats: tuple[str, ...]) -> Iterator[soundfile.SoundFile]:
    """Open a seekable file so that libsndfile knows its length, also where its header does not tell.

    Raises:
        RecordingRejected: a format that is not in ``formats``, a rate that no speech has, or MP3 or OGG that does not
            hold what it declares.
        SoundFileError: libsndfile does not take it.
    """
    with soundfile.SoundFile(file) as sound:
        check_header(sound, name, formats)
        position = file.tell()
        mended = _mended(file, sound, name)
        file.seek(position)
        if mended is None:
            yield sound
            return
    mended.seek(0)
    with soundfile.SoundFile(mended) as sound:
        yield sound


def check_whole(file: BinaryIO, sound: soundfile.SoundFile, name: str) -> None:
    """Refuse WAV and FLAC whose header declares another length than follows; the others were checked when opened.

    Raises:
        RecordingRejected: both figures are in its value.
    """
    position = file.tell()
    if sound.format in ("WAV", "WAVEX"):
        riff.check(file, sound, name)
    elif sound.format == "FLAC":
        flac.check(file, sound, name)
    file.seek(position)


def _mended(file: BinaryIO, sound: soundfile.SoundFile, name: str) -> BinaryIO | None:
    """The file with its length in its header, None where it is there already."""
    if sound.format == "FLAC" and sound.frames == UNKNOWN_FRAMES:
        return flac.with_length(file)
    if sound.format in COMPRESSED_FORMATS:
        content = _content(file, name)
        if sound.format == "MP3":
            mended = mpeg.whole(content, name)
            return None if mended is content else io.BytesIO(mended)
        ogg.check(content, name)
    return None


def _content(file: BinaryIO, name: str) -> bytes:
    """All bytes of a compressed file, which are fewer than it decodes into."""
    file.seek(0)
    content = file.read(MAX_DECODED_BYTES + 1)
    if len(content) > MAX_DECODED_BYTES:
        raise RecordingRejected(name=name, rule=f"have at most {MAX_DECODED_BYTES >> 20} MiB", value="more",
                                action="Cut it.")
    return content
