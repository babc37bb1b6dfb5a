"""Audio from object stores, brought by threads while the recordings before it are decoded.

A request takes far longer than its bytes, so several are on their way at once, and never more than a few: memory
holds at most WINDOW recordings that are waiting to be decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final

from evenvoice.data.checks import label
from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.recording import Audio, Recording
from evenvoice.data.joining import JoinedAudio
from evenvoice.object_store import is_object_url

WINDOW: Final = 8


def ahead(recordings: Sequence[Recording]) -> Iterator[Callable[[], Recording]]:
    """Yield, for each recording, what returns it with its audio at hand or raises why it cannot be had."""
    if not any(_is_remote(recording.audio) for recording in recordings):
        yield from (partial(_itself, recording) for recording in recordings)
        return
    on_the_way: deque[Future[Recording]] = deque()
    waiting = iter(recordings)
    with ThreadPoolExecutor(WINDOW) as pool:
        try:
            for _ in recordings:
                while len(on_the_way) < WINDOW and (recording := next(waiting, None)) is not None:
                    on_the_way.append(pool.submit(_with_open_audio, recording))
                yield on_the_way.popleft().result
        finally:
            pool.shutdown(cancel_futures=True)


def _itself(recording: Recording) -> Recording:
    return recording


def _with_open_audio(recording: Recording) -> Recording:
    return replace(recording, audio=_opened(recording.audio, label(recording)))


def _opened(audio: Audio, name: str) -> Audio:
    if isinstance(audio, JoinedAudio):
        return replace(audio, parts=tuple(_opened(part, name) for part in audio.parts))
    if isinstance(audio, FileAudio) and is_object_url(audio.path):
        return audio.open(name=name)
    return audio


def _is_remote(audio: Audio) -> bool:
    if isinstance(audio, JoinedAudio):
        return any(_is_remote(part) for part in audio.parts)
    return isinstance(audio, FileAudio) and is_object_url(audio.path)
