"""What a recogniser of two talkers is to learn of mixtures."""

import math

import numpy as np
import pytest

from evenvoice.errors import CorpusError
from evenvoice.multitalker.targets import active
from evenvoice.multitalker.turns import channels_of
from evenvoice.progress import Progress
from evenvoice.training.loop import fit
from tests.builders.models import TOKENIZER
from tests.builders.multitalker import said
from tests.builders.talkers import mixture_store, tiny_multitalker, turn_settings, turn_targets

FRAME_S = 0.04
SOT, EOT = TOKENIZER.size, TOKENIZER.size + 1
TOGETHER = (("a", 0.1, "yes"), ("b", 0.4, "no"))
ALONE = (("a", 0.1, "one"),)


def targets(*mixtures, frames: int = 26, tokens: str = "turns", lookahead: int = 0):
    store = mixture_store(mixtures)
    return turn_targets(tiny_multitalker(tokens=tokens, lookahead=lookahead), store)(np.arange(len(store)), frames)


def test_each_mixture_has_a_row_for_each_channel():
    found = targets(TOGETHER, ALONE)
    spelt = [[SOT, *TOKENIZER.encode(text), EOT] for text in ("yes", "no", "one")]
    assert [row[:length] for row, length in zip(found.labels_BU.tolist(), found.label_lengths_B.tolist(), strict=True)
            ] == [spelt[0], spelt[1], spelt[2], []]
    assert found.labels_BU.shape == found.due_BU.shape == (4, 5)
    assert found.active_BT.shape == (4, 26)


def test_an_end_is_due_in_the_frame_that_is_over_when_the_turn_is():
    due_RU = targets(TOGETHER).due_BU
    for row, end_s in enumerate((0.1 + 0.36, 0.4 + 0.24)):
        [frame] = [due for due in due_RU[row].tolist() if not math.isnan(due)]
        assert (frame + 1) * FRAME_S == pytest.approx(end_s)
    assert not math.isnan(due_RU[0, 4])
    assert math.isnan(due_RU[1, 4])


def test_what_looks_ahead_writes_earlier_to_tell_it_in_time():
    np.testing.assert_allclose(targets(TOGETHER, lookahead=3).due_BU, targets(TOGETHER).due_BU - 3)


@pytest.mark.parametrize("tokens", ["none", "separator"])
def test_without_marks_of_ends_nothing_is_due(tokens):
    assert targets(TOGETHER, tokens=tokens).due_BU.isnan().all()


def test_a_channel_is_active_in_the_frames_whose_middle_a_turn_holds():
    active_RT = targets(TOGETHER).active_BT
    assert np.flatnonzero(active_RT[0]).tolist() == list(range(2, 11))
    assert np.flatnonzero(active_RT[1]).tolist() == list(range(10, 16))


def test_nobody_is_active_in_a_pause():
    turns = [said("a", 0.0, 0.4, pauses=[(0.1, 0.3)]), said("b", 0.5, 0.6)]
    assert np.flatnonzero(active([turns], 7, 0.1)[0]).tolist() == [0, 3, 5]


def test_three_at_once_are_refused_by_the_name_of_the_mixture():
    with pytest.raises(CorpusError, match="m0 must have at most 2 turns at once"):
        targets((*TOGETHER, ("c", 0.42, "one")))


def test_mixtures_of_silence_alone_are_learned_too():
    recogniser, store = tiny_multitalker(), mixture_store(((), ()))
    found = turn_targets(recogniser, store)(np.arange(2), 5)
    assert (found.labels_BU.shape, found.label_lengths_B.tolist()) == ((4, 0), [0, 0, 0, 0])
    curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=1, progress=Progress("test"),
                settings=turn_settings(steps=4), checkpoint_dir=None, targets=turn_targets(recogniser, store))
    assert curve.points[-1].loss < curve.points[0].loss


def test_labels_of_a_row_are_those_of_its_channel():
    mixture = (("a", 0.1, "yes no"), ("b", 0.3, "one"), ("c", 0.7, "two"))
    found = targets(mixture, tokens="separator")
    channels = channels_of(mixture_store([mixture]).turns[0], "m0")
    assert [[turn.text for turn in channel] for channel in channels] == [["yes no"], ["one", "two"]]
    assert found.labels_BU[1].tolist() == [*TOKENIZER.encode("one"), SOT, *TOKENIZER.encode("two")]
