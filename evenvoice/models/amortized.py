"""Transformer whose sub-blocks are switched on and off by frame (arXiv 2207.02393), with the time really saved.

Tensor names: B utterance, T frame, D channel, E channel of query, key and value together, H head, C channel of a head,
W window, G gate, N frame on which a sub-block is on, S slot that is remembered, X slot of what is remembered and of a
chunk's frames.

    x = x + a * attention(norm(x)),  x = x + f * feed_forward(norm(x)),  gates a, f of 0 or 1 for every frame

Its parameters have the names of the dense transformer's, beside which arbitrators stand, so a dense checkpoint loads.

**Keys and values.** A frame on which attention is off leaves none: later frames attend to those frames of their window
on which it was on. So a sub-block that is off costs nothing at all, where keys and values of every frame would cost
half the projections, 2 D^2 of 4 D^2 + 2 W D. Distances are those of the recording, so positions keep their meaning. An
arbitrator learns that its frame serves later ones, since in training the gate multiplies the frame's weight in every
softmax that could see it.

Computed in three ways, which give the same:

- training: every frame is computed and multiplied by its gate, which so has a gradient;
- a frame of one utterance, as a stream brings it: if it is off, the sub-block is not called, and nothing is remembered;
- else: frames that are on are gathered, multiplied by the weights, and scattered. Every frame takes a slot among the
  keys, those that are off a hidden one, so utterances share slots, and a graph for export has shapes that do not depend
  on the gates. Scores of queries that are off are computed with the others, up to 2 W D of 4 D^2 + 2 W D: to pack them
  took longer than they do (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Keys and values of the last frames on which attention was on, in the order of time, and these frames' numbers.

    Utterances share slots: one whose frame was off holds nothing in the slot that others use, and is long ago there. Of
    an utterance alone every slot holds something, but in a graph for export.
    """

    keys_BSD: Tensor
    values_BSD: Tensor
    times_BS: Tensor


class Piece(NamedTuple):
    """Some queries with the keys and values of their windows, and what distance adds to their scores."""

    query_BHTC: Tensor
    keys_BHSC: Tensor
    values_BHSC: Tensor
    bias_BHTS: Tensor
    """The same for all utterances (B = 1) where nothing is remembered."""
    slots: slice
    """Of the keys, among all."""


class GatedAttention(Attention):
    """x + gate * W attention(norm(x)) over the frames of the window on which it was on."""

    def initial_state(self, batch: int) -> Remembered:
        """Return nothing to attend to."""
        nothing = self.output.weight.new_zeros(batch, 0, self.width)
        return Remembered(nothing, nothing, nothing.new_zeros((batch, 0), dtype=torch.int64))

    def multiplied(self, chunk_BTD: Tensor, gate_BT: Tensor, now: Tensor,
                   state: Remembered) -> tuple[Tensor, Remembered]:
        """Compute all frames and multiply by gates (B, T) of 0 or 1, which so get their gradient."""
        query_BTD, keys_BXD, values_BXD = self._with_remembered(self.project(self.norm(chunk_BTD)), state)
        times_BT = _times(now, gate_BT)
        times_BX = torch.cat([state.times_BS, times_BT], dim=1)
        gate_BX = torch.cat([torch.ones_like(state.times_BS, dtype=gate_BT.dtype), gate_BT], dim=1)
        heard_BTD = _joined([_weighed(piece, gate_BX)
                             for piece in self._pieces(query_BTD, keys_BXD, values_BXD, now, times_BX)])
        said_BTD = self.dropout(self.output(heard_BTD.to(query_BTD.dtype)))
        on_BX = torch.cat([state.times_BS, times_BT.masked_fill(gate_BT == 0, LONG_AGO)], dim=1)
        return (chunk_BTD + gate_BT.to(chunk_BTD.dtype)[..., None] * said_BTD,
                self._remembered(keys_BXD, values_BXD, on_BX, hidden=True))

    def gathered(self, chunk_BTD: Tensor, on_BT: Tensor, now: Tensor, state: Remembered) -> tuple[Tensor, Remembered]:
        """Compute the frames that are on, and nothing where none is; in a graph for export, whatever is on."""
        traced = current_gating().traced
        if on_BT.numel() == 1 and not traced:
            return self._alone(chunk_BTD, now, state) if on_BT.item() else (chunk_BTD, state)
        places_N = _places(on_BT)
        if not traced and len(places_N) == 0:
            return chunk_BTD, state
        projected_NE = self.project(self.norm(_rows(chunk_BTD, places_N)))
        projected_BTE = _put(projected_NE.new_zeros(*on_BT.shape, 3 * self.width), places_N, projected_NE)
        query_BTD, keys_BXD, values_BXD = self._with_remembered(projected_BTE, state)
        times_BX = torch.cat([state.times_BS, _times(now, on_BT).masked_fill(~on_BT, LONG_AGO)], dim=1)
        heard_BTD = _joined([_attended(piece, times_BX == LONG_AGO)
                             for piece in self._pieces(query_BTD, keys_BXD, values_BXD, now, times_BX)])
        said_ND = _rows(chunk_BTD, places_N) + self.dropout(self.output(_rows(heard_BTD, places_N)))
        return _put(chunk_BTD, places_N, said_ND), self._remembered(keys_BXD, values_BXD, times_BX, hidden=not traced)

    def _alone(self, frame_11D: Tensor, now: Tensor, state: Remembered) -> tuple[Tensor, Remembered]:
        """Compute one frame of one utterance: all others that it sees stand side by side."""
        old = int((state.times_BS <= now - self.window).sum()) if state.times_BS.shape[1] else 0
        seen = Remembered(state.keys_BSD[:, old:], state.values_BSD[:, old:], state.times_BS[:, old:])
        query_11D, keys_1XD, values_1XD = self._with_remembered(self.project(self.norm(frame_11D)), seen)
        times_1X = torch.cat([seen.times_BS, now.view(1, 1)], dim=1)
        bias_HX = self.distance_HW[:, now - times_1X[0]]
        heard_1H1C = functional.scaled_dot_product_attention(
            self._by_head(query_11D), self._by_head(keys_1XD), self._by_head(values_1XD),
            attn_mask=bias_HX.to(query_11D.dtype)[None, :, None])
        said_11D = frame_11D + self.dropout(self.output(heard_1H1C.transpose(1, 2).flatten(2)))
        return said_11D, self._remembered(keys_1XD, values_1XD, times_1X, hidden=False)

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

    def _with_remembered(self, projected_BTE: Tensor, state: Remembered) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of a chunk, keys and values of what is remembered and of the chunk."""
        query_BTD, key_BTD, value_BTD = projected_BTE.chunk(3, dim=2)
        return (query_BTD, torch.cat([state.keys_BSD.to(key_BTD.dtype), key_BTD], dim=1),
                torch.cat([state.values_BSD.to(value_BTD.dtype), value_BTD], dim=1))

    def _remembered(self, keys_BXD: Tensor, values_BXD: Tensor, times_BX: Tensor, *, hidden: bool) -> Remembered:
        """What the next frame may see; ``hidden`` slots of an utterance alone are left out."""
        if hidden and times_BX.shape[0] == 1:
            on_X = times_BX[0] != LONG_AGO
            keys_BXD, values_BXD, times_BX = keys_BXD[:, on_X], values_BXD[:, on_X], times_BX[:, on_X]
        first = max(0, keys_BXD.shape[1] - (self.window - 1))
        return Remembered(keys_BXD[:, first:], values_BXD[:, first:], times_BX[:, first:])

    def _pieces(self, query_BTD: Tensor, keys_BXD: Tensor, values_BXD: Tensor, now: Tensor,
                times_BX: Tensor) -> Iterator[Piece]:
        frames = query_BTD.shape[1]
        past = keys_BXD.shape[1] - frames
        for start in range(0, frames, QUERIES_AT_ONCE):
            stop = min(start + QUERIES_AT_ONCE, frames)
            slots = slice(max(0, past + start - (self.window - 1)), past + stop)
            bias_BHTS = self._bias(torch.arange(start, stop, device=now.device), past, slots, now, times_BX)
            yield Piece(self._by_head(query_BTD[:, start:stop]), self._by_head(keys_BXD[:, slots]),
                        self._by_head(values_BXD[:, slots]), bias_BHTS.to(query_BTD.dtype), slots)

    def _bias(self, places_T: Tensor, past: int, slots: slice, now: Tensor, times_BX: Tensor) -> Tensor:
        """The learned number of each distance; minus infinity in front of the window and behind the present.

        Frames of the chunk lie as far apart in every utterance; how long ago a remembered frame was, its number says.
        """
        table_HW = functional.pad(self.distance_HW, (1, 1), value=float("-inf"))
        fresh_S = torch.arange(max(slots.start - past, 0), slots.stop - past, device=now.device)
        fresh_TS = places_T[:, None] - fresh_S
        fresh_HTS = table_HW[:, (fresh_TS + 1).clamp(0, self.window + 1)]
        if slots.start >= past:
            return fresh_HTS[None]
        past_BTS = (now + places_T)[:, None] - times_BX[:, None, slots.start:past]
        past_BHTS = table_HW[:, (past_BTS + 1).clamp(0, self.window + 1)].transpose(0, 1)
        return torch.cat([past_BHTS, fresh_HTS.expand(times_BX.shape[0], -1, -1, -1)], dim=3)

    def _by_head(self, frames_BTD: Tensor) -> Tensor:
        batch, frames, _ = frames_BTD.shape
        return frames_BTD.reshape(batch, frames, self.heads, self.width // self.heads).transpose(1, 2)


def _attended(piece: Piece, hidden_BX: Tensor) -> Tensor:
    """What queries hear (B, T, D) of keys that are not hidden; without any, nobody asks what they heard."""
    bias_BHTS = piece.bias_BHTS.masked_fill(hidden_BX[:, None, None, piece.slots], float("-inf"))
    heard_BHTC = functional.scaled_dot_product_attention(piece.query_BHTC, piece.keys_BHSC, piece.values_BHSC,
                                                         attn_mask=bias_BHTS)
    return heard_BHTC.transpose(1, 2).flatten(2)


def _weighed(piece: Piece, gate_BX: Tensor) -> Tensor:
    """What queries hear where gates multiply the weights of keys; a query's own key counts whether it is on or not."""
    frames, slots = piece.query_BHTC.shape[2], piece.keys_BHSC.shape[2]
    own_TS = torch.eye(slots, dtype=torch.bool, device=gate_BX.device)[slots - frames:]
    gate_BHTS = torch.where(own_TS, 1.0, gate_BX[:, None, piece.slots])[:, None]
    scores_BHTS = piece.query_BHTC @ piece.keys_BHSC.transpose(2, 3) / piece.query_BHTC.shape[3]**0.5
    scores_BHTS = (scores_BHTS + piece.bias_BHTS).float()
    highest_BHT1 = scores_BHTS.masked_fill(gate_BHTS == 0, float("-inf")).amax(dim=3, keepdim=True).detach()
    weight_BHTS = (scores_BHTS - highest_BHT1).clamp(max=HIGHEST).exp() * gate_BHTS
    weight_BHTS = weight_BHTS / weight_BHTS.sum(dim=3, keepdim=True)
    heard_BTD: Tensor = (weight_BHTS.to(piece.values_BHSC.dtype) @ piece.values_BHSC).transpose(1, 2).flatten(2)
    return heard_BTD


def _joined(pieces: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(pieces), dim=1) if len(pieces) > 1 else pieces[0]


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
        attention = self.attention.multiplied if self.training else self.attention.gathered
        attended_BTD, after = attention(chunk_BTD, attend_BT, now, state)
        feed_BT = _gate(self.feed_forward_arbitrator, attended_BTD, decided_BTG, 1)
        feed = _multiplied if self.training else _gathered
        return feed(self.feed_forward, attended_BTD, feed_BT), after, (attend_BT, feed_BT)


def _gate(arbitrator: Arbitrator | None, chunk_BTD: Tensor, decided_BTG: Tensor | None, place: int) -> Tensor:
    if arbitrator is not None:
        return arbitrator(chunk_BTD)[..., 0]  # type: ignore[no-any-return]
    assert decided_BTG is not None
    return decided_BTG[..., place]


def _multiplied(layer: FeedForward, chunk_BTD: Tensor, gate_BT: Tensor) -> Tensor:
    return torch.lerp(chunk_BTD, layer(chunk_BTD), gate_BT.to(chunk_BTD.dtype)[..., None])


def _gathered(layer: FeedForward, chunk_BTD: Tensor, on_BT: Tensor) -> Tensor:
    traced = current_gating().traced
    if on_BT.numel() == 1 and not traced:
        return layer(chunk_BTD) if on_BT.item() else chunk_BTD
    places_N = _places(on_BT)
    if not traced and len(places_N) == 0:
        return chunk_BTD
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
