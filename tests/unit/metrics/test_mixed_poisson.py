"""The fit of counts with a random intercept, beside the same model by statsmodels, speaker by speaker."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom, poisson
from statsmodels.discrete.discrete_model import NegativeBinomial

from evenvoice.metrics.mixed_poisson import fit_counts, log_likelihood, rows_of

DESIGN = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]])


def speakers(dispersion, size=400, seed=3):
    """Cells, words and errors of each; the second cell has one and a half times the errors."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, len(DESIGN), size)
    words = rng.integers(20, 60, size)
    own = rng.gamma(1 / dispersion, dispersion, size) if dispersion else 1.0
    return cells, words, rng.poisson(words * 0.1 * np.array([1, 1.5, 1])[cells] * own)


def test_it_is_the_maximum_that_statsmodels_finds_from_speakers_one_by_one():
    cells, words, errors = speakers(0.5)
    found = fit_counts(rows_of(cells, words, errors), DESIGN)
    start = [*found.coefficients * 0.9, 0.4]
    peer = NegativeBinomial(errors, DESIGN[cells], offset=np.log(words), loglike_method="nb2").fit(
        start_params=start, method="newton", maxiter=100, disp=False)
    assert found.converged
    assert found.log_likelihood == pytest.approx(peer.llf, abs=1e-6)
    assert found.coefficients == pytest.approx(peer.params[:-1], abs=1e-4)
    assert found.dispersion == pytest.approx(peer.params[-1], abs=1e-3)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(peer.bse[:-1], rel=0.05)


def test_speakers_who_differ_by_chance_alone_have_no_dispersion():
    cells, words, _ = speakers(0)
    errors = np.rint(words * 0.1 * np.array([1, 1.5, 1])[cells]).astype(np.int64)  # less than chance would
    found = fit_counts(rows_of(cells, words, errors), DESIGN)
    assert found.converged
    assert found.dispersion == 0
    assert np.exp(found.coefficients[1]) == pytest.approx(1.5, rel=0.05)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 200), st.integers(0, 300)), min_size=1, max_size=30),
       st.one_of(st.just(0.0), st.floats(1e-8, 50)))
def test_rows_have_the_likelihood_of_their_speakers(people, dispersion):
    cells, words, errors = np.array(people).T
    rows = rows_of(cells, words, errors)
    mean = words * np.array([0.05, 0.2, 1.1])[cells]
    one_by_one = nbinom.logpmf(errors, 1 / dispersion, 1 / (1 + dispersion * mean)) if dispersion else (
        poisson.logpmf(errors, mean))
    of_rows = log_likelihood(rows, rows.words * np.array([0.05, 0.2, 1.1])[rows.cells], dispersion)
    assert of_rows == pytest.approx(one_by_one.sum(), rel=1e-6, abs=1e-4)
    assert rows.speakers.sum() == len(people)
    assert rows.errors.sum() == errors.sum()


def test_a_vanishing_dispersion_is_none():
    rows = rows_of(*speakers(0.5))
    mean = rows.words * 0.1
    assert log_likelihood(rows, mean, 1e-12) == pytest.approx(log_likelihood(rows, mean, 0.0), abs=1e-5)


def test_what_grows_without_end_has_not_converged():
    cells, words, errors = speakers(0.5)
    assert not fit_counts(rows_of(cells, words, np.where(cells == 2, 0, errors)), DESIGN).converged
