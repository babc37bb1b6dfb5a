"""The model's own count of multiply-accumulates, against PyTorch's profiler."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.models.causal import DepthwiseConv
from evenvoice.models.compute import macs_per_audio_s
from evenvoice.models.gates import gating
from evenvoice.models.transducer import Transducer
from tests.builders.models import ENCODERS, GATED, MELS, tiny_recogniser


def profiled_macs(work) -> float:
    """Half the FLOPs of the matrix products, without fused LSTMs and attention: the profiler sees nothing in those."""
    plain = torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)
    with plain, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in GATED])
def test_encoder_macs_agree_with_the_profiler(name):
    encoder = tiny_recogniser(encoder=name, width=64).transducer.encoder.eval()
    _, state = encoder.step(torch.randn(1, 100, MELS), encoder.initial_state(1))  # fills the window of attention
    found = profiled_macs(lambda: encoder.step(torch.randn(1, encoder.subsampling, MELS), state))
    # one multiplication per tap is no matrix product, so the profiler does not see it
    taps = sum(module.macs_per_frame for module in encoder.modules() if isinstance(module, DepthwiseConv))
    assert encoder.macs_per_frame == pytest.approx(found + taps, rel=1e-6)


@pytest.mark.parametrize("name", GATED)
def test_work_of_gated_encoders_agrees_with_the_profiler_on_every_frame(name):
    encoder = tiny_recogniser(encoder=name, width=64).transducer.encoder.eval()
    state, counts = encoder.initial_state(1), set()
    for features_BTM in torch.randn(40, 1, encoder.subsampling, MELS, generator=torch.Generator().manual_seed(1)):
        with gating() as work:
            found = profiled_macs(lambda features_BTM=features_BTM, state=state: encoder.step(features_BTM, state))
        assert work[0].executed_BT.item() == found
        counts.add(found)
        _, state = encoder.step(features_BTM, state)
    assert len(counts) > 4
    assert min(counts) < 0.5 * max(counts)
    assert max(counts) <= encoder.macs_per_frame


def test_macs_of_a_gated_encoder_are_the_executed_share_of_the_dense_one():
    dense = tiny_recogniser(encoder="transformer").transducer
    gated = tiny_recogniser(encoder="amortized").transducer
    rates = {"frames_per_s": 25.0, "labels_per_s": 10.0}
    half, whole = (macs_per_audio_s(gated, **rates, executed_share=share) for share in (0.5, None))
    assert gated.encoder.dense_macs_per_frame == dense.encoder.macs_per_frame < gated.encoder.macs_per_frame
    assert half.encoder == 0.5 * macs_per_audio_s(dense, **rates).encoder
    assert whole.encoder == 25 * gated.encoder.macs_per_frame
    assert half.joiner == whole.joiner


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
    assert macs.total * 4 == pytest.approx(found, rel=0.02)
