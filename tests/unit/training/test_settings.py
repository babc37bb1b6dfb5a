"""Settings come from params.train, for mitigation with its own steps and learning rate."""

from evenvoice.params import Mitigate
from evenvoice.training.settings import FitSettings
from tests.builders.models import tiny_train


def test_mitigation_changes_the_steps_and_the_learning_rate_alone():
    mitigate = Mitigate(cohorts="clusters", bottom_share=0.1, steps=77, learning_rate=0.123)
    base, arm = FitSettings.for_base(tiny_train()), FitSettings.for_mitigation(tiny_train(), mitigate)
    assert (arm.steps, arm.learning_rate) == (77, 0.123)
    assert {name for name in vars(base) if vars(base)[name] != vars(arm)[name]} == {"steps", "learning_rate"}
