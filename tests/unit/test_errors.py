"""Messages say what, which rule, which value and what to do; they survive process pools."""

import pickle

import pytest

from evenvoice import errors
from evenvoice.errors import EvenvoiceError, RecordingRejected, TransientError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EvenvoiceError)]


def test_a_message_holds_name_rule_value_and_action() -> None:
    error = RecordingRejected(name="a.wav", rule="hold sound", value="silence", action="Remove it.")
    assert str(error) == "a.wav must hold sound, got silence instead. Remove it."


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_pickling(kind: type[EvenvoiceError]) -> None:
    error = kind(name="a", rule="b", value=1, action="c")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)


def test_only_a_transient_error_asks_for_another_try() -> None:
    assert {kind for kind in KINDS if kind.exit_code == 75} == {TransientError}


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_in_the_docstring_names_every_error(kind: type[EvenvoiceError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__
