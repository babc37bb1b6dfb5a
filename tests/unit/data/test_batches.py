"""Batches: everyone once, little padding, exact resumption, equal shares for every process."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.batches import BatchPlan, BatchStream, bucketed_batches
from evenvoice.errors import ParamsError, ShapeError

LENGTHS = st.lists(st.integers(1, 100), min_size=1, max_size=80)


def one_epoch(frames, indices=None, frames_per_batch=300, seed=0, draw_weights=None):
    frames = np.asarray(frames)
    indices = np.arange(len(frames)) if indices is None else np.asarray(indices)
    return list(bucketed_batches(frames, indices, frames_per_batch, np.random.default_rng(seed), draw_weights))


def plan(recordings=50, frames_per_batch=300, seed=3, draw_weights=None):
    frames = np.random.default_rng(1).integers(10, 100, recordings)
    return BatchPlan(frames=frames, indices=np.arange(recordings), frames_per_batch=frames_per_batch, seed=seed,
                     draw_weights=draw_weights)


def taken(stream, batches):
    return [batch.tolist() for batch in islice(stream, batches)]


@given(frames=LENGTHS, seed=st.integers(0, 1000))
def test_every_recording_comes_exactly_once_per_epoch(frames, seed):
    assert sorted(np.concatenate(one_epoch(frames, seed=seed)).tolist()) == list(range(len(frames)))


@given(frames=LENGTHS, seed=st.integers(0, 1000), frames_per_batch=st.integers(100, 1000))
def test_no_batch_is_larger_than_allowed_padding_included(frames, seed, frames_per_batch):
    for batch in one_epoch(frames, seed=seed, frames_per_batch=frames_per_batch):
        assert len(batch) * max(frames[i] for i in batch) <= frames_per_batch


def test_the_longest_of_a_batch_counts_wherever_it_stands():
    for batch in one_epoch(frames := [99, 100] * 50, frames_per_batch=299):
        assert len(batch) * max(frames[i] for i in batch) <= 299


def test_only_the_given_indices_are_drawn():
    assert sorted(np.concatenate(one_epoch([50] * 10, indices=[7, 2, 5])).tolist()) == [2, 5, 7]


@given(frames=st.lists(st.integers(1, 100), min_size=40, max_size=80), seed=st.integers(0, 1000))
def test_every_batch_holds_groups_in_the_proportion_in_which_they_are_drawn(frames, seed):
    groups = np.arange(len(frames)) % 4 // 3  # one in four
    batches = BatchPlan(frames=np.asarray(frames), indices=np.arange(len(frames)), frames_per_batch=800, seed=seed,
                        groups=groups).epoch(0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(frames)))
    for batch in batches:
        assert abs(groups[batch].sum() - len(batch) * groups.mean()) <= 1.5
        assert len(batch) * max(frames[i] for i in batch) <= 800


def test_padding_is_under_five_per_cent():
    frames = np.random.default_rng(0).integers(100, 500, 3000)
    batches = one_epoch(frames, frames_per_batch=5000)
    padded = sum(len(batch) * frames[batch].max() for batch in batches)
    assert 1 - frames.sum() / padded < 0.05


def test_batches_are_full():
    frames = np.random.default_rng(0).integers(100, 500, 3000)
    padded = [len(batch) * frames[batch].max() for batch in one_epoch(frames, frames_per_batch=5000)]
    assert np.mean(padded) > 0.9 * 5000


def test_neither_order_nor_company_is_the_same_every_epoch():
    frames = np.random.default_rng(0).integers(100, 500, 400)
    first, second = (one_epoch(frames, frames_per_batch=5000, seed=seed) for seed in (0, 1))
    longest = [int(frames[batch].max()) for batch in first]
    assert longest != sorted(longest)
    companies = {frozenset(batch.tolist()) for batch in first}
    assert len(companies.intersection(frozenset(batch.tolist()) for batch in second)) < len(companies) / 4


def test_the_generator_decides_everything():
    first, second = (one_epoch(range(1, 99), seed=4) for _ in range(2))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]


def test_whole_weights_are_exact_draws():
    batches = one_epoch([10] * 4, draw_weights=np.array([4.0, 1.0, 0.0, 2.0]))
    assert Counter(np.concatenate(batches).tolist()) == {0: 4, 1: 1, 3: 2}


def test_weights_belong_to_the_given_indices():
    batches = one_epoch([10] * 9, indices=[8, 3], draw_weights=np.array([3.0, 1.0]))
    assert Counter(np.concatenate(batches).tolist()) == {8: 3, 3: 1}


def test_fractions_are_rounded_at_random_to_the_right_mean():
    drawn = Counter(np.concatenate(one_epoch([10] * 4000, draw_weights=np.full(4000, 1.25))).tolist())
    assert set(drawn.values()) == {1, 2}
    assert sum(drawn.values()) / 4000 == pytest.approx(1.25, abs=0.03)


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, -1.0, 1.0], [1.0, np.nan, 1.0], [np.inf, 1.0, 1.0]])
def test_weights_that_cannot_be_are_refused(weights):
    with pytest.raises(ShapeError, match="draw_weights must be 3 finite numbers of at least 0, one per index"):
        one_epoch([10] * 3, draw_weights=np.array(weights))


def test_a_recording_longer_than_a_batch_is_refused_before_anything_is_drawn():
    with pytest.raises(ParamsError, match=r"batch_s must hold the longest recording \(301 frames\), got 300 frames"):
        bucketed_batches(np.array([10, 301]), np.arange(2), 300, np.random.default_rng(0))


def test_the_stream_goes_through_epoch_after_epoch():
    stream = BatchStream(plan())
    for epoch in range(3):
        expected = [batch.tolist() for batch in plan().epoch(epoch)]
        assert taken(stream, len(expected)) == expected
    assert plan().epoch(0)[0].tolist() != plan().epoch(1)[0].tolist()


def test_another_seed_gives_another_order():
    assert taken(BatchStream(plan(seed=3)), 5) != taken(BatchStream(plan(seed=4)), 5)


@given(before=st.integers(0, 40), after=st.integers(1, 15), oversampled=st.booleans())
def test_resuming_goes_on_exactly_where_it_stopped(before, after, oversampled):
    weights = np.linspace(0.5, 3, 50) if oversampled else None
    uninterrupted = BatchStream(plan(draw_weights=weights))
    taken(uninterrupted, before)
    resumed = BatchStream(plan(draw_weights=weights))
    resumed.load_state_dict(uninterrupted.state_dict())
    assert taken(resumed, after) == taken(uninterrupted, after)
    assert resumed.state_dict() == uninterrupted.state_dict()


def test_processes_share_an_epoch_without_overlap_and_make_equally_many_steps():
    batches = [batch.tolist() for batch in plan().epoch(0)]
    steps = -(-len(batches) // 3)
    shares = [taken(BatchStream(plan(), rank=rank, world=3), steps) for rank in range(3)]
    dealt = [share[step] for step in range(steps) for share in shares]
    assert dealt[:len(batches)] == batches
    assert dealt[len(batches):] == batches[:len(dealt) - len(batches)]


def test_every_process_enters_the_next_epoch_at_the_same_step():
    streams = [BatchStream(plan(), rank=rank, world=4) for rank in range(4)]
    for _ in range(30):
        assert len({(next(stream) is None, *stream.state_dict().values()) for stream in streams}) == 1


def test_more_processes_than_batches_all_get_one():
    tiny = plan(recordings=2, frames_per_batch=1000)
    assert taken(BatchStream(tiny, rank=4, world=5), 1) == taken(BatchStream(tiny, rank=0, world=1), 1)


@pytest.mark.parametrize("empty", [plan(recordings=0), plan(recordings=3, draw_weights=np.zeros(3))])
def test_nothing_to_draw_from_is_refused_rather_than_waited_for(empty):
    with pytest.raises(ShapeError, match="batches must have recordings to draw from"):
        BatchStream(empty)


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_outside_its_world_is_refused(rank, world):
    with pytest.raises(ShapeError, match="rank must be from 0 to"):
        BatchStream(plan(), rank=rank, world=world)
