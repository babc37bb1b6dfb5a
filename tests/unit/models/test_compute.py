"""The model's own count of multiply-accumulates, against PyTorch's profiler."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.models import ENCODERS
from evenvoice.models.compute import macs_per_audio_s
from evenvoice.models.transducer import Transducer
from tests.builders.models import MELS, tiny_recogniser


def profiled_macs(work) -> float:
    """Half the FLOPs of the matrix products; oneDNN's LSTM is switched off, since the profiler cannot look into it."""
    plain = torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)
    with plain, FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_encoder_macs_agree_with_the_profiler(name):
    encoder = tiny_recogniser(encoder=name, layers=2, width=64).transducer.encoder.eval()
    found = profiled_macs(lambda: encoder(torch.randn(1, 400, MELS)))
    assert encoder.macs_per_frame * 100 == pytest.approx(found, rel=0.02)


def eager(transducer: Transducer) -> Transducer:
    """Emits a label at the first frame of all and then blanks."""
    with torch.no_grad():
        transducer.joiner.output.bias[0] = 1e4
    return transducer.eval()


def test_a_decode_costs_what_the_model_says():
    transducer = eager(tiny_recogniser(width=64).transducer)
    decoder = GreedyDecoder(transducer, 4)
    state = decoder.initial_state(1)
    found = profiled_macs(lambda: decoder.step(torch.randn(1, 400, MELS), state))
    assert macs_per_audio_s(transducer, frames_per_s=25.0, labels_per_s=0.0).total * 4 == pytest.approx(found, rel=0.02)


def test_each_label_costs_a_prediction_and_a_score():
    transducer = tiny_recogniser(width=64).transducer.eval()
    with torch.no_grad():
        transducer.joiner.output.bias[0] = -1e4  # never blank: as many labels per frame as are allowed
    decoder = GreedyDecoder(transducer, 3)
    state = decoder.initial_state(1)
    found = profiled_macs(lambda: decoder.step(torch.randn(1, 400, MELS), state))
    macs = macs_per_audio_s(transducer, frames_per_s=25.0, labels_per_s=75.0)
    spared = 100 * transducer.joiner.score_macs  # a frame that reaches the limit is not asked once more
    assert macs.total * 4 - spared == pytest.approx(found, rel=0.02)
