"""The game of adversarial reweighting in the training of a recogniser (after arXiv 2207.07776, for verification there).

An adversary knows speakers by their voices and weighs their recordings; the recogniser trains on the weighted loss.
Nobody tells it who is worst off. In the control the same adversary plays, and its weights are permuted among the
recordings of each batch before they count: their histogram is the same, whom they belong to is chance.

Tensor names: B recording of a batch, F feature of a voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from evenvoice.mitigation.arm import Plan, Situation
from evenvoice.mitigation.voices import described
from evenvoice.params import Reweight
from evenvoice.training.adversary import Adversary
from evenvoice.training.checkpoints import fingerprint

STREAM = 0x6A3E  # keeps these draws apart from every other use of the seed


class Game:
    """An :class:`evenvoice.training.weighing.Weigher` that lets an adversary weigh recordings by their speakers.

    Args:
        adversary: learns from the first step on.
        voices: what describes each recording's speaker (F,), by recording. One that is not here always has weight 1.
        warmup_share: of the steps, in which every weight is 1 and the adversary only learns.
        permuted_by: seed of the control's permutations; None for the arm itself.
    """

    def __init__(self, adversary: Adversary, voices: Mapping[str, Tensor], *, warmup_share: float,
                 permuted_by: int | None) -> None:
        self._adversary, self._voices = adversary, voices
        self._warmup_share, self._permuted_by = warmup_share, permuted_by

    def weigh(self, ids: Sequence[str], losses_B: Tensor, *, step: int, steps: int) -> Tensor:
        """Weights (B,) of mean 1; see :meth:`evenvoice.training.weighing.Weigher.weigh`."""
        weights_B = torch.ones(len(ids), dtype=torch.float64)
        known = [row for row, name in enumerate(ids) if name in self._voices]
        if known:
            voices_BF = torch.stack([self._voices[ids[row]] for row in known])
            weights_B[known] = self._placed(self._adversary.weigh(voices_BF, losses_B.cpu()[known]), step)
        if step < self._warmup_share * steps:
            weights_B.fill_(1)
        return weights_B.to(losses_B)

    def _placed(self, weights_B: Tensor, step: int) -> Tensor:
        if self._permuted_by is None:
            return weights_B
        places = np.random.default_rng([self._permuted_by, STREAM, step]).permutation(len(weights_B))
        return weights_B[torch.from_numpy(places)]

    def state_tensors(self) -> dict[str, Tensor]:
        """The adversary's."""
        return self._adversary.state_tensors()

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_tensors` returned."""
        self._adversary.load_state_tensors(tensors)


def plan_game(situation: Situation, settings: Reweight, *, permuted: bool) -> Plan:
    """Train on everyone, weighed by an adversary; ``permuted`` makes it the control."""
    indices = situation.training_indices()
    speakers = described(situation.embeddings, clusters=settings.clusters, seed=situation.seed)
    pairs = zip(situation.store.ids[indices], situation.store.speakers[indices], strict=True)
    voices = {name: torch.from_numpy(speakers[speaker]) for name, speaker in pairs if speaker in speakers}
    if len(voices) < len(indices):
        situation.progress.note(f"{len(indices) - len(voices)} of {len(indices)} recordings are of speakers without an "
                                "embedding: nobody weighs them")
    if not voices:
        return Plan(indices=indices)
    adversary = Adversary(features=len(next(iter(voices.values()))), even_share=settings.even_share,
                          hidden_units=settings.hidden_units if settings.adversary == "hidden" else 0,
                          learning_rate=settings.learning_rate, seed=situation.seed)
    game = Game(adversary, voices, warmup_share=settings.warmup_share,
                permuted_by=situation.seed if permuted else None)
    heard = fingerprint(settings.model_dump(), permuted, *(speakers[name].tobytes() for name in speakers), [*speakers])
    return Plan(indices=indices, weigher=game, identity=f"game {heard}")
