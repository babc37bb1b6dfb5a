"""Gates skip what they say, computed one way as the other, and tell what that spared."""

import pytest
import torch
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode

from evenvoice.errors import ParamsError
from evenvoice.models.amortized import AmortizedTransformer, GatedAttention, _gathered, _multiplied
from evenvoice.models.feed_forward import FeedForward
from evenvoice.models.gates import ON_AT_FIRST, Arbitrator, ChanceGates, gating, traced
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import Arbitrators, Chance, TransformerShape
from tests.builders.models import MELS, tiny_recogniser

WIDTH, WINDOW = 8, 6
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def attention() -> GatedAttention:
    layer = GatedAttention(WIDTH, heads=2, window=WINDOW, dropout=0.0)
    with torch.no_grad():
        layer.distance_HW.copy_(random(2, WINDOW))
    return layer


def gates(batch: int, frames: int, rate: float, seed: int) -> torch.Tensor:
    return torch.rand(batch, frames, generator=torch.Generator().manual_seed(seed)) < rate


def in_a_graph(layer: GatedAttention):
    def gathered(*args):
        with traced():
            return layer.gathered(*args)

    return gathered


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("batch", [1, 4])
def test_gathered_attention_is_multiplied_attention_in_chunks_of_any_size(batch, rate):
    layer, chunk_BTD, on_BT = attention(), random(batch, 151, WIDTH), gates(batch, 151, rate, seed=batch)
    whole_BTD, _ = layer.multiplied(chunk_BTD, on_BT.float(), torch.tensor(0), layer.initial_state(batch))
    for way, gate_BT in ((layer.gathered, on_BT), (layer.multiplied, on_BT.float()), (in_a_graph(layer), on_BT)):
        for sizes in ([151], [1, 3, 1, 9, 137], [40, 1, 110]):
            state, now, said = layer.initial_state(batch), 0, []
            for part_BTD, part_BT in zip(chunk_BTD.split(sizes, 1), gate_BT.split(sizes, 1), strict=True):
                said_BTD, state = way(part_BTD, part_BT, torch.tensor(now), state)
                now += part_BT.shape[1]
                said.append(said_BTD)
                assert state.keys_BSD.shape[1] < WINDOW
            torch.testing.assert_close(torch.cat(said, 1), whole_BTD, **TOLERANCE)


def test_the_state_of_a_batch_serves_every_way():
    layer, chunk_BTD, on_BT, now = attention(), random(3, 20, WIDTH), gates(3, 20, 0.5, seed=1), torch.tensor
    ways = ((layer.gathered, on_BT), (layer.multiplied, on_BT.float()), (in_a_graph(layer), on_BT))
    found = []
    for before, gate_BT in ways:
        _, state = before(chunk_BTD[:, :11], gate_BT[:, :11], now(0), layer.initial_state(3))
        found.extend(after(chunk_BTD[:, 11:], later_BT[:, 11:], now(11), state)[0] for after, later_BT in ways)
    for said_BTD in found[1:]:
        torch.testing.assert_close(said_BTD, found[0], **TOLERANCE)


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_gathered_feed_forward_is_multiplied_feed_forward(rate):
    layer, chunk_BTD, on_BT = FeedForward(WIDTH, 2, 0.0), random(3, 30, WIDTH), gates(3, 30, rate, seed=2)
    torch.testing.assert_close(_gathered(layer, chunk_BTD, on_BT), _multiplied(layer, chunk_BTD, on_BT.float()),
                               **TOLERANCE)


def test_a_frame_without_attention_is_not_seen_by_later_ones():
    layer, chunk_BTD = attention(), random(1, 4, WIDTH)
    other_BTD = chunk_BTD.clone()
    other_BTD[:, 1, 0] += 1.0  # of one channel: a norm hears nothing of what is added to all
    for on, seen in (([True] * 4, True), ([True, False, True, True], False)):
        on_BT = torch.tensor([on])
        first, second = (layer.gathered(given_BTD, on_BT, torch.tensor(0), layer.initial_state(1))[0][:, 2:]
                         for given_BTD in (chunk_BTD, other_BTD))
        assert torch.equal(first, second) is not seen


def test_a_gate_learns_what_its_key_is_worth_to_later_frames():
    layer, gate_BT = attention(), torch.tensor([[1.0, 0.0, 1.0, 1.0]], requires_grad=True)
    said_BTD, _ = layer.multiplied(random(1, 4, WIDTH), gate_BT, torch.tensor(0), layer.initial_state(1))
    (gradient_BT,) = torch.autograd.grad(said_BTD[:, 3].square().sum(), gate_BT)
    assert (gradient_BT != 0).all()


def dense() -> Recogniser:
    return tiny_recogniser(encoder="transformer")


@pytest.mark.parametrize("see", ["input", "stem"])
def test_before_arbitrators_are_trained_it_hears_what_the_dense_model_hears(see):
    base, whole_BTM, lengths_B = dense(), random(2, 80, MELS), torch.tensor([80, 61])
    gated = base.with_gates(Arbitrators(see=see), seed=1)
    torch.testing.assert_close(gated.transducer.eval().encode(whole_BTM, lengths_B),
                               base.transducer.eval().encode(whole_BTM, lengths_B), **TOLERANCE)
    assert not (set(base.transducer.state_dict()) - set(gated.transducer.state_dict()))
    with gating() as work:
        gated.transducer.train().encode(random(8, 400, MELS), torch.full((8,), 400))
    assert work[0].gates_BTG.mean().item() == pytest.approx(ON_AT_FIRST, abs=0.02)


def test_gates_of_chance_add_no_parameters():
    gated = dense().with_gates(Chance(rates=(0.5,) * 4), seed=1)
    assert set(gated.transducer.state_dict()) == set(dense().transducer.state_dict())


def body_of(gated: Recogniser) -> AmortizedTransformer:
    body = gated.transducer.encoder.body
    assert isinstance(body, AmortizedTransformer)
    return body


def test_what_is_off_is_not_called():
    body = body_of(dense().with_gates(Chance(rates=(0.0,) * 4), seed=1)).eval()
    with FlopCounterMode(display=False) as counter:
        body.step(random(3, 10, 4 * MELS), body.initial_state(3))
    assert counter.get_total_flops() / 2 == 30 * body.stem.macs_per_frame


def test_chance_of_0_and_1_leaves_out_sub_blocks_for_good_and_others_keep_their_rate():
    decided_BTG = ChanceGates((0.0, 0.3, 1.0)).eval()(random(2, 3000, 1), torch.tensor(17))
    assert torch.equal(decided_BTG[0], decided_BTG[1])
    assert decided_BTG[0].float().mean(0).tolist() == pytest.approx([0.0, 0.3, 1.0], abs=0.03)
    assert not decided_BTG[..., 0].any()
    assert decided_BTG[..., 2].all()


def test_chance_draws_anew_in_training():
    chance = ChanceGates((0.5,)).train()
    first, second = (chance(random(2, 100, 1), torch.tensor(0)) for _ in range(2))
    assert not torch.equal(first, second)


def test_the_share_counts_real_frames_only_and_teaches_every_arbitrator():
    body = body_of(tiny_recogniser(encoder="amortized")).train()
    with gating(temperature=2.0) as work:
        body(random(2, 12, 4 * MELS))
    (done,) = work
    share = done.share(torch.tensor([12, 5]))
    real = [done.executed_BT[0], done.executed_BT[1, :5]], [done.dense_BT[0], done.dense_BT[1, :5]]
    assert share.item() == pytest.approx(torch.cat(real[0]).sum().item() / torch.cat(real[1]).sum().item())
    biases = [module.logit.bias for module in body.modules() if isinstance(module, Arbitrator)]
    assert all(gradient.item() > 0 for gradient in torch.autograd.grad(share, biases))


def test_everything_on_is_the_dense_work_and_the_arbitrators():
    body = body_of(dense().with_gates(Arbitrators(hidden=4), seed=1)).eval()
    with gating() as work:
        body(random(2, 12, 4 * MELS))
    torch.testing.assert_close(work[0].executed_BT, work[0].dense_BT + body.deciding_macs)
    assert work[0].dense_BT[0, -1].item() == body.dense_macs_per_frame == body.macs_per_frame - body.deciding_macs


def test_work_is_the_same_in_chunks_and_in_one_piece_and_nobody_asked_means_none_is_kept():
    body, whole_BTS = body_of(tiny_recogniser(encoder="amortized")).eval(), random(2, 30, 4 * MELS)
    with gating() as whole:
        body(whole_BTS)
    body(whole_BTS)
    with gating() as parts:
        state = body.initial_state(2)
        for part_BTS in whole_BTS.split(1, dim=1):
            _, state = body.step(part_BTS, state)
    assert (len(whole), len(parts)) == (1, 30)
    for name in ("executed_BT", "dense_BT", "gates_BTG"):
        torch.testing.assert_close(torch.cat([getattr(part, name) for part in parts], 1), getattr(whole[0], name))


def test_a_lower_temperature_sharpens_the_gradient_and_leaves_the_gate_0_or_1():
    arbitrator, found = Arbitrator(WIDTH, 4, gates=1).train(), []
    for temperature in (0.5, 2.0):
        torch.manual_seed(1)
        with gating(temperature):
            gate_BTG = arbitrator(random(1, 1, WIDTH))
        assert gate_BTG.unique().tolist() in ([0.0], [1.0], [0.0, 1.0])
        found.append(torch.autograd.grad(gate_BTG.sum(), arbitrator.logit.bias)[0].item())
    assert found[0] != found[1]


@pytest.mark.parametrize("chosen", [Arbitrators(see="stem", hidden=3), Chance(rates=(0.5, 0.25, 1.0, 0.0))])
def test_comes_back_as_it_was_saved(tmp_path, chosen):
    gated = dense().with_gates(chosen, seed=1)
    gated.save(tmp_path)
    again = Recogniser.load(tmp_path)
    assert again.description == gated.description
    whole_BTM, lengths_B = random(2, 80, MELS), torch.tensor([80, 61])
    assert torch.equal(again.transducer.encode(whole_BTM, lengths_B),
                       gated.transducer.eval().encode(whole_BTM, lengths_B))


def test_a_dense_model_is_described_without_gates():
    assert "gates" not in dense().description.content()["architecture"]["encoder"]


def test_an_encoder_that_cannot_skip_is_refused_by_name():
    with pytest.raises(ParamsError, match="the encoder must be a transformer whose sub-blocks all work, got lstm"):
        tiny_recogniser(encoder="lstm").with_gates(Arbitrators(), seed=1)
    with pytest.raises(ParamsError, match="got one with gates"):
        tiny_recogniser(encoder="amortized").with_gates(Arbitrators(), seed=1)


def test_rates_that_do_not_fit_the_sub_blocks_are_refused():
    with pytest.raises(ValidationError, match=r"gates\.rates must be 4 numbers, one for each sub-block, got 3"):
        TransformerShape(width=8, blocks=2, gates=Chance(rates=(0.5, 0.5, 0.5)))
