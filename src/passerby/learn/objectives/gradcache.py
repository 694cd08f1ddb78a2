"""The gradient of a loss over a large batch, in the memory of a small one.

A contrastive loss needs all embeddings of a batch at once, but not everything the towers computed on the way there. Gao et al., "Scaling
Deep Contrastive Learning Batch Size under Memory Limited Setup" (RepL4NLP 2021): embed the batch in chunks and forget how; take the
loss's gradient with respect to the embeddings; then embed each chunk once more, with the same luck, and pass its share of that gradient
on. The result is the gradient of the plain step, for one more forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

Chunk = Callable[[], Tensor]
"""Embeds a part of the batch, ``float32 (n, d)``, in the same way each time but for the luck of dropout."""


def cached_backward(chunks: Sequence[Chunk], loss: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """Add the gradient of a loss over all chunks to the parameters, as ``loss(cat(chunks)).backward()`` would.

    Args:
        chunks: those of a tower in which nothing learns have no gradient to pass on.
        loss: of the embeddings of all chunks, one below the other; any parameter of its own gets its gradient too.

    Returns:
        The loss, without gradient. Where it is not finite nothing is passed on to what the chunks are made of.
    """
    luck, parts = [], []
    with torch.no_grad():
        for chunk in chunks:
            luck.append(_luck(device))
            parts.append(chunk())
    embeddings = torch.cat(parts).requires_grad_()
    value = loss(embeddings)
    if not value.isfinite():
        return value.detach()
    value.backward()  # type: ignore[no-untyped-call]
    assert embeddings.grad is not None
    for chunk, state, gradient in zip(chunks, luck, torch.split(embeddings.grad, [len(part) for part in parts]), strict=True):
        with _with_luck(state, device):
            if (part := chunk()).requires_grad:
                part.backward(gradient)  # type: ignore[no-untyped-call]
    return value.detach()


def plain_backward(chunks: Sequence[Chunk], loss: Callable[[Tensor], Tensor]) -> Tensor:
    """The same for what fits into memory at once, without the second look at it."""
    value = loss(torch.cat([chunk() for chunk in chunks]))
    if value.isfinite():
        value.backward()  # type: ignore[no-untyped-call]
    return value.detach()


def _luck(device: torch.device) -> tuple[Tensor, ...]:
    """Where the generators that dropout draws from stand."""
    return (torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else []))


@contextmanager
def _with_luck(state: tuple[Tensor, ...], device: torch.device) -> Iterator[None]:
    """Within the block the generators go on from there; afterwards from where they stood."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.set_rng_state(state[0])
        for cuda in state[1:]:
            torch.cuda.set_rng_state(cuda, device)
        yield
