"""One sentence about what was healed, for a person; nothing hidden is left in it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evenvoice.metrics.healing import ArmChanges, Change, Healed, sentence, without

changes = st.none() | st.builds(Change, relative=st.floats(-1, 5), relative_low=st.floats(-1, 0),
                                relative_high=st.floats(0, 50))


def arms(name: str) -> st.SearchStrategy[ArmChanges]:
    return st.builds(ArmChanges, arm=st.just(name), bottom=changes, whole=changes, variance=changes)


healings = st.builds(Healed, method=st.just("geographic"), bottom=st.just("region-9"), challenger=arms("ewc"),
                     controls=st.lists(arms("placebo"), max_size=2).map(tuple))


def changed(relative: float) -> Change:
    return Change(relative=relative, relative_low=relative - 0.06, relative_high=relative + 0.06)


def healed(*controls: ArmChanges) -> dict[str, Any]:
    ewc = ArmChanges(arm="ewc", bottom=changed(-0.142), whole=changed(-0.004), variance=None)
    return Healed(method="geographic", bottom="region-1", challenger=ewc, controls=controls).to_json()


def test_a_figure_that_could_not_be_measured_is_not_spoken_of() -> None:
    assert healed()["sentence"] == "region-1 -14 % (-20 to -8 %), everyone 0 % (-6 to +6 %)"


def test_the_first_control_stands_beside_the_challenger_figure_by_figure() -> None:
    placebo = ArmChanges(arm="placebo", bottom=changed(0.01), whole=None, variance=changed(-0.2))
    assert healed(placebo, placebo)["sentence"].endswith("; the control placebo: +1 %, unknown")


@given(healings, st.booleans(), st.booleans())
def test_what_is_left_out_is_in_neither_the_figures_nor_the_sentence(found: Healed, bottom: bool, variance: bool
                                                                             ) -> None:
    shown = without(found.to_json(), bottom=bottom, variance=variance)
    assert ("region-9" in shown["sentence"]) <= (not bottom)
    assert ("variance" in shown["sentence"]) <= (not variance)
    assert all(arm["bottom"] is None for arm in (shown["challenger"], *shown["controls"])) or not bottom
    assert shown["sentence"] == sentence(shown)
