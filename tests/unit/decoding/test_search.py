"""Greedy and beam search: the same whole, in chunks, alone and in company; a beam finds the most probable labels."""

import itertools

import pytest
import torch

from evenvoice.decoding.beam import BeamDecoder
from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.decoding.offline import decode_recordings
from evenvoice.decoding.search import Hypothesis, Search
from evenvoice.losses.transducer.reference import plain_loss
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import Architecture, LstmShape
from evenvoice.models.transducer import Transducer
from tests.builders.models import TEXTS, spoken, tiny_recogniser


def talkative(*, lookahead: int = 0) -> Recogniser:
    """Untrained, but with large weights and little blank, so that many and various labels come out."""
    recogniser = tiny_recogniser(seed=2, width=32, lookahead=lookahead)
    with torch.no_grad():
        recogniser.transducer.joiner.output.weight *= 8
        recogniser.transducer.joiner.frame.weight *= 3
        recogniser.transducer.joiner.output.bias[0] += 2
    return recogniser


def search_of(recogniser: Recogniser, kind: str) -> Search:
    transducer = recogniser.transducer.eval()
    return GreedyDecoder(transducer, 3) if kind == "greedy" else BeamDecoder(transducer, 3, width=4, nbest=4)


def frames(text: str) -> torch.Tensor:
    return torch.from_numpy(spoken(text).astype("float32"))[None]


def in_chunks(search: Search, features_BTM: torch.Tensor, size: int) -> list[list[Hypothesis]]:
    state = search.initial_state(len(features_BTM))
    for chunk_BTM in features_BTM.split(size, dim=1):
        state = search.step(chunk_BTM, state)
    return search.finish(state)


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [(each.labels, each.frames) for each in found] == [(each.labels, each.frames) for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
        assert one.score == pytest.approx(other.score, abs=1e-3)


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("kind", ["greedy", "beam"])
@pytest.mark.parametrize("size", [1, 3, 7, 16])
def test_chunk_by_chunk_is_the_whole_utterance(kind, size, lookahead):
    search = search_of(talkative(lookahead=lookahead), kind)
    for text in TEXTS[:2]:
        (whole,) = in_chunks(search, frames(text), 1000)
        assert len(set(whole[0].labels)) > 2
        assert len(whole) == (1 if kind == "greedy" else 4)
        assert_same(in_chunks(search, frames(text), size)[0], whole)


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_company_and_padding_change_nothing(kind, lookahead):
    recogniser = talkative(lookahead=lookahead)
    search = search_of(recogniser, kind)
    recordings = [spoken(text) for text in TEXTS]
    together = decode_recordings(search, recogniser, recordings)
    for recording, found in zip(recordings, together, strict=True):
        (alone,) = decode_recordings(search, recogniser, [recording])
        assert_same(found, alone)


@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_what_stands_in_the_padding_is_not_heard(kind):
    search = search_of(talkative(lookahead=1), kind)
    (cut,) = search.finish(search.step(frames("yes no"), search.initial_state(1), torch.tensor([40])))
    (short,) = search.finish(search.step(frames("yes no")[:, :40], search.initial_state(1)))
    assert_same(cut, short)


@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_stable_labels_are_never_taken_back(kind):
    search = search_of(talkative(), kind)
    state, settled = search.initial_state(1), [()]
    for chunk_BTM in frames("two one no").split(5, dim=1):
        state = search.step(chunk_BTM, state)
        settled.append(search.stable(state)[0])
    final = search.finish(state)[0][0].labels
    assert all(final[:len(labels)] == labels for labels in settled)
    assert any(settled[:-5])


def test_a_beam_of_one_is_greedy():
    recogniser = talkative()
    for text in TEXTS:
        (greedy,) = in_chunks(GreedyDecoder(recogniser.transducer.eval(), 3), frames(text), 1000)
        (beam,) = in_chunks(BeamDecoder(recogniser.transducer.eval(), 3, width=1), frames(text), 1000)
        assert_same(beam, greedy)


def test_a_wider_beam_finds_what_is_more_probable():
    recogniser = talkative()
    best = {width: [in_chunks(BeamDecoder(recogniser.transducer.eval(), 3, width=width), frames(text), 1000)[0][0].score
                    for text in TEXTS] for width in (1, 8)}
    assert sum(best[8]) > sum(best[1]) + 1.0


def test_the_score_of_greedy_search_is_the_log_probability_of_its_alignment():
    transducer = small_transducer(seed=0)
    with torch.no_grad():
        transducer.joiner.output.bias[0] -= 3.0  # so that there is something to score
    search = GreedyDecoder(transducer, 2)
    (found,), = search.finish(search.step(UTTERANCE_BTM, search.initial_state(1)))
    log_probs_TUV = lattice(transducer, found.labels)
    total, emitted = 0.0, 0
    for frame in range(UTTERANCE_BTM.shape[1]):
        while emitted < len(found.labels) and found.frames[emitted] == frame:
            log_prob = log_probs_TUV[frame][emitted][found.labels[emitted]].item()
            assert found.confidence[emitted] == pytest.approx(torch.tensor(log_prob).exp().item(), rel=1e-4)
            total, emitted = total + log_prob, emitted + 1
        total += log_probs_TUV[frame][emitted][0].item()
    assert found.labels
    assert found.score == pytest.approx(total, abs=1e-4)


UTTERANCE_BTM = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(5))


def small_transducer(seed: int) -> Transducer:
    """Two labels, one frame of its own for every log-mel frame, and lengths that stay short."""
    torch.manual_seed(seed)
    transducer = Transducer(Architecture(
        encoder=LstmShape(width=8, layers=1), stack=1, lookahead=0, predictor_width=8, joiner_width=8, dropout=0.0,
        n_mels=4, vocabulary=3)).eval()
    with torch.no_grad():
        transducer.joiner.output.weight *= 4
        transducer.joiner.output.bias[0] += 0.5
    return transducer


@torch.no_grad()
def lattice(transducer: Transducer, labels: tuple[int, ...]) -> torch.Tensor:
    """Log-probabilities of every symbol at every node (T, U + 1, V)."""
    frame_TJ = transducer.joiner.frame(transducer.encode(UTTERANCE_BTM, torch.tensor([3])))[0]
    predicted_UP = transducer.predictor.start(torch.tensor(labels, dtype=torch.long)[None])[0]
    return transducer.joiner.score(frame_TJ[:, None], transducer.joiner.label(predicted_UP)[None]).log_softmax(-1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_wide_beam_ranks_label_sequences_by_the_sum_over_their_alignments(seed):
    transducer = small_transducer(seed)
    exact = {labels: -plain_loss(lattice(transducer, labels).tolist(), labels)
             for length in range(6) for labels in itertools.product((1, 2), repeat=length)}
    best = sorted(exact, key=exact.__getitem__, reverse=True)[:3]
    search = BeamDecoder(transducer, 6, width=500, nbest=200)
    (found,) = search.finish(search.step(UTTERANCE_BTM, search.initial_state(1)))
    assert len({hypothesis.labels for hypothesis in found}) == len(found)
    short = [hypothesis for hypothesis in found if len(hypothesis.labels) <= 5]
    assert [hypothesis.labels for hypothesis in short[:3]] == best
    assert [hypothesis.score for hypothesis in short[:3]] == pytest.approx([exact[labels] for labels in best], abs=1e-3)


def test_an_empty_chunk_changes_nothing():
    search = search_of(talkative(), "beam")
    state = search.step(frames("no")[:, :0], search.initial_state(1))
    assert_same(search.finish(search.step(frames("no"), state))[0], in_chunks(search, frames("no"), 1000)[0])
