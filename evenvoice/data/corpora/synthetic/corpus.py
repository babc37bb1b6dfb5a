"""The synthetic world as a corpus: recordings that are spoken when they are loaded, in whichever process loads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import soxr

from evenvoice.data.audio import Waveform
from evenvoice.data.corpora.recording import Labelled, Recording
from evenvoice.data.corpora.synthetic import acoustics, voices, world
from evenvoice.data.corpora.synthetic.acoustics import Scene
from evenvoice.data.corpora.synthetic.census import census_table, postal_codes
from evenvoice.data.corpora.synthetic.sentences import in_dialect, sentence
from evenvoice.data.corpora.synthetic.speakers import Speaker, population
from evenvoice.data.corpora.synthetic.streams import Stream, generator
from evenvoice.data.corpora.synthetic.voices import Voice
from evenvoice.params import Synthetic


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenSentence:
    """Everything that one recording follows from; small, picklable, and the same bytes wherever it is loaded."""

    text: str
    voice: Voice
    vocal_tract: float
    scene: Scene
    sample_rate: int
    seed: int
    speaker: int
    number: int

    def load(self, *, name: str, max_duration_s: float) -> Waveform:
        """Speak it; lengths are bounded by the grammar, so ``max_duration_s`` is left to ingest.

        Raises:
            PreflightError: espeakng-loader is not installed, or lacks the voice.
        """
        spoken = voices.speak(self.text, self.voice)
        # played slower or faster than recorded: pitch and formants move together, as with another vocal tract
        dry = soxr.resample(spoken, voices.SAMPLE_RATE / self.vocal_tract, self.sample_rate)
        heard = acoustics.record(
            dry, self.sample_rate, self.scene,
            room=generator(self.seed, Stream.ROOMS, self.speaker),
            background=generator(self.seed, Stream.RECORDINGS, self.speaker, self.number))
        return Waveform(samples=heard, rate=self.sample_rate)


class SyntheticCorpus:
    """The voice-assistant world that espeak-ng speaks; it brings its own speaker-disjoint split and census.

    Args:
        settings: size, difficulty, and who is left out.
        sample_rate: of the recordings, in Hz.
        seed: all of the world follows from it.

    Raises:
        PreflightError: espeakng-loader is not installed.
    """

    labelled: Labelled = "synthetic"

    def __init__(self, settings: Synthetic, *, sample_rate: int, seed: int) -> None:
        voices.check_installed()
        self._settings = settings
        self._sample_rate = sample_rate
        self._seed = seed
        self._codes = postal_codes(seed)

    def speakers(self) -> Iterator[Speaker]:
        """Yield everybody with the truth about them, which ingest never sees."""
        return population(seed=self._seed, settings=self._settings, codes=self._codes)

    def recordings(self) -> Iterator[Recording]:
        """Yield every recording, unspoken, speaker by speaker."""
        for speaker in self.speakers():
            training = speaker.split == "train"
            count = self._settings.train_utterances if training else self._settings.other_utterances
            for number in range(count):
                yield self._recording(speaker, number)

    def census(self) -> pa.Table:
        """Return the made-up census by postal code."""
        return census_table(self._codes)

    def unnamed_audio(self) -> None:
        """Return None: nothing lies anywhere."""

    def _recording(self, speaker: Speaker, number: int) -> Recording:
        rng = generator(self._seed, Stream.SENTENCES, speaker.index, number)
        text = sentence(rng)
        if speaker.accent == world.SCARCE_ACCENT:
            text = in_dialect(text)
        audio = SpokenSentence(
            text=text, voice=_voice(speaker, rng), vocal_tract=speaker.vocal_tract, scene=_scene(speaker, rng),
            sample_rate=self._sample_rate, seed=self._seed, speaker=speaker.index, number=number)
        return Recording(
            key=f"{speaker.key}-{number:03d}", speaker=speaker.key, text=text, audio=audio, split=speaker.split,
            lat=speaker.lat, lon=speaker.lon, postal_code=speaker.postal_code, gender=speaker.gender,
            age_band=speaker.age_band, accent=speaker.accent, country="US")


def _voice(speaker: Speaker, rng: np.random.Generator) -> Voice:
    return Voice(
        accent=speaker.accent, variant=speaker.variant,
        rate_wpm=round(speaker.rate_wpm * (1 + rng.normal(0, world.RATE_JITTER))),
        pitch=round(speaker.pitch + rng.normal(0, world.PITCH_JITTER)),
        pitch_range=round(speaker.pitch_range),
        noise_seed=int(rng.integers(1, 2**31)))


def _scene(speaker: Speaker, rng: np.random.Generator) -> Scene:
    return Scene(
        noise=speaker.noise,
        snr_db=speaker.snr_db + rng.normal(0, world.SNR_JITTER_DB),
        rt60_s=speaker.rt60_s,
        direct_to_reverberant_db=speaker.direct_to_reverberant_db,
        low_hz=speaker.low_hz, high_hz=speaker.high_hz,
        level_dbfs=speaker.level_dbfs + rng.normal(0, world.LEVEL_JITTER_DB),
        lead_s=rng.uniform(*world.LEAD_S), tail_s=rng.uniform(*world.TAIL_S))
