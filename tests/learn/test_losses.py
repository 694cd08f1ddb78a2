"""The losses against loops that spell out their formulas, and at the limits where their values are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from passerby.learn.objectives import losses
from passerby.learn.objectives.cross_batch_memory import Candidates, Pairs
from passerby.learn.objectives.losses import EPSILON, IdentityLoss, captions_alike, matching_distribution, swapped_colours

PEOPLE = torch.tensor([0, 1, 0, 2, 1, 0, 3])
"""Pictures of four people: three, two, one and one."""
Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def info_nce(images: Tensor, texts: Tensor, identities: Tensor, temperature: float) -> Tensor:
    """Compared with the batch alone."""
    batch = Pairs(images, texts, identities)
    return losses.info_nce(batch, Candidates(images, identities), Candidates(texts, identities), temperature)


def similarity_distribution_matching(images: Tensor, texts: Tensor, identities: Tensor, temperature: float) -> Tensor:
    return losses.similarity_distribution_matching(Pairs(images, texts, identities), temperature)


LOSSES = pytest.mark.parametrize("loss", [info_nce, similarity_distribution_matching])


def pairs(seed: int = 0, n: int = len(PEOPLE), dim: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(F.normalize(torch.randn(n, dim, generator=generator), dim=-1) for _ in range(2))  # type: ignore[return-value]


def softmax(scores: list[float]) -> list[float]:
    powers = [math.exp(s - max(scores)) for s in scores]
    return [p / sum(powers) for p in powers]


def slow_scores(queries: Tensor, gallery: Tensor, temperature: float) -> list[list[float]]:
    return [[float(q.double() @ g.double()) / temperature for g in gallery] for q in queries]


def slow_target(identities: Tensor) -> list[list[float]]:
    who = identities.tolist()
    return [[float(a == b) / who.count(a) for b in who] for a in who]


def slow_info_nce(images: Tensor, texts: Tensor, identities: Tensor, temperature: float) -> float:
    """For each query the mean over its positives of -log p, averaged over queries and directions."""
    total = 0.0
    for queries, gallery in ((images, texts), (texts, images)):
        for i, scores in enumerate(slow_scores(queries, gallery, temperature)):
            prediction = softmax(scores)
            positives = [j for j in range(len(identities)) if identities[j] == identities[i]]
            total += sum(-math.log(prediction[j]) for j in positives) / len(positives)
    return total / (2 * len(identities))


def slow_sdm(images: Tensor, texts: Tensor, identities: Tensor, temperature: float) -> float:
    """IRRA's equation: KL(p || q + epsilon) with p the softmax of similarities and q the normalised labels; the directions are added."""
    total = 0.0
    for queries, gallery in ((images, texts), (texts, images)):
        for scores, target in zip(slow_scores(queries, gallery, temperature), slow_target(identities), strict=True):
            total += sum(p * math.log(p / (q + EPSILON)) for p, q in zip(softmax(scores), target, strict=True) if p > 0)
    return total / len(identities)


def test_matching_distribution_shares_a_row_among_an_identity() -> None:
    assert torch.allclose(matching_distribution(PEOPLE, PEOPLE), torch.tensor(slow_target(PEOPLE)))


@pytest.mark.parametrize("temperature", [0.02, 0.05, 1.0])
@pytest.mark.parametrize("identities", [PEOPLE, torch.arange(7), torch.zeros(7, dtype=torch.int64)], ids=["some", "singles", "one person"])
def test_losses_equal_their_formulas(identities: Tensor, temperature: float) -> None:
    images, texts = pairs()
    assert float(info_nce(images, texts, identities, temperature)) == pytest.approx(
        slow_info_nce(images, texts, identities, temperature), rel=1e-4
    )
    assert float(similarity_distribution_matching(images, texts, identities, temperature)) == pytest.approx(
        slow_sdm(images, texts, identities, temperature), rel=1e-4, abs=1e-5
    )


def test_info_nce_of_single_pairs_is_clips_cross_entropy() -> None:
    images, texts = pairs()
    logits, own = images @ texts.T / 0.05, torch.arange(len(images))
    clip = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    assert float(info_nce(images, texts, own, 0.05)) == pytest.approx(float(clip), rel=1e-5)


def test_info_nce_over_more_candidates_is_the_rows_of_the_batch_among_them() -> None:
    images, texts = pairs()
    batch = Pairs(images[:3], texts[:3], PEOPLE[:3])
    expected = 0.0
    for asked, offered in ((images[:3], texts), (texts[:3], images)):
        for i, scores in enumerate(slow_scores(asked, offered, 0.1)):
            positives = [j for j in range(len(PEOPLE)) if PEOPLE[j] == PEOPLE[i]]
            expected += sum(-math.log(softmax(scores)[j]) for j in positives) / len(positives) / 6
    assert float(losses.info_nce(batch, Candidates(images, PEOPLE), Candidates(texts, PEOPLE), 0.1)) == pytest.approx(expected, rel=1e-5)


@LOSSES
def test_perfect_alignment_costs_nothing(loss: Loss) -> None:
    apart = torch.eye(4)
    assert float(loss(apart, apart, torch.arange(4), 0.02)) == pytest.approx(0, abs=1e-5)


def test_several_positives_of_equal_similarity_reach_the_entropy_of_their_target() -> None:
    """Two of each person: the best prediction is one half each, so InfoNCE ends at log 2 and SDM at 0."""
    embeddings = torch.eye(3).repeat_interleave(2, dim=0)
    identities = torch.arange(3).repeat_interleave(2)
    assert float(info_nce(embeddings, embeddings, identities, 0.02)) == pytest.approx(math.log(2), abs=1e-5)
    assert float(similarity_distribution_matching(embeddings, embeddings, identities, 0.02)) == pytest.approx(0, abs=1e-5)


@LOSSES
def test_constant_embeddings_cost_what_a_uniform_guess_costs(loss: Loss) -> None:
    """What a collapsed model pays: log n for InfoNCE; for SDM the divergence of a uniform guess from one-hot labels."""
    n = 4
    same = F.normalize(torch.ones(n, 3), dim=-1)
    divergence = 2 * ((n - 1) / n * math.log(1 / (n * EPSILON)) + 1 / n * math.log(1 / n))
    price = math.log(n) if loss is info_nce else divergence
    assert float(loss(same, same, torch.arange(n), 0.02)) == pytest.approx(price, rel=1e-4)


@LOSSES
def test_pictures_and_words_may_change_places_and_pairs_their_order(loss: Loss) -> None:
    images, texts = pairs()
    value = float(loss(images, texts, PEOPLE, 0.05))
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    assert float(loss(texts, images, PEOPLE, 0.05)) == pytest.approx(value, rel=1e-5)
    assert float(loss(images[order], texts[order], PEOPLE[order], 0.05)) == pytest.approx(value, rel=1e-5)


@LOSSES
def test_gradients_are_finite_even_where_every_pair_is_opposite(loss: Loss) -> None:
    images, texts = torch.eye(4).requires_grad_(), (-torch.eye(4)).requires_grad_()
    gradients = torch.autograd.grad(loss(images, texts, torch.arange(4), 0.02), (images, texts))
    assert all(bool(g.isfinite().all()) for g in gradients)


@LOSSES
def test_gradients_lead_downhill(loss: Loss) -> None:
    images, texts = (x.requires_grad_() for x in pairs())
    before = loss(images, texts, PEOPLE, 0.05)
    gradients = torch.autograd.grad(before, (images, texts))
    moved_images, moved_texts = (F.normalize((x - 0.02 * g).detach(), dim=-1) for x, g in zip((images, texts), gradients, strict=True))
    assert float(loss(moved_images, moved_texts, PEOPLE, 0.05)) < before.item() - 0.1


def test_identity_loss_equals_its_formula() -> None:
    torch.manual_seed(3)
    loss = IdentityLoss(4, 8, scale=16.0)
    images, _ = pairs()
    total = 0.0
    for x, person in zip(images, PEOPLE.tolist(), strict=True):
        cosines = [float(x @ p / p.norm()) for p in loss.prototypes.detach()]
        total -= math.log(softmax([16.0 * c for c in cosines])[person])
    assert float(loss(images, PEOPLE).detach()) == pytest.approx(total / len(PEOPLE), rel=1e-5)


def test_identity_loss_ignores_the_length_of_prototypes() -> None:
    torch.manual_seed(3)
    loss = IdentityLoss(4, 8, scale=16.0)
    images, _ = pairs()
    before = float(loss(images, PEOPLE).detach())
    with torch.no_grad():
        loss.prototypes.mul_(7)
    assert float(loss(images, PEOPLE).detach()) == pytest.approx(before, rel=1e-5)


def test_swapped_colours_is_the_mean_cross_entropy_of_two_choices() -> None:
    images, texts = pairs()
    swapped = F.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(9)), dim=-1)
    rows = [4, 0, 5]
    expected = 0.0
    for other, row in zip(swapped, rows, strict=True):
        right, wrong = (float(images[row] @ text) / 0.1 for text in (texts[row], other))
        expected -= math.log(softmax([right, wrong])[0]) / 3
    assert float(swapped_colours(images, texts, swapped, torch.tensor(rows), 0.1)) == pytest.approx(expected, rel=1e-5)


def test_swapped_colours_without_any_is_zero() -> None:
    images, texts = pairs()
    assert float(swapped_colours(images, texts, texts[:0], torch.zeros(0, dtype=torch.int64), 0.1)) == 0.0


def slow_captions_alike(texts: Tensor, identities: list[int], offered: Tensor, offered_identities: list[int], temperature: float) -> float:
    per_caption = []
    for i, text in enumerate(texts):
        others = [j for j in range(len(offered)) if j != i]
        right = [j for j in others if offered_identities[j] == identities[i]]
        if right:
            scores = {j: float(text @ offered[j]) / temperature for j in others}
            total = math.log(sum(math.exp(s) for s in scores.values()))
            per_caption.append(-sum(scores[j] - total for j in right) / len(right))
    return sum(per_caption) / len(per_caption) if per_caption else 0.0


@given(st.integers(0, 2**32), st.lists(st.integers(0, 3), min_size=1, max_size=6), st.lists(st.integers(0, 3), max_size=5))
def test_captions_alike_is_what_its_definition_says(seed: int, batch: list[int], remembered: list[int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    offered = F.normalize(torch.randn(len(batch) + len(remembered), 8, generator=generator), dim=-1)
    texts = offered[: len(batch)].clone().requires_grad_()
    candidates = Candidates(offered, torch.tensor([*batch, *remembered]))
    loss = captions_alike(texts, torch.tensor(batch), candidates, 0.2)
    assert float(loss.detach()) == pytest.approx(slow_captions_alike(texts.detach(), batch, offered, [*batch, *remembered], 0.2), abs=1e-4)
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
        assert texts.grad is not None
        assert texts.grad.isfinite().all()
