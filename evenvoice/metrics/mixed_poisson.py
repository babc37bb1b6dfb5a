"""Counts of errors on groups, with a random intercept per speaker: fitted by maximum likelihood, for many speakers.

A speaker's errors are Poisson with mean words * exp(x b) * v, and v, which is the speaker's own, is gamma distributed
with mean 1 and variance ``dispersion``. [design] The papers that :mod:`evenvoice.metrics.regression` follows have v
log-normal. With a gamma v the likelihood has a closed form, the negative binomial of variance m + dispersion * m^2
(Hilbe 2011, "NB2"), so models can be compared by it; statsmodels' own mixed Poisson model (PoissonBayesMixedGLM) takes
no offset and has no likelihood. Ratios between groups mean the same in both.

The likelihood takes two things from speakers: how many there are, and what errors they made together, for each
combination of groups and number of words; and how many made 0, 1, 2, ... errors. So a million speakers are a few
hundred thousand rows. At the maximum the errors of the combinations (cells), each speaker's weighed by
1 / (1 + dispersion * m), meet what is expected. That is a Poisson regression on cells, which statsmodels' GLM solves.
The weights hardly change with the coefficients, so a few turns of weights, GLM and a search for the dispersion along
one line end where nothing moves. Coefficients and dispersion are orthogonal in the information (Lawless 1987), so the
covariance of the coefficients is that at this dispersion.

Shapes: S speakers, R rows, C combinations of groups (cells), K coefficients.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST: Final = 1e-8
"""A dispersion below it is none: speakers of one group then differ by chance alone."""
LARGEST: Final = 1e3
ROUNDS: Final = 100
STILL: Final = 1e-7
"""A move of a coefficient that is none."""
ENDLESS: Final = 100.0
"""Variance of a coefficient that grows without end: one error in all of a group leaves about 1."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """What the likelihood takes from speakers.

    Attributes:
        cells: (R,) which combination of groups.
        words: (R,) of each of the row's speakers; above 0.
        speakers: (R,) how many there are.
        errors: (R,) that they made together.
        made: (E,) each number of errors that a speaker made, and ``times``: (E,) how many made as many.
    """

    cells: Integers
    words: Integers
    speakers: Integers
    errors: Integers
    made: Integers
    times: Integers


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """The maximum of the likelihood.

    Attributes:
        coefficients: (K,).
        covariance: (K, K).
        log_likelihood: with all its constants.
        converged: False where the maximum was not reached, or lies at infinity.
    """

    coefficients: Floats
    covariance: Floats
    dispersion: float
    log_likelihood: float
    converged: bool


def rows_of(cells_S: Integers, words_S: Integers, errors_S: Integers) -> Rows:
    """Speakers of one combination of groups and as many words, together; all have words."""
    longest = int(words_S.max(initial=0)) + 1
    keys, row_S, speakers_R = np.unique(cells_S * longest + words_S, return_inverse=True, return_counts=True)
    made, times = np.unique(errors_S, return_counts=True)
    return Rows(cells=keys // longest, words=keys % longest, speakers=speakers_R,
                errors=np.bincount(row_S, weights=errors_S, minlength=len(keys)).astype(np.int64),
                made=made, times=times)


def fit_counts(rows: Rows, design_CK: Floats) -> Fit:
    """Fit coefficients and dispersion.

    Args:
        design_CK: of each cell; on the cells of the rows its columns are independent, and the first is all ones.
    """
    cells, cell_R = np.unique(rows.cells, return_inverse=True)
    rows, design_CK = replace(rows, cells=cell_R), design_CK[cells]
    means_R: Floats = np.zeros(len(cell_R))
    coefficients_K: Floats | None = None
    dispersion = 0.0
    for _ in range(ROUNDS):
        before_K, coefficients_K = coefficients_K, _coefficients(rows, design_CK, means_R, dispersion, coefficients_K)
        if coefficients_K is None:
            break
        means_R = np.exp(design_CK @ coefficients_K)[cell_R] * rows.words
        if before_K is not None and np.abs(coefficients_K - before_K).max() < STILL:
            return _fit(rows, design_CK, coefficients_K, means_R, dispersion)
        dispersion = _dispersion(rows, means_R)
    nowhere = np.full(design_CK.shape[1], np.nan)
    return Fit(coefficients=nowhere, covariance=np.diag(nowhere), dispersion=dispersion, log_likelihood=float("nan"),
               converged=False)


def log_likelihood(rows: Rows, means_R: Floats, dispersion: float) -> float:
    """Of all speakers, whose expected errors are ``means_R``; without dispersion that of Poisson.

    Written so that nothing cancels where the dispersion is small: log(gamma(y + 1/a) / gamma(1/a)) is
    -y log(a) + the sum of log(1 + a j) over j below y.
    """
    spread_E = np.concatenate([[0.0], np.log1p(dispersion * np.arange(rows.made.max(initial=0))).cumsum()])[rows.made]
    constant = float(rows.times @ (spread_E - gammaln(rows.made + 1.0)))
    log1p_R = np.log1p(dispersion * means_R)
    lost_R = rows.speakers * (log1p_R / dispersion if dispersion else means_R)
    return constant + float((rows.errors * (np.log(means_R) - log1p_R) - lost_R).sum())


def _coefficients(rows: Rows, design_CK: Floats, means_R: Floats, dispersion: float, start_K: Floats | None
                  ) -> Floats | None:
    """With the weights that the means so far give speakers; None where there is no maximum."""
    from statsmodels.genmod import families  # takes a second to import, and few need it
    from statsmodels.genmod.generalized_linear_model import GLM

    weight_R = 1 / (1 + dispersion * means_R)
    errors_C = np.bincount(rows.cells, weights=rows.errors * weight_R)
    words_C = np.bincount(rows.cells, weights=rows.speakers * rows.words * weight_R)
    model = GLM(errors_C, design_CK, family=families.Poisson(), offset=np.log(words_C))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what it warns of is looked at below, and in the variances
        try:
            found = model.fit(start_params=start_K, maxiter=100, tol=STILL / 100, tol_criterion="params")
        except ValueError:  # a mean that vanishes leaves it without weights
            return None
    return np.asarray(found.params) if found.converged else None


def _fit(rows: Rows, design_CK: Floats, coefficients_K: Floats, means_R: Floats, dispersion: float) -> Fit:
    """What is known at the maximum."""
    weight_C = np.bincount(rows.cells, weights=rows.speakers * means_R / (1 + dispersion * means_R))
    information_KK = design_CK.T @ (weight_C[:, None] * design_CK)
    covariance_KK = np.asarray(np.linalg.pinv(information_KK, hermitian=True), dtype=np.float64)
    return Fit(coefficients=coefficients_K, covariance=covariance_KK, dispersion=dispersion,
               log_likelihood=log_likelihood(rows, means_R, dispersion),
               converged=bool((np.diag(covariance_KK) < ENDLESS).all()))


def _dispersion(rows: Rows, means_R: Floats) -> float:
    """The best one for these means; 0 where none is as good."""
    def loss(log_dispersion: float) -> float:
        return -log_likelihood(rows, means_R, float(np.exp(log_dispersion)))

    best = minimize_scalar(loss, bounds=(np.log(SMALLEST), np.log(LARGEST)), method="bounded",
                           options={"xatol": 1e-6})
    dispersion = float(np.exp(best.x))
    none = dispersion < 2 * SMALLEST or -best.fun <= log_likelihood(rows, means_R, 0.0)
    return 0.0 if none else dispersion
