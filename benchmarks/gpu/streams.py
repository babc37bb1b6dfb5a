"""Many streams as one batch: how long a chunk of 40 ms takes, of the encoder alone and with the search behind it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.device import here, timed, unless_out_of_memory, with_peak
from benchmarks.gpu.scale import Scale
from benchmarks.streaming_latency import MELS, STACK, Times, untrained
from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.models.recogniser import Recogniser

WARM_UP = 70
"""Chunks that fill every cache: attention sees 64 frames."""


@torch.inference_mode()
def batched(item: str, scale: Scale) -> dict[str, Any]:
    """Per number of streams p50 and p99 in ms, and the streams that this device keeps up with at that batch."""
    recogniser = untrained(*item.split())
    recogniser.transducer.to(here())
    return {str(streams): unless_out_of_memory(lambda streams=streams: _measured(recogniser, streams, scale))
            for streams in scale.streams}


def _measured(recogniser: Recogniser, streams: int, scale: Scale) -> dict[str, Any]:
    chunk_BTM = torch.randn(streams, STACK, MELS, device=here()) * 3 - 8
    row: dict[str, Any] = {}
    for name, times in (("encoder", _encoder), ("with_search", _search)):
        seconds, peak_mib = with_peak(lambda times=times: times(recogniser, chunk_BTM, scale))
        found = Times.of(seconds, recogniser.frame_s)
        row[name] = {"p50_ms": found.p50_ms, "p99_ms": found.p99_ms, "peak_mib": peak_mib,
                     "streams_in_real_time": streams / found.real_time_factor}
    return row


def _encoder(recogniser: Recogniser, chunk_BTM: Tensor, scale: Scale) -> list[float]:
    transducer = recogniser.transducer
    state = transducer.encoder.initial_state(len(chunk_BTM))
    seconds = []
    for _ in range(WARM_UP + scale.chunks):
        took, (_, state) = timed(lambda state=state: transducer.encode_chunk(chunk_BTM, state))
        seconds.append(took)
    return seconds[WARM_UP:]


def _search(recogniser: Recogniser, chunk_BTM: Tensor, scale: Scale) -> list[float]:
    search = GreedyDecoder(recogniser.transducer)
    state = search.initial_state(len(chunk_BTM))
    seconds = []
    for _ in range(WARM_UP + scale.chunks):
        took, state = timed(lambda state=state: search.step(chunk_BTM, state))
        seconds.append(took)
    return seconds[WARM_UP:]
