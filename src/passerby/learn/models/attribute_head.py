"""The head of an image tower that says what is worn, of whatever kind the tower is; and where a person's parts are pooled for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from passerby.errors import ModelError
from passerby.learn.models.folding import fold_into

ATTRIBUTES: Final = "attributes"
"""The names of attributes as a JSON list, in the metadata of the file that holds the head's weights."""
STRIPES: Final = 4
"""Parts of a person's height that are pooled by themselves: about head, upper body, legs and feet."""


def striped_means(features: Tensor, stripes: int) -> Tensor:
    """``(n, c, h, w)`` to ``(n, (1 + stripes) * c)``: the mean over the whole and over each horizontal stripe, from the top, as in Sun et
    al., "Beyond Part Models" (ECCV 2018). Stripes share a row where ``h`` cannot be divided."""
    rows = features.mean(dim=3)
    height = rows.shape[2]
    bounds = [(0, height), *((i * height // stripes, -(-(i + 1) * height // stripes)) for i in range(stripes))]
    return torch.cat([rows[:, :, first:end].mean(dim=2) for first, end in bounds], dim=1)


class AttributeHead(nn.Module):
    """What is worn, read from the stripes: a logistic regression for each of ``count`` attributes on the pooled means.

    Args:
        inputs: how many means there are.
    """

    def __init__(self, inputs: int, count: int) -> None:
        super().__init__()
        self.norm: nn.Module = nn.BatchNorm1d(inputs, affine=False)
        self.dropout = nn.Dropout(0.0)
        self.projection = nn.Linear(inputs, count)

    @property
    def count(self) -> int:
        return self.projection.out_features

    def forward(self, means: Tensor) -> Tensor:
        """``float32 (n, inputs)`` to the log-odds ``(n, count)``."""
        log_odds: Tensor = self.projection(self.dropout(self.norm(means)))
        return log_odds

    @torch.no_grad()
    def settle(self, means: Tensor) -> None:
        """Give the batch norm the statistics of these means, ``(n, inputs)``."""
        if isinstance(self.norm, nn.BatchNorm1d):
            variance, mean = torch.var_mean(means.float(), dim=0, correction=0)
            set_statistics(self.norm, mean, variance)

    @torch.no_grad()
    def fold(self) -> None:
        """Make the batch norm part of the projection, in place."""
        if isinstance(self.norm, nn.BatchNorm1d):
            fold_into(self.norm, self.projection)
            self.norm = nn.Identity()


def set_statistics(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Let a batch norm know these of its channels, in place."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


def metadata(names: Sequence[str]) -> dict[str, str] | None:
    """What a file of weights says of the attributes that they know; ``None`` where there are none."""
    return {ATTRIBUTES: json.dumps(list(names))} if names else None


def names_in(weights: Path) -> list[str]:
    """The names of attributes in a file of weights; none of a model without attributes. Raises what safetensors and JSON raise."""
    with safe_open(weights, "pt") as file:
        return [str(name) for name in json.loads((file.metadata() or {}).get(ATTRIBUTES, "[]"))]


def save_head(file: Path, head: AttributeHead, names: Sequence[str]) -> None:
    """Write a folded head by itself, with the names of its attributes. Raises ``OSError``."""
    file.write_bytes(save({name: tensor.contiguous() for name, tensor in head.state_dict().items()}, metadata(names)))


def read_head(file: Path, inputs: int) -> tuple[AttributeHead, list[str]]:
    """What :func:`save_head` wrote, for a tower that pools so many means. Raises ``ModelError`` for anything else."""
    try:
        names = names_in(file)
        if not names:
            raise ValueError("no names of attributes")
        head = AttributeHead(inputs, len(names))
        head.fold()
        head.load_state_dict(load_file(file))
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(
            expected=f"a head for attributes of {inputs} means in {file}",
            found=f"none that can be read ({' '.join(str(error).split())[:200]})",
            do="get the model again, or fit it again with `passerby finetune --attributes`",
        ) from None
    return head, names
