"""What the towers are trained to do, as small functions and one small module.

Embeddings are ``float32 (n, d)`` of unit length, pair ``i`` at row ``i`` of both; identities are ``int64 (n,)``. All losses are means in
nats and are computed in float32 whatever the towers' precision.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-8


def matching_distribution(identities: Tensor) -> Tensor:
    """``float32 (n, n)``: for each row, equal shares for every column of the same identity."""
    same = (identities[:, None] == identities[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def info_nce(images: Tensor, texts: Tensor, identities: Tensor, temperature: float) -> Tensor:
    """Contrastive cross-entropy in both directions, every pair of one identity a positive.

    Oord et al., "Representation Learning with Contrastive Predictive Coding" (2018), with the several positives of Khosla et al.,
    "Supervised Contrastive Learning" (NeurIPS 2020, the sum outside the logarithm).
    """
    target = matching_distribution(identities)
    logits = images @ texts.T / temperature
    forward = -(target * logits.log_softmax(dim=1)).sum(dim=1)
    backward = -(target * logits.T.log_softmax(dim=1)).sum(dim=1)
    return (forward.mean() + backward.mean()) / 2


def similarity_distribution_matching(images: Tensor, texts: Tensor, identities: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the matching distribution to the softmax of the similarities, both directions.

    Jiang and Ye, "Cross-Modal Implicit Relation Reasoning and Aligning" (CVPR 2023), equations 5 to 7. Being the divergence of the
    prediction from the labels, it punishes similarity to strangers more than it rewards similarity to oneself.
    """
    log_target = (matching_distribution(identities) + EPSILON).log()
    logits = images @ texts.T / temperature

    def divergence(scores: Tensor) -> Tensor:
        log_prediction = scores.log_softmax(dim=1)
        return (log_prediction.exp() * (log_prediction - log_target)).sum(dim=1).mean()

    return divergence(logits) + divergence(logits.T)


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
