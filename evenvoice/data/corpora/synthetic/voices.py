"""espeak-ng through ctypes: text and a voice in, samples out, the same samples every time.

espeak-ng keeps state between utterances (the phase of its pitch flutter, its noise generator) that neither a new voice
nor ``espeak_Terminate`` resets: the same sentence differs from call to call. So the library is loaded anew for each
utterance, which costs about a millisecond and makes the result a function of the arguments alone.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import PreflightError

SAMPLE_RATE: Final = 22_050
"""Samples per second of everything espeak-ng says."""

FEMALE: Final = ("f1", "f2")
MALE: Final = ("m1", "m3", "m4", "m5", "m6", "m7")
"""espeak-ng's voice variants that sound like people: no whispers, robots or echoes. Few, so that
a small model can learn them; speakers also differ in pitch, vocal tract, rate and room. f3, f4, f5, m2 and
m8 are not among them: recognisers err a third to twice as often on them, a second harm beside the planted one."""

_LANGUAGE_FILES: Final = {
    "en-us": "en-US", "en-gb": "en", "en-gb-x-rp": "en-GB-x-rp",
    "en-gb-scotland": "en-GB-scotland", "en-gb-x-gbclan": "en-GB-x-gbclan", "en-gb-x-gbcwmd": "en-GB-x-gbcwmd",
    "en-029": "en-029"}
"""Accents and their files in espeak-ng's lang/gmw."""
_SHARED_FILES: Final = ("phontab", "phonindex", "phondata", "intonations", "en_dict", "voices")

# Names and numbers from espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_CHARS_UTF8 = 1
_DONT_EXIT = 0x8000

_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How espeak-ng speaks one utterance."""

    accent: str
    """Language voice, e.g. ``en-gb-scotland``, Lancashire ``en-gb-x-gbclan``, Caribbean ``en-029``."""
    variant: str
    """Voice variant, one of :data:`FEMALE` or :data:`MALE`."""
    rate_wpm: int
    """Words per minute, 80 to 450."""
    pitch: int
    """0 to 99, around the variant's own pitch; 50 is as it is."""
    pitch_range: int
    """0 (monotone) to 99."""
    noise_seed: int
    """Seeds the breath noise."""


def check_installed() -> None:
    """Fail early, with the remedy.

    Raises:
        PreflightError: espeakng-loader is not installed.
    """
    _locate()


def speak(text: str, voice: Voice) -> NDArray[np.float32]:
    """Return samples (T,) in [-1, 1] at :data:`SAMPLE_RATE`, a function of the arguments alone.

    Raises:
        PreflightError: espeakng-loader is not installed, or lacks the voice.
    """
    chunks: list[bytes] = []

    def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _SynthCallback(collect)  # espeak-ng keeps its address: it must outlive the call
    with _one_at_a_time, _fresh_library() as espeak:
        espeak.espeak_SetSynthCallback(callback)
        _set_voice(espeak, voice)
        content = text.encode("utf-8")
        espeak.espeak_Synth(content, ctypes.c_size_t(len(content) + 1), 0, 0, 0, _CHARS_UTF8, None, None)
    return np.frombuffer(b"".join(chunks), dtype=np.int16).astype(np.float32) / np.float32(2**15)


def _set_voice(espeak: ctypes.CDLL, voice: Voice) -> None:
    name = f"{voice.accent}+{voice.variant}"
    variant = Path(_voice_data(), "voices", "!v", voice.variant)  # espeak-ng would silently do without a missing one
    if not variant.is_file() or espeak.espeak_SetVoiceByName(name.encode("ascii")) != 0:
        raise PreflightError(name=f"espeak-ng voice {name!r}", rule="exist", value="no such voice",
                             action="Install the pinned espeakng-loader: pip install 'evenvoice[synthetic]'.")
    for parameter, value in ((_RATE, voice.rate_wpm), (_VOLUME, 100), (_PITCH, voice.pitch),
                             (_RANGE, voice.pitch_range)):
        espeak.espeak_SetParameter(parameter, value, 0)
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(voice.noise_seed))


@contextmanager
def _fresh_library() -> Iterator[ctypes.CDLL]:
    """Load espeak-ng with all its state as new, and unload it."""
    library, _ = _locate()
    espeak = ctypes.CDLL(library)
    try:
        if espeak.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, _voice_data().encode(), _DONT_EXIT) != SAMPLE_RATE:
            raise PreflightError(name=library, rule=f"start at {SAMPLE_RATE} Hz", value="another answer",
                                 action="Install the pinned espeakng-loader: pip install 'evenvoice[synthetic]'.")
        yield espeak
        espeak.espeak_Terminate()
    finally:
        _unload(espeak)


def _unload(library: ctypes.CDLL) -> None:
    dlclose = ctypes.CDLL(None).dlclose
    dlclose.argtypes = [ctypes.c_void_p]
    dlclose(library._handle)


@cache
def _voice_data() -> str:
    """Return this process's own folder of links to the voice data, in which an accent's file bears its name.

    espeak-ng turns names into lower case before it looks for files, and so opens all 200 voices to find ``en-us``.
    """
    _, data = _locate()
    links = Path(tempfile.mkdtemp(prefix="evenvoice-espeak-"))
    Finalize(None, shutil.rmtree, args=(links, True), exitpriority=0)  # unlike atexit, runs in pool workers too
    for name in _SHARED_FILES:
        (links / name).symlink_to(Path(data, name))
    (links / "lang").mkdir()
    for accent, name in _LANGUAGE_FILES.items():
        (links / "lang" / accent).symlink_to(Path(data, "lang", "gmw", name))
    return str(links)


def _locate() -> tuple[str, str]:
    """Return the paths of the library and of its voice data."""
    try:
        import espeakng_loader
    except ImportError:
        raise PreflightError(name="The synthetic corpus", rule="find espeak-ng", value="no package espeakng-loader",
                             action="Install it: pip install 'evenvoice[synthetic]'.") from None
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
