"""Who weighs samples against a learner: an adversary that sees what describes a sample and its loss, never the sample.

The learner minimises the weighted loss, the adversary maximises it, so it learns to find whoever the learner serves
badly, as far as the description tells them apart. After P. Lahoti et al., "Fairness without Demographics through
Adversarially Reweighted Learning", arXiv 2006.13114, which weighs with 1 + B s / sum(s) for s = sigmoid(network). Here

    w = e + (1 - e) B s / sum(s)

so that weights have mean 1 (theirs have mean 2, which doubles the learning rate too), and ``e`` says how much of each
weight the adversary cannot touch; e = 1/2 is their form at half the size.

What is weighed may be made of several samples, as a pair of recordings is: then its weight is the sum of theirs, again
with mean 1 (the pairwise weighting of M. Jin et al., arXiv 2207.07776).

Tensor names: B what is weighed, P samples of it, F feature of a description.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.training.optimiser import AdamW

NETWORK, OPTIMISER = "network/", "optimiser/"


class Adversary:
    """One linear layer, or one more with tanh before it, on the processor in float64; at first all weights are 1.

    Args:
        features: F.
        hidden_units: of the layer before the last; 0 leaves it out.
        even_share: e of the formula above.
        learning_rate: of its AdamW.
        seed: of the first weights of a hidden layer.
    """

    def __init__(self, *, features: int, hidden_units: int, even_share: float, learning_rate: float, seed: int) -> None:
        self._even_share, self._learning_rate = even_share, learning_rate
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            last = nn.Linear(hidden_units or features, 1)
            before = [nn.Linear(features, hidden_units), nn.Tanh()] if hidden_units else []
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self._network = nn.Sequential(*before, last).double()
        self._optimiser = AdamW(self._network, weight_decay=0.0)

    def weigh(self, features: Tensor, losses_B: Tensor) -> Tensor:
        """Weights (B,) in float64 of mean 1 for these samples; then learn from their losses.

        ``features`` describe a sample each, (B, F), or the samples that each is made of, (B, P, F). Losses that are
        not all finite teach nothing: one of them would make every later weight NaN.
        """
        weights_B = self._weights(features)
        if bool(torch.isfinite(losses_B).all()):
            self._optimiser.zero_grad()
            gain = (weights_B * losses_B.detach().to(weights_B)).mean()
            (-gain).backward()  # type: ignore[no-untyped-call]
            self._optimiser.step(self._learning_rate)
        return weights_B.detach()

    @torch.no_grad()
    def weights(self, features: Tensor) -> Tensor:
        """Weights (B,) as :meth:`weigh` gives them, learning nothing."""
        return self._weights(features)

    def _weights(self, features: Tensor) -> Tensor:
        logits = self._network(features.double()).squeeze(-1)
        # softmax of log-sigmoids is s / sum(s), also where every s is too small for a quotient
        shares_B = torch.softmax(functional.logsigmoid(logits.flatten()), dim=0).reshape(len(features), -1).sum(dim=1)
        return self._even_share + (1 - self._even_share) * len(shares_B) * shares_B

    def state_tensors(self) -> dict[str, Tensor]:
        """All that later weights depend on."""
        network = {NETWORK + name: tensor.detach().clone() for name, tensor in self._network.state_dict().items()}
        return network | {OPTIMISER + name: tensor.clone() for name, tensor in self._optimiser.state_tensors().items()}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_tensors` returned."""
        self._network.load_state_dict(_below(NETWORK, tensors))
        self._optimiser.load_state_tensors(_below(OPTIMISER, tensors))


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
