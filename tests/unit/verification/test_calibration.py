"""From scores to likelihood ratios."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from evenvoice.errors import ArtifactError, CohortError
from evenvoice.verification.calibration import Calibration, calibrate
from evenvoice.verification.detection import log_likelihood_ratio_cost


def normal_trials(seed: int = 0, same: int = 4000, different: int = 16_000) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose likelihood ratio is known: llr = 2 * score."""
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(1, 1, same), rng.normal(-1, 1, different)])
    return scores, np.arange(same + different) < same


def test_a_score_becomes_the_likelihood_ratio_that_it_is():
    found = calibrate(*normal_trials(), 0.5)
    assert found.scale == pytest.approx(2.0, abs=0.1)
    assert found.offset == pytest.approx(0.0, abs=0.1)


def test_it_is_the_logistic_regression_of_scikit_learn_with_both_kinds_weighing_alike():
    scores, same = normal_trials(same=200, different=700)
    fitted = LogisticRegression(C=1e9, class_weight="balanced").fit(scores[:, None], same)
    found = calibrate(scores, same, 0.5)
    assert (found.scale, found.offset) == (pytest.approx(fitted.coef_[0, 0], rel=1e-2),
                                           pytest.approx(fitted.intercept_[0], abs=2e-2))


@pytest.mark.parametrize(("prior", "threshold"), [(0.5, 0.0), (0.05, np.log(19)), (0.01, np.log(99))])
def test_the_rarer_the_speaker_the_higher_the_threshold(prior, threshold):
    assert Calibration(scale=1.0, offset=0.0, target_prior=prior).threshold == pytest.approx(threshold)


def test_the_threshold_is_where_misses_and_false_alarms_cost_least():
    scores, same = normal_trials()
    found = calibrate(scores, same, 0.05)

    def cost(accepted):
        return 0.05 * (~accepted[same]).mean() + 0.95 * accepted[~same].mean()

    best = min(cost(scores >= threshold) for threshold in np.linspace(-3, 4, 300))
    assert cost(found.accepts(scores)) == pytest.approx(best, rel=0.05)


def test_calibrated_scores_cost_less_than_scores_as_they_are():
    scores, same = normal_trials()
    scores = 0.1 * scores + 0.6
    llrs = calibrate(scores, same, 0.5).llr(scores)
    assert log_likelihood_ratio_cost(llrs, same) < 0.65 * log_likelihood_ratio_cost(scores, same)


def test_scores_without_an_overlap_have_a_finite_scale():
    found = calibrate(np.array([2.0, 3.0, -2.0, -3.0]), np.array([True, True, False, False]), 0.5)
    assert np.isfinite(found.scale)
    assert found.accepts(np.array([2.0, -2.0])).tolist() == [True, False]


def test_trials_of_one_kind_cannot_calibrate():
    with pytest.raises(CohortError, match="same-speaker and different-speaker pairs"):
        calibrate(np.array([1.0, 2.0]), np.array([True, True]), 0.5)


def test_a_calibration_comes_back_and_something_else_is_refused():
    made = Calibration(scale=2.0, offset=-1.0, target_prior=0.05)
    assert Calibration.read(made.to_json(), "here") == made
    with pytest.raises(ArtifactError, match="here must hold scale, offset and target_prior"):
        Calibration.read({"scale": 1.0}, "here")
