"""What a text tower is told to say of captions, so that it says of a few keywords what it says of a whole caption.

It is its own teacher, as in Furlanello et al., "Born-Again Neural Networks" (ICML 2018): what it said of the whole caption before is what
it learns to say of a shorter one, and, with what it said of the person's other captions, of the caption itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from passerby.learn.config import Told
from passerby.learn.objectives.cross_batch_memory import Candidates


@torch.no_grad()
def what_to_say(texts: Candidates, images: Candidates, how: Told) -> Tensor:
    """The vector of each caption, the mean of its person's others and that of the person's pictures, as weighted: ``float32 (c, d)``, of
    unit length.

    Args:
        texts: ``(c, d)``, what the tower says of all captions before it learns.
        images: ``(n, d)``, all pictures; they count by their difference from the mean of all, which no caption could tell apart.
    """
    people = int(torch.cat([texts.identities, images.identities]).max()) + 1
    sums, counts = _sums(texts.embeddings, texts.identities, people)
    others = (sums[texts.identities] - texts.embeddings) / (counts[texts.identities] - 1).clamp_min(1)[:, None]
    pictures, _ = _sums(images.embeddings - images.embeddings.mean(dim=0), images.identities, people)
    return F.normalize(texts.embeddings + how.person * others + how.pictures * F.normalize(pictures, dim=1)[texts.identities], dim=1)


def _sums(vectors: Tensor, identities: Tensor, people: int) -> tuple[Tensor, Tensor]:
    """The sum of each person's vectors, ``(p, d)``, and how many there are, ``(p,)``."""
    sums = vectors.new_zeros((people, vectors.shape[1])).index_add_(0, identities, vectors)
    return sums, torch.bincount(identities, minlength=people)
