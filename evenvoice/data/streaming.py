"""Audio that is still coming in: blocks of samples, resampled, to the same log-mel frames as the whole recording.

Frame t depends on samples [t * hop, t * hop + window) alone, so what must be remembered is the samples behind the
beginning of the next frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from evenvoice.data.containers import check_whole, opened, riff
from evenvoice.data.features import LogMel
from evenvoice.data.sound import SAFE_FORMATS, check_all_came, check_header, check_samples, not_audio, unreadable
from evenvoice.errors import RecordingRejected

STDIN: Final = 0
HIGHEST_SAMPLE: Final = 4.0
"""Beyond is no mild overshoot: what is still coming in has no peak yet by which it could be scaled."""


class StreamingLogMel:
    """Log-mel features of mono samples that arrive block by block.

    Args:
        features: of the whole recording.
        rate: of the samples that arrive, in Hz; they are resampled to that of the features.
    """

    def __init__(self, features: LogMel, rate: int) -> None:
        self._features = features
        self._resampler = None if rate == features.sample_rate else soxr.ResampleStream(
            rate, features.sample_rate, 1, dtype="float32")
        self._left_over = np.zeros(0, np.float32)
        self._any = False

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the frames (T, n_mels) that these samples complete, often none."""
        return self._frames(samples if self._resampler is None else self._resampler.resample_chunk(samples))

    def finish(self) -> NDArray[np.float32]:
        """Return the frames that the resampler still held back; of a very short recording, the one it has."""
        if self._resampler is not None:
            frames = self._frames(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        else:
            frames = self._frames(np.zeros(0, np.float32))
        return frames if self._any else self._features(self._left_over)

    def _frames(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        held = np.concatenate([self._left_over, samples])
        window, hop = self._features.window, self._features.hop
        if len(held) < window:
            self._left_over = held
            return np.zeros((0, self._features.n_mels), np.float32)
        frames = 1 + (len(held) - window) // hop
        self._left_over = held[frames * hop:]
        self._any = True
        return self._features(held[:(frames - 1) * hop + window])


class AudioBlocks:
    """Mono samples of a WAV or FLAC file, or of WAV from a pipe, while they are read.

    Args:
        path: of the file or named pipe, ``-`` for standard input.
        block_s: seconds of a block.

    Raises:
        RecordingRejected: no such file, not audio, of another length than its header declares, or a format that is
            not read.
    """

    def __init__(self, path: Path, block_s: float) -> None:
        self._name = "standard input" if path == Path("-") else str(path)
        self._pipe: BinaryIO | None = None
        with ExitStack() as closing:
            self._sound = self._opened(path, closing)
            self._closing = closing.pop_all()
        self.rate = int(self._sound.samplerate)
        self._block = max(1, round(block_s * self.rate))

    def _opened(self, path: Path, closing: ExitStack) -> soundfile.SoundFile:
        try:
            file = closing.enter_context(_open(path))
            if file.seekable():
                sound = closing.enter_context(opened(file, self._name, SAFE_FORMATS))
                check_whole(file, sound, self._name)
                return sound
            self._pipe = file
            sound = closing.enter_context(soundfile.SoundFile(file.fileno(), closefd=False))
            check_header(sound, self._name, SAFE_FORMATS)
        except OSError as error:
            raise unreadable(path, error) from error
        except soundfile.SoundFileError as error:
            raise not_audio(self._name, error) from error
        return sound

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._closing.close()

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks as they can be read, channels averaged.

        Raises:
            RecordingRejected: damaged, not finite, far beyond full scale, or of another length than its header said.
        """
        frames = 0
        try:
            # never asked for more than is declared: what follows in a pipe would be taken and thrown away
            while (wanted := min(self._block, self._sound.frames - frames)) and len(
                    block := self._sound.read(wanted, dtype="float32", always_2d=True)):
                check_samples(block, self._name)
                self._check_scale(block)
                frames += len(block)
                yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        except soundfile.SoundFileError as error:
            raise not_audio(self._name, error) from error
        check_all_came(self._sound, self._name, frames)
        if self._pipe is not None and self._sound.format in ("WAV", "WAVEX"):
            riff.check_rest(self._pipe.read, self._sound, self._name)

    def _check_scale(self, block: NDArray[np.float32]) -> None:
        if (highest := float(np.abs(block).max())) > HIGHEST_SAMPLE:
            raise RecordingRejected(
                name=self._name, rule=f"hold samples of at most {HIGHEST_SAMPLE:g} when streamed (full scale is 1)",
                value=f"{highest:.6g}: integers stored as floats?",
                action="Transcribe it without --stream, which scales it; or write it again as integers or in [-1, 1].")


def _open(path: Path) -> BinaryIO:
    if path == Path("-"):
        return open(STDIN, "rb", closefd=False)
    return path.open("rb")
