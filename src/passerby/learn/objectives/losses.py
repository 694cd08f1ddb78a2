"""What the towers are trained to do, as small functions and one small module.

Embeddings are ``float32 (n, d)`` of unit length, pair ``i`` at row ``i`` of both; identities are ``int64 (n,)``. All losses are means in
nats and are computed in float32 whatever the towers' precision.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from passerby.learn.config import Losses
from passerby.learn.objectives.cross_batch_memory import Candidates, Pairs

EPSILON = 1e-8


def matching_distribution(identities: Tensor, candidates: Tensor) -> Tensor:
    """``float32 (n, m)`` from ``int64 (n,)`` and ``int64 (m,)``: for each row, equal shares for every column of the same identity."""
    same = (identities[:, None] == candidates[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def info_nce(batch: Pairs, images: Candidates, texts: Candidates, temperature: float) -> Tensor:
    """Contrastive cross-entropy in both directions, every candidate of one identity a positive.

    Oord et al., "Representation Learning with Contrastive Predictive Coding" (2018), with the several positives of Khosla et al.,
    "Supervised Contrastive Learning" (NeurIPS 2020, the sum outside the logarithm).

    Args:
        images, texts: what each caption and what each picture of the batch is compared with; among them somebody of each identity.
    """

    def cross_entropy(asked: Tensor, offered: Candidates) -> Tensor:
        target = matching_distribution(batch.identities, offered.identities)
        return -(target * (asked @ offered.embeddings.T / temperature).log_softmax(dim=1)).sum(dim=1).mean()

    return (cross_entropy(batch.images, texts) + cross_entropy(batch.texts, images)) / 2


def captions_alike(texts: Tensor, identities: Tensor, offered: Candidates, temperature: float) -> Tensor:
    """Cross-entropy of finding, by a caption, the other captions of its person among captions; 0 where nobody has another.

    Two people word the same picture differently; here the words alone learn what both meant. Khosla et al., "Supervised Contrastive
    Learning" (NeurIPS 2020).

    Args:
        offered: the batch's captions first, in its order, then others; none is compared with itself.
    """
    itself = torch.zeros((len(texts), len(offered.identities)), dtype=torch.bool, device=texts.device)
    itself.fill_diagonal_(True)
    same = (identities[:, None] == offered.identities[None, :]) & ~itself
    has_another = same.any(dim=1)
    if not has_another.any():
        return texts.new_zeros(())
    logits = (texts @ offered.embeddings.T / temperature).masked_fill(itself, -torch.inf)[has_another]
    target = same[has_another].float()
    likelihood = logits.log_softmax(dim=1).masked_fill(target == 0, 0.0)
    return -(target / target.sum(dim=1, keepdim=True) * likelihood).sum(dim=1).mean()


def similarity_distribution_matching(batch: Pairs, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the matching distribution to the softmax of the similarities, both directions.

    Jiang and Ye, "Cross-Modal Implicit Relation Reasoning and Aligning" (CVPR 2023), equations 5 to 7. Being the divergence of the
    prediction from the labels, it punishes similarity to strangers more than it rewards similarity to oneself.
    """
    log_target = (matching_distribution(batch.identities, batch.identities) + EPSILON).log()
    logits = batch.images @ batch.texts.T / temperature

    def divergence(scores: Tensor) -> Tensor:
        log_prediction = scores.log_softmax(dim=1)
        return (log_prediction.exp() * (log_prediction - log_target)).sum(dim=1).mean()

    return divergence(logits) + divergence(logits.T)


def swapped_colours(images: Tensor, texts: Tensor, swapped: Tensor, swapped_from: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of choosing, for a picture, its own caption over the same caption with two colours exchanged; 0 where there is none.

    Hard negatives as in Yuksekgonul et al., "When and Why Vision-Language Models Behave like Bags-of-Words" (ICLR 2023), one against one.

    Args:
        swapped: ``float32 (m, d)``.
        swapped_from: ``int64 (m,)``, the row of the pair that each was made from.
    """
    if not len(swapped_from):
        return images.new_zeros(())
    lead = ((texts[swapped_from] - swapped) * images[swapped_from]).sum(dim=1)
    return F.softplus(-lead / temperature).mean()


def pair_losses(
    weights: Losses, pairs: Pairs, images: Candidates, texts: Candidates, swapped: Tensor, swapped_from: Tensor
) -> dict[str, Tensor]:
    """Each loss that pairs alone have, by its name in ``weights`` and times its weight there.

    Args:
        images, texts: candidates, as :func:`info_nce` takes them.
        swapped, swapped_from: as :func:`swapped_colours` takes them.
    """
    against_swapped = swapped_colours(pairs.images, pairs.texts, swapped, swapped_from, weights.swapped_colours_temperature)
    return {
        "sdm": weights.sdm * similarity_distribution_matching(pairs, weights.sdm_temperature),
        "info_nce": weights.info_nce * info_nce(pairs, images, texts, weights.info_nce_temperature),
        "swapped_colours": weights.swapped_colours * against_swapped,
    }


def worn(log_odds: Tensor, labels: Tensor, unsaid: float) -> Tensor:
    """Binary cross-entropy of attributes, a mean over what counts; 0 where nothing does.

    Captions leave out most of what people wear, so what is not said is weak evidence: Cole et al., "Multi-Label Learning from Single
    Positive Labels" (CVPR 2021).

    Args:
        log_odds, labels: ``float32 (n, a)``; a label is 1 where captions say that it is worn, 0 where not, NaN where they say nothing.
        unsaid: how much the latter count, as not worn, beside the 1 of what is said.
    """
    weights = torch.where(labels.isnan(), unsaid, 1.0)
    losses = F.binary_cross_entropy_with_logits(log_odds, labels.nan_to_num(0.0), weights, reduction="sum")
    return losses / weights.sum().clamp_min(EPSILON)


def worn_as_before(log_odds: Tensor, before: Tensor) -> Tensor:
    """Cross-entropy to the probabilities that a model gave of the same pictures before it learnt further; Li and Hoiem, "Learning without
    Forgetting" (TPAMI 2018). Both ``float32 (n, a)``; 0 for a model without attributes."""
    return F.binary_cross_entropy_with_logits(log_odds, before.sigmoid()) if before.numel() else log_odds.new_zeros(())


def distance(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine, row by row, to what the teacher says of the same thing; Yang et al., "CLIP-KD" (CVPR 2024), found that
    this one loss, the plainest, teaches most."""
    return 1 - (student * teacher).sum(dim=1).mean()


def affinity(student: Tensor, offered: Tensor, teacher: Tensor, offered_by_teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from whom the teacher finds to whom the student finds; Wu et al., "TinyCLIP" (ICCV 2023), equation 2.

    Args:
        student, teacher: ``(n, d)``, what both say of the same pictures, or of the same captions.
        offered, offered_by_teacher: ``(m, d)``, what both say of the same candidates of the other kind.
    """
    wanted = (teacher @ offered_by_teacher.T / temperature).log_softmax(dim=1)
    found = (student @ offered.T / temperature).log_softmax(dim=1)
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True)


class IdentityLoss(nn.Module):
    """Cross-entropy over identities by cosine to one learned prototype each, shared by pictures and words.

    Zheng et al., "Dual-Path Convolutional Image-Text Embeddings" (TOMM 2020), with the normalised softmax of Wang et al., "NormFace"
    (ACM MM 2017).
    """

    def __init__(self, identities: int, dim: int, scale: float) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(identities, dim) * dim**-0.5)
        self.scale = scale

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        logits = self.scale * embeddings @ F.normalize(self.prototypes, dim=-1).T
        return F.cross_entropy(logits, identities)
