"""Settings come from params.train, for mitigation with its own steps and learning rate."""

from evenvoice.training.settings import FitSettings
from tests.builders.models import tiny_train

TRIAL = {"steps": 77, "learning_rate": 0.123}


def test_mitigation_changes_the_steps_and_the_learning_rate_alone():
    base, arm = FitSettings.for_base(tiny_train()), FitSettings.for_mitigation(tiny_train(), **TRIAL)
    assert (arm.steps, arm.learning_rate) == (77, 0.123)
    assert {name for name in vars(base) if vars(base)[name] != vars(arm)[name]} == {"steps", "learning_rate"}


def test_a_batch_that_the_base_model_chose_is_that_of_every_arm():
    left_open = tiny_train().model_copy(update={"batch_s": "auto"})

    assert FitSettings.for_mitigation(left_open, **TRIAL, chosen_batch_s=310.0).batch_s == 310.0
    assert FitSettings.for_mitigation(tiny_train(), **TRIAL).batch_s == tiny_train().batch_s
