"""Transformer whose sub-blocks are switched on and off by frame (arXiv 2207.02393), with the time really saved.

Tensor names: B utterance, T frame, D channel, E channel of query, key and value together, H head, C channel of a head,
W window, G gate, N frame on which a sub-block is on, M query of the utterance that has most, L slot of a key, S slot
that is remembered, X slot before packing.

    x = x + a * attention(norm(x)),  x = x + f * feed_forward(norm(x)),  gates a, f of 0 or 1 for every frame

Its parameters have the names of the dense transformer's, beside which arbitrators stand, so a dense checkpoint loads.

**Keys and values.** A frame on which attention is off leaves none: later frames attend to those frames of their window
on which it was on. So a sub-block that is off costs nothing at all, where keys and values of every frame would cost
half the projections, 2 D^2 of 4 D^2 + 2 W D. Distances are those of the recording, so positions keep their meaning. An
arbitrator learns that its frame serves later ones, since in training the gate multiplies the frame's weight in every
softmax that could see it.

Computed in three ways, which give the same:

- training: every frame is computed and multiplied by its gate, which so has a gradient;
- else: frames that are on are gathered, computed and scattered; with none of them the sub-block is not called;
- in a graph for export: the same, but every frame takes a slot among the keys, so that no shape of a state depends on
  the gates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.attention import QUERIES_AT_ONCE, Attention
from evenvoice.models.feed_forward import FeedForward
from evenvoice.models.gates import Arbitrator, ChanceGates, Work, current_gating
from evenvoice.models.shapes import Arbitrators, Chance, TransformerShape
from evenvoice.models.stem import StemState, built_stem
from evenvoice.models.streaming import Layer

LONG_AGO: Final = -2**40
"""Time of a slot that holds nothing: outside every window."""
HIGHEST: Final = 30.0
"""Of the logarithm of a weight that is multiplied by 0: what is off must not overflow."""


@dataclass(frozen=True)
class Remembered:
    """Keys and values of the last frames on which attention was on, and the numbers of these frames.

    Utterances share slots: one that has fewer holds nothing in others, in front of its own where frames are gathered,
    and of an utterance alone every slot then holds something.
    """

    keys_BSD: Tensor
    values_BSD: Tensor
    times_BS: Tensor


class Packed(NamedTuple):
    """Frames on which attention is on, without those between them; the last slots are the queries'."""

    query_BMD: Tensor
    keys_BLD: Tensor
    values_BLD: Tensor
    times_BL: Tensor
    real_BM: Tensor | None
    """Which queries are of frames; None where all are."""


class GatedAttention(Attention):
    """x + gate * W attention(norm(x)) over the frames of the window on which it was on."""

    def initial_state(self, batch: int) -> Remembered:
        """Return nothing to attend to."""
        nothing = self.output.weight.new_zeros(batch, 0, self.width)
        return Remembered(nothing, nothing, nothing.new_zeros((batch, 0), dtype=torch.int64))

    def multiplied(self, chunk_BTD: Tensor, gate_BT: Tensor, now: Tensor,
                   state: Remembered) -> tuple[Tensor, Remembered]:
        """Compute all frames and multiply by gates (B, T) of 0 or 1, which so get their gradient."""
        query_BTD, keys_BXD, values_BXD = self._projected(chunk_BTD, state)
        times_BT = _times(now, gate_BT)
        times_BX = torch.cat([state.times_BS, times_BT], dim=1)
        gate_BX = torch.cat([torch.ones_like(state.times_BS, dtype=gate_BT.dtype), gate_BT], dim=1)
        heard_BTD = torch.cat([self._weighed(Packed(query_BTD, keys_BXD, values_BXD, times_BX, None), gate_BX, start)
                               for start in range(0, chunk_BTD.shape[1], QUERIES_AT_ONCE)], dim=1)
        said_BTD = self.dropout(self.output(heard_BTD.to(query_BTD.dtype)))
        on_BX = torch.cat([state.times_BS, times_BT.masked_fill(gate_BT == 0, LONG_AGO)], dim=1)
        return (chunk_BTD + gate_BT.to(chunk_BTD.dtype)[..., None] * said_BTD,
                self._remembered(keys_BXD, values_BXD, on_BX))

    def gathered(self, chunk_BTD: Tensor, on_BT: Tensor, now: Tensor, state: Remembered) -> tuple[Tensor, Remembered]:
        """Compute the frames that are on, and nothing where none is."""
        working = int(on_BT.sum())
        if working == 0:
            return chunk_BTD, state
        all_on = working == on_BT.numel()
        rows_ND = chunk_BTD.flatten(0, 1) if all_on else chunk_BTD[on_BT]
        projected_NE = self.project(self.norm(rows_ND))
        pack = self._pack_one if len(on_BT) == 1 else self._pack
        packed = pack(projected_NE, on_BT, now, state)
        heard_BMD = self._attended(packed)
        heard_ND = heard_BMD.flatten(0, 1) if packed.real_BM is None else heard_BMD[packed.real_BM]
        said_ND = rows_ND + self.dropout(self.output(heard_ND))
        said_BTD = said_ND.view_as(chunk_BTD) if all_on else torch.index_put(chunk_BTD, (on_BT,), said_ND)
        return said_BTD, self._remembered(packed.keys_BLD, packed.values_BLD, packed.times_BL)

    def selected(self, chunk_BTD: Tensor, on_BT: Tensor, now: Tensor, state: Remembered) -> tuple[Tensor, Remembered]:
        """Compute the frames that are on, without asking how many: every frame takes a slot, so a graph can hold it."""
        places_N = _places(on_BT)
        projected_BTE = _put(chunk_BTD.new_zeros(*on_BT.shape, 3 * self.width), places_N,
                             self.project(self.norm(_rows(chunk_BTD, places_N))))
        query_BTD, key_BTD, value_BTD = projected_BTE.chunk(3, dim=2)
        keys_BXD = torch.cat([state.keys_BSD, key_BTD], dim=1)
        values_BXD = torch.cat([state.values_BSD, value_BTD], dim=1)
        # a frame that is off is long ago for itself too, and sees others of that kind; nobody asks what it heard
        times_BX = torch.cat([state.times_BS, _times(now, on_BT).masked_fill(~on_BT, LONG_AGO)], dim=1)
        heard_BTD = self._attended(Packed(query_BTD, keys_BXD, values_BXD, times_BX, None))
        rows_ND = _rows(chunk_BTD, places_N)
        said_ND = rows_ND + self.output(_rows(heard_BTD, places_N))
        return _put(chunk_BTD, places_N, said_ND), self._remembered(keys_BXD, values_BXD, times_BX)

    def frames_seen(self, gate_BT: Tensor, now: Tensor, state: Remembered) -> Tensor:
        """How many frames (B, T) each one sees, or would see if it were on: itself, and those on in its window."""
        times_BT = _times(now, gate_BT)
        remembered_BTS = times_BT[..., None] - state.times_BS[:, None] < self.window
        before_BT = functional.pad(gate_BT.float().cumsum(dim=1), (1, 0))
        places_T = torch.arange(gate_BT.shape[1], device=gate_BT.device)
        first_T = (places_T - (self.window - 1)).clamp(min=0)
        return 1 + before_BT[:, places_T] - before_BT[:, first_T] + remembered_BTS.sum(dim=2)

    def macs(self, seen_BT: Tensor) -> Tensor:
        """Multiply-accumulates (B, T) of frames that see so many."""
        return 4 * self.width**2 + 2 * self.width * seen_BT

    def _projected(self, chunk_BTD: Tensor, state: Remembered) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of a chunk, keys and values of what is remembered and of the chunk."""
        query_BTD, key_BTD, value_BTD = self.project(self.norm(chunk_BTD)).chunk(3, dim=2)
        return (query_BTD, torch.cat([state.keys_BSD.to(key_BTD.dtype), key_BTD], dim=1),
                torch.cat([state.values_BSD.to(value_BTD.dtype), value_BTD], dim=1))

    def _remembered(self, keys_BLD: Tensor, values_BLD: Tensor, times_BL: Tensor) -> Remembered:
        first = max(0, keys_BLD.shape[1] - (self.window - 1))
        return Remembered(keys_BLD[:, first:], values_BLD[:, first:], times_BL[:, first:])

    def _pack_one(self, projected_NE: Tensor, on_1T: Tensor, now: Tensor, state: Remembered) -> Packed:
        """Pack one utterance: what is on stands side by side already, and only what is remembered may be too old."""
        query_1ND, key_1ND, value_1ND = projected_NE[None].chunk(3, dim=2)
        old = int((state.times_BS <= now - self.window).sum()) if state.times_BS.shape[1] else 0
        times_1N = _times(now, on_1T)[on_1T][None]
        return Packed(query_1ND, torch.cat([state.keys_BSD[:, old:].to(key_1ND.dtype), key_1ND], dim=1),
                      torch.cat([state.values_BSD[:, old:].to(value_1ND.dtype), value_1ND], dim=1),
                      torch.cat([state.times_BS[:, old:], times_1N], dim=1), None)

    def _pack(self, projected_NE: Tensor, on_BT: Tensor, now: Tensor, state: Remembered) -> Packed:
        """Pack a batch: what each utterance has stands at the right, in the order of time."""
        past = state.times_BS.shape[1]
        projected_BTE = projected_NE.new_zeros(*on_BT.shape, projected_NE.shape[1])
        projected_BTE = torch.index_put(projected_BTE, (on_BT,), projected_NE)
        query_BTD, key_BTD, value_BTD = projected_BTE.chunk(3, dim=2)
        times_BX = torch.cat([state.times_BS, _times(now, on_BT).masked_fill(~on_BT, LONG_AGO)], dim=1)
        fresh_BX = times_BX > now - self.window
        slots, queries = int(fresh_BX.sum(dim=1).max()), int(on_BT.sum(dim=1).max())
        place_BL = fresh_BX.to(torch.uint8).argsort(dim=1, stable=True)[:, times_BX.shape[1] - slots:]
        asked_BM = place_BL[:, slots - queries:] - past
        return Packed(
            query_BMD=query_BTD.take_along_dim(asked_BM.clamp(min=0)[..., None], dim=1),
            keys_BLD=torch.cat([state.keys_BSD.to(key_BTD.dtype), key_BTD], dim=1).take_along_dim(
                place_BL[..., None], dim=1),
            values_BLD=torch.cat([state.values_BSD.to(value_BTD.dtype), value_BTD], dim=1).take_along_dim(
                place_BL[..., None], dim=1),
            times_BL=times_BX.masked_fill(~fresh_BX, LONG_AGO).take_along_dim(place_BL, dim=1),
            real_BM=(asked_BM >= 0) & fresh_BX.take_along_dim(place_BL[:, slots - queries:], dim=1))

    def _attended(self, packed: Packed) -> Tensor:
        heard = []
        for start in range(0, packed.query_BMD.shape[1], QUERIES_AT_ONCE):
            query_BHTC, keys_BHSC, values_BHSC, bias_BHTS = self._at_once(packed, start)
            heard_BHTC = functional.scaled_dot_product_attention(query_BHTC, keys_BHSC, values_BHSC,
                                                                 attn_mask=bias_BHTS)
            heard.append(heard_BHTC.transpose(1, 2).flatten(2))
        return torch.cat(heard, dim=1) if len(heard) > 1 else heard[0]

    def _weighed(self, packed: Packed, gate_BX: Tensor, start: int) -> Tensor:
        """Attention in which gates multiply the weights of keys; a query's own key counts whether it is on or not."""
        query_BHTC, keys_BHSC, values_BHSC, bias_BHTS = self._at_once(packed, start)
        frames, slots = query_BHTC.shape[2], keys_BHSC.shape[2]
        stop = packed.keys_BLD.shape[1] - packed.query_BMD.shape[1] + start + frames
        own_TS = torch.eye(slots, dtype=torch.bool, device=gate_BX.device)[slots - frames:]
        gate_BHTS = torch.where(own_TS, 1.0, gate_BX[:, None, stop - slots:stop])[:, None]
        scores_BHTS = (query_BHTC @ keys_BHSC.transpose(2, 3) / query_BHTC.shape[3]**0.5 + bias_BHTS).float()
        highest_BHT1 = scores_BHTS.masked_fill(gate_BHTS == 0, float("-inf")).amax(dim=3, keepdim=True).detach()
        weight_BHTS = (scores_BHTS - highest_BHT1).clamp(max=HIGHEST).exp() * gate_BHTS
        weight_BHTS = weight_BHTS / weight_BHTS.sum(dim=3, keepdim=True)
        heard_BTD: Tensor = (weight_BHTS.to(values_BHSC.dtype) @ values_BHSC).transpose(1, 2).flatten(2)
        return heard_BTD

    def _at_once(self, packed: Packed, start: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Some queries, the keys and values of their windows, and what distance adds to their scores."""
        past = packed.keys_BLD.shape[1] - packed.query_BMD.shape[1]
        stop = min(start + QUERIES_AT_ONCE, packed.query_BMD.shape[1])
        first = max(0, past + start - (self.window - 1))
        keys = slice(first, past + stop)
        bias_BHTS = self._bias(packed.times_BL[:, past + start:past + stop], packed.times_BL[:, keys])
        return (self._by_head(packed.query_BMD[:, start:stop]), self._by_head(packed.keys_BLD[:, keys]),
                self._by_head(packed.values_BLD[:, keys]), bias_BHTS.to(packed.query_BMD.dtype))

    def _bias(self, times_BT: Tensor, times_BS: Tensor) -> Tensor:
        """The learned number of each distance; minus infinity in front of the window and behind the present."""
        table_WH = functional.pad(self.distance_HW.T, (0, 0, 1, 1), value=float("-inf"))
        distance_BTS = times_BT[:, :, None] - times_BS[:, None]
        return table_WH[(distance_BTS + 1).clamp(0, self.window + 1)].permute(0, 3, 1, 2)

    def _by_head(self, frames_BTD: Tensor) -> Tensor:
        batch, frames, _ = frames_BTD.shape
        return frames_BTD.reshape(batch, frames, self.heads, self.width // self.heads).transpose(1, 2)


def _times(now: Tensor, like_BT: Tensor) -> Tensor:
    """Numbers (B, T) of the frames of a chunk that begins with number ``now``."""
    batch, frames = like_BT.shape
    return (now + torch.arange(frames, device=like_BT.device)).expand(batch, frames)


class AmortizedBlock(nn.Module):
    """Attention, feed-forward, and an arbitrator in front of each where no one decides for all."""

    def __init__(self, shape: TransformerShape, dropout: float) -> None:
        super().__init__()
        self.attention = GatedAttention(shape.width, shape.heads, shape.window, dropout)
        self.feed_forward = FeedForward(shape.width, shape.expansion, dropout)
        self.dense_macs_per_frame = self.attention.macs_per_frame + self.feed_forward.macs_per_frame
        self.attention_arbitrator: Arbitrator | None = None
        self.feed_forward_arbitrator: Arbitrator | None = None
        if isinstance(shape.gates, Arbitrators) and shape.gates.see == "input":
            self.attention_arbitrator = Arbitrator(shape.width, shape.gates.hidden, gates=1)
            self.feed_forward_arbitrator = Arbitrator(shape.width, shape.gates.hidden, gates=1)

    @property
    def arbitrators(self) -> list[Arbitrator]:
        """Its own, if it has any."""
        return [own for own in (self.attention_arbitrator, self.feed_forward_arbitrator) if own is not None]

    def step(self, chunk_BTD: Tensor, now: Tensor, state: Remembered,
             decided_BTG: Tensor | None) -> tuple[Tensor, Remembered, tuple[Tensor, Tensor]]:
        """Map (B, T, width) to (B, T, width), and return both gates (B, T).

        Args:
            chunk_BTD: frames.
            now: number of the first.
            state: of attention.
            decided_BTG: its two gates, where it has no arbitrators.
        """
        attend_BT = _gate(self.attention_arbitrator, chunk_BTD, decided_BTG, 0)
        traced = current_gating().traced
        attention = (self.attention.multiplied if self.training
                     else self.attention.selected if traced else self.attention.gathered)
        attended_BTD, after = attention(chunk_BTD, attend_BT, now, state)
        feed_BT = _gate(self.feed_forward_arbitrator, attended_BTD, decided_BTG, 1)
        feed = _multiplied if self.training else _selected if traced else _gathered
        return feed(self.feed_forward, attended_BTD, feed_BT), after, (attend_BT, feed_BT)


def _gate(arbitrator: Arbitrator | None, chunk_BTD: Tensor, decided_BTG: Tensor | None, place: int) -> Tensor:
    if arbitrator is not None:
        return arbitrator(chunk_BTD)[..., 0]  # type: ignore[no-any-return]
    assert decided_BTG is not None
    return decided_BTG[..., place]


def _multiplied(layer: FeedForward, chunk_BTD: Tensor, gate_BT: Tensor) -> Tensor:
    return torch.lerp(chunk_BTD, layer(chunk_BTD), gate_BT.to(chunk_BTD.dtype)[..., None])


def _gathered(layer: FeedForward, chunk_BTD: Tensor, on_BT: Tensor) -> Tensor:
    working = int(on_BT.sum())
    if working == 0:
        return chunk_BTD
    if working == on_BT.numel():
        return layer(chunk_BTD)  # type: ignore[no-any-return]
    return torch.index_put(chunk_BTD, (on_BT,), layer(chunk_BTD[on_BT]))


def _selected(layer: FeedForward, chunk_BTD: Tensor, on_BT: Tensor) -> Tensor:
    places_N = _places(on_BT)
    return _put(chunk_BTD, places_N, layer(_rows(chunk_BTD, places_N)))


def _places(on_BT: Tensor) -> Tensor:
    """Numbers (N,) of the frames that are on, all utterances one behind the other."""
    return on_BT.flatten().nonzero()[:, 0]


def _rows(chunk_BTD: Tensor, places_N: Tensor) -> Tensor:
    return chunk_BTD.flatten(0, 1).index_select(0, places_N)


def _put(chunk_BTD: Tensor, places_N: Tensor, rows_ND: Tensor) -> Tensor:
    return chunk_BTD.flatten(0, 1).index_copy(0, places_N, rows_ND).view_as(chunk_BTD)


class AmortizedBlocks(nn.Module):
    """Blocks one behind the other, under the names that a :class:`~evenvoice.models.stack.Stack` gives them."""

    def __init__(self, shape: TransformerShape, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AmortizedBlock(shape, dropout) for _ in range(shape.blocks))

    def step(self, chunk_BTD: Tensor, now: Tensor, states: tuple[Remembered, ...],
             decided_BTG: Tensor | None) -> tuple[Tensor, tuple[Remembered, ...], list[Tensor]]:
        """Pass a chunk through all blocks; return the gates (B, T) of all sub-blocks as well."""
        after: list[Remembered] = []
        gates: list[Tensor] = []
        for number, (block, before) in enumerate(zip(self.blocks(), states, strict=True)):
            own_BTG = None if decided_BTG is None else decided_BTG[..., 2 * number:2 * number + 2]
            chunk_BTD, remembered, pair = block.step(chunk_BTD, now, before, own_BTG)
            after.append(remembered)
            gates.extend(pair)
        return chunk_BTD, tuple(after), gates

    def blocks(self) -> list[AmortizedBlock]:
        """All of them, in order."""
        return [block for block in self.layers if isinstance(block, AmortizedBlock)]


@dataclass(frozen=True)
class AmortizedState:
    """Memories of the stem and of every block, and the number of the next frame."""

    stem: StemState
    now: Tensor
    blocks: tuple[Remembered, ...]


class AmortizedTransformer(Layer[AmortizedState]):
    """A stem, blocks whose parts work where their gates are on, a last LayerNorm."""

    def __init__(self, shape: TransformerShape, *, stack: int, n_mels: int, dropout: float) -> None:
        super().__init__()
        self.width, self.window = shape.width, shape.window
        self.stem = built_stem(shape.stem, stack=stack, n_mels=n_mels, width=shape.width)
        self.blocks = AmortizedBlocks(shape, dropout)
        self.norm = nn.LayerNorm(shape.width)
        self.arbitrator: Arbitrator | None = None
        self.chance: ChanceGates | None = None
        if isinstance(shape.gates, Chance):
            self.chance = ChanceGates(shape.gates.rates)
        elif isinstance(shape.gates, Arbitrators) and shape.gates.see == "stem":
            self.arbitrator = Arbitrator(shape.width, shape.gates.hidden, gates=2 * shape.blocks)
        self.deciding_macs = sum(module.macs_per_frame for module in self.modules() if isinstance(module, Arbitrator))
        self.macs_per_frame = self.dense_macs_per_frame + self.deciding_macs

    @property
    def dense_macs_per_frame(self) -> int:
        """Of the transformer without gates."""
        return self.stem.macs_per_frame + sum(block.dense_macs_per_frame for block in self.blocks.blocks())

    @property
    def arbitrators(self) -> list[Arbitrator]:
        """What decides for all blocks, if anything does."""
        return [] if self.arbitrator is None else [self.arbitrator]

    def initial_state(self, batch: int) -> AmortizedState:
        """Return empty memories, before frame number 0."""
        return AmortizedState(
            self.stem.initial_state(batch), self.norm.weight.new_zeros((), dtype=torch.int64),
            tuple(block.attention.initial_state(batch) for block in self.blocks.blocks()))

    def step(self, chunk_BTD: Tensor, state: AmortizedState) -> tuple[Tensor, AmortizedState]:
        """Map (B, T, stack * n_mels) to (B, T, width)."""
        framed_BTD, stem = self.stem.step(chunk_BTD, state.stem)
        said_BTD, blocks, gates = self.blocks.step(framed_BTD, state.now, state.blocks,
                                                   self._decided(framed_BTD, state.now))
        if (work := current_gating().work) is not None:
            work.append(self._work(gates, state))
        return self.norm(said_BTD), AmortizedState(stem, state.now + chunk_BTD.shape[1], blocks)

    def _decided(self, framed_BTD: Tensor, now: Tensor) -> Tensor | None:
        if self.chance is not None:
            return self.chance(framed_BTD, now)  # type: ignore[no-any-return]
        return None if self.arbitrator is None else self.arbitrator(framed_BTD)

    def _work(self, gates: list[Tensor], state: AmortizedState) -> Work:
        gates_BTG = torch.stack([gate_BT.float() for gate_BT in gates], dim=2)
        dense_BT = torch.full_like(gates_BTG[..., 0], self.stem.macs_per_frame)
        executed_BT = dense_BT + self.deciding_macs
        all_seen_BT = (_times(state.now, dense_BT) + 1).clamp(max=self.window)
        for number, (block, before) in enumerate(zip(self.blocks.blocks(), state.blocks, strict=True)):
            attend_BT, feed_BT = gates_BTG[..., 2 * number], gates_BTG[..., 2 * number + 1]
            attention, feed_macs = block.attention, block.feed_forward.macs_per_frame
            seen_BT = attention.frames_seen(attend_BT, state.now, before)
            executed_BT = executed_BT + attend_BT * attention.macs(seen_BT) + feed_BT * feed_macs
            dense_BT = dense_BT + attention.macs(all_seen_BT) + feed_macs
        return Work(executed_BT, dense_BT, gates_BTG)
