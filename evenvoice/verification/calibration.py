"""Scores to log-likelihood ratios, by two numbers fitted on validate speakers; and the threshold that follows.

Shapes: N trials.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import ArtifactError
from evenvoice.verification.detection import Mask, Scores

STEEPEST: Final = 1000.0
"""Where scores part the speakers without an error, the likeliest scale is infinite."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """llr = scale * score + offset; two recordings count as of one speaker from ``threshold`` on.

    Attributes:
        target_prior: of two recordings being of one speaker, where misses and false alarms cost alike.
    """

    scale: float
    offset: float
    target_prior: float

    @property
    def threshold(self) -> float:
        """The llr from which accepting costs less than refusing (Bayes)."""
        return float(np.log(1 - self.target_prior) - np.log(self.target_prior))

    def llr(self, scores_N: Scores) -> NDArray[np.float64]:
        """Calibrated scores."""
        llrs_N: NDArray[np.float64] = self.scale * scores_N.astype(np.float64) + self.offset
        return llrs_N

    def accepts(self, scores_N: Scores) -> Mask:
        """Which trials are answered with yes."""
        return self.llr(scores_N) >= self.threshold

    def to_json(self) -> dict[str, float]:
        """As plain values; the threshold too, for people."""
        return {**asdict(self), "threshold": self.threshold}

    @classmethod
    def read(cls, content: Any, source: str) -> Self:
        """Read what :meth:`to_json` gave.

        Raises:
            ArtifactError: it is something else.
        """
        try:
            return cls(**{name: float(content[name]) for name in ("scale", "offset", "target_prior")})
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(name=source, rule="hold scale, offset and target_prior of a calibration",
                                value=repr(content)[:80], action="Run the stage evaluate_verifier again.") from error


def calibrate(scores_N: Scores, same_N: Mask, target_prior: float) -> Calibration:
    """Logistic regression in which both kinds of trials weigh alike, so that no prior gets into the ratio.

    Raises:
        CohortError: trials of only one kind.
    """
    from scipy.optimize import minimize  # here, since importing it takes a quarter of a second

    from evenvoice.verification.detection import equal_error_rate

    equal_error_rate(scores_N, same_N)  # refuses trials of one kind
    centre, width = float(scores_N.mean()), float(scores_N.std()) or 1.0
    standard_N = (scores_N.astype(np.float64) - centre) / width
    sign_N = np.where(same_N, 1.0, -1.0)
    weight_N = np.where(same_N, 0.5 / same_N.sum(), 0.5 / (~same_N).sum())

    def cost(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin_N = sign_N * (numbers[0] * standard_N + numbers[1])
        slope_N = -weight_N * sign_N / (1 + np.exp(np.clip(margin_N, -500, 500)))
        return float(weight_N @ np.logaddexp(0, -margin_N)), np.array([slope_N @ standard_N, slope_N.sum()])

    steep, offset = minimize(cost, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B",
                             bounds=[(0.0, STEEPEST), (-STEEPEST, STEEPEST)]).x
    return Calibration(scale=float(steep / width), offset=float(offset - steep * centre / width),
                       target_prior=target_prior)
