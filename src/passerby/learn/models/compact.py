"""The two towers of ``passerby-s`` in torch: EfficientNet-Lite0 for pixels, MiniLM-L6 for words.

The image tower follows Tan and Le, "EfficientNet" (ICML 2019), in its Lite form: ReLU6, no squeeze-and-excitation, TensorFlow's
"same" padding. The text tower is a BERT encoder (Devlin et al., NAACL 2019) in the size of MiniLM (Wang et al., NeurIPS 2020).
Pooling over pixels is the generalised mean of Radenovic et al. (TPAMI 2018), of the whole picture and of horizontal stripes as in Sun
et al., "Beyond Part Models" (ECCV 2018); the batch norm before the projection is the neck of Luo et al., "Bag of Tricks" (CVPRW 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from passerby.errors import ConfigError
from passerby.learn.config import SMALLEST_SIDE
from passerby.learn.models.attribute_head import STRIPES, AttributeHead, metadata, striped_means
from passerby.learn.models.base import Size
from passerby.learn.models.dual_encoder import DualEncoder, PoolingTower, Seen
from passerby.learn.models.folding import fold_into
from passerby.learn.models.lite0 import LITE0_BLOCKS, STEM_CHANNELS, ConvNorm, InvertedResidual, Skip
from passerby.model.preprocess import Preprocessing

EMBEDDING_SIZE = 512
WEIGHTS: Final = "model.safetensors"
"""The file of its weights, by their names in ``state_dict``, and of the names of its attributes."""
WORN_WEIGHT: Final = "image_tower.worn.projection.weight"
"""The name of the weight that has a row for each attribute."""
WORN_MEAN: Final = "image_tower.worn.norm.running_mean"
"""The name of what the head's batch norm knows, where it is not part of that weight."""


HEAD_CHANNELS = 1280


def at_size(preprocessing: Preprocessing, size: Size | None) -> Preprocessing:
    """What a compact model's image tower is shown, at another size where one is named. Raises ``ConfigError`` for one too small for it."""
    if size is None:
        return preprocessing
    if min(size) < SMALLEST_SIDE:
        found = f"{size.height}x{size.width}"
        raise ConfigError(expected=f"a height and width from {SMALLEST_SIDE} for this model", found=found, do="correct --size")
    return replace(preprocessing, height=size.height, width=size.width)


class ImageTower(PoolingTower):
    """``float32 (n, 3, h, w)`` pixels, normalised as the bundle's preprocessing says, to ``float32 (n, 512)``, not yet of unit length;
    with a head for so many ``attributes``, to :class:`Seen`: that and their log-odds."""

    def __init__(self, dim: int = EMBEDDING_SIZE, stripes: int = STRIPES, attributes: int = 0) -> None:
        super().__init__()
        self.stripes = stripes
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, 2)
        blocks, width = [], STEM_CHANNELS
        for run in LITE0_BLOCKS:
            for i in range(run.repeats):
                stride = run.stride if i == 0 else 1
                blocks.append(InvertedResidual(width, run.channels, run.kernel, stride, run.expansion))
                width = run.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(width, HEAD_CHANNELS)
        self.neck: nn.Module = nn.BatchNorm1d((1 + stripes) * HEAD_CHANNELS)
        self.projection = nn.Linear((1 + stripes) * HEAD_CHANNELS, dim)
        self.worn = AttributeHead((1 + stripes) * HEAD_CHANNELS, attributes) if attributes else None

    @property
    def folded(self) -> bool:
        """Whether its batch norms are part of its convolutions, as :func:`fold_batch_norm` leaves it."""
        return not isinstance(self.neck, nn.BatchNorm1d)

    def forward(self, pixels: Tensor) -> Tensor | Seen:
        means = self.pool(pixels)
        vectors = self.embed(means)
        return vectors if self.worn is None else Seen(vectors, self.worn(means))

    @property
    def pooled(self) -> int:
        return self.projection.in_features

    def pool(self, pixels: Tensor) -> Tensor:
        """The :func:`generalised_means` of the last feature map."""
        return generalised_means(self.head(self.blocks(self.stem(pixels))), self.stripes)

    def embed(self, means: Tensor) -> Tensor:
        """What :meth:`pool` gives to vectors ``(n, dim)``, not yet of unit length."""
        projected: Tensor = self.projection(self.neck(means))
        return projected


def generalised_means(features: Tensor, stripes: int, epsilon: float = 1e-6) -> Tensor:
    """``(n, c, h, w)`` of non-negative features to ``float32 (n, (1 + stripes) * c)``: the cube root of the mean of cubes over the whole
    and over each horizontal stripe, as :func:`~passerby.learn.models.attribute_head.striped_means` has them."""
    x = features.float()
    return striped_means(x * x * x, stripes).add(epsilon).pow(1 / 3)


HEAD_WIDTH = 32
"""Of each attention head, as in MiniLM."""


class TextConfig(NamedTuple):
    """The size of a BERT encoder; the defaults are MiniLM-L6's."""

    vocabulary: int = 30522
    width: int = 384
    layers: int = 6
    feed_forward: int = 1536
    positions: int = 128


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = (f(x).view(n, length, -1, HEAD_WIDTH).transpose(1, 2) for f in (self.query, self.key, self.value))
        scores = (q * HEAD_WIDTH**-0.5) @ k.transpose(2, 3) + bias
        mixed = scores.softmax(dim=-1) @ v
        attended: Tensor = self.out(mixed.transpose(1, 2).reshape(n, length, width))
        return attended


class TextLayer(nn.Module):
    """A post-norm transformer layer, as in BERT."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width)
        self.attention_norm = nn.LayerNorm(config.width, eps=1e-12)
        self.fc1 = nn.Linear(config.width, config.feed_forward)
        self.fc2 = nn.Linear(config.feed_forward, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, bias)))
        y: Tensor = self.norm(x + self.dropout(self.fc2(F.gelu(self.fc1(x)))))
        return y


MASKED = -1e4
"""Added to the attention scores of padding: finite, so that float16 engines keep it."""


class TextTower(nn.Module):
    """``int64 (n, length)`` token ids and their mask (1 = a token) to ``float32 (n, 512)``, not yet of unit length.

    A sentence is the projected mean of its tokens plus the maximum over tokens of a second projection: the whole, and its telling words.
    """

    def __init__(self, config: TextConfig | None = None, dim: int = EMBEDDING_SIZE) -> None:
        super().__init__()
        self.config = config or TextConfig()
        self.tokens = nn.Embedding(self.config.vocabulary, self.config.width)
        self.positions = nn.Embedding(self.config.positions, self.config.width)
        self.norm = nn.LayerNorm(self.config.width, eps=1e-12)
        self.layers = nn.ModuleList(TextLayer(self.config) for _ in range(self.config.layers))
        self.mean_projection = nn.Linear(self.config.width, dim)
        self.max_projection = nn.Linear(self.config.width, dim)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        present = mask.unsqueeze(-1).to(torch.float32)
        bias = ((1.0 - present) * MASKED).squeeze(-1)[:, None, None, :]
        x = self.norm(self.tokens(ids) + self.positions.weight[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, bias)
        mean = (x.float() * present).sum(dim=1) / present.sum(dim=1)
        peaks = (self.max_projection(x).float() + (1.0 - present) * MASKED).amax(dim=1)
        projected: Tensor = self.mean_projection(mean) + peaks
        return projected


class CompactClip(DualEncoder):
    """Both towers of ``passerby-s``, into one space of unit vectors.

    Args:
        attributes: names of what the image tower says of what is worn; none by default.
    """

    architecture = "compact"
    image_tower: ImageTower
    text_tower: TextTower

    def __init__(
        self, text: TextConfig | None = None, dim: int = EMBEDDING_SIZE, stripes: int = STRIPES, attributes: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.attributes = tuple(attributes)
        self.image_tower = ImageTower(dim, stripes, len(self.attributes))
        self.text_tower = TextTower(text, dim)

    @property
    def dim(self) -> int:
        return self.image_tower.projection.out_features

    @property
    def adaptable(self) -> nn.Module:
        return self

    def exportable(self) -> CompactClip:
        return fold_batch_norm(self)

    def save(self, folder: Path) -> None:
        weights = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        (folder / WEIGHTS).write_bytes(save(weights, metadata(self.attributes)))

    def set_head(self, head: AttributeHead) -> None:
        self.image_tower.worn = head

    def place(self, device: torch.device) -> None:
        self.to(device)
        self.image_tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def drop_out(model: CompactClip, text: float, skip: float, attributes: float = 0.0) -> None:
    """Set how much is left out while training, in place.

    Args:
        text: share of what each half of a text layer adds (Srivastava et al., "Dropout", JMLR 2014).
        skip: chance that the last residual block of the image tower is skipped; it grows evenly from 0 at the first.
        attributes: share of the means that their head reads.
    """
    if model.image_tower.worn is not None:
        model.image_tower.worn.dropout.p = attributes
    for dropout in (m for m in model.text_tower.modules() if isinstance(m, nn.Dropout)):
        dropout.p = text
    skips = [m for m in model.image_tower.modules() if isinstance(m, Skip)]
    for i, branch in enumerate(skips):
        branch.p = skip * i / (len(skips) - 1)


def build_like(weights: Mapping[str, Tensor], attributes: Sequence[str] = ()) -> CompactClip:
    """A model with the shapes of these weights, which have their names in its ``state_dict``; folded if they are. It is untrained.

    Args:
        attributes: the names of what the image tower says, one for each row of its head.

    Raises:
        KeyError: weights of another architecture.
        ValueError: a head for another number of attributes.
    """
    rows = len(weights[WORN_WEIGHT]) if WORN_WEIGHT in weights else 0
    if rows != len(attributes):
        raise ValueError(f"{len(attributes)} names for the {rows} attributes of its head")
    vocabulary, width = weights["text_tower.tokens.weight"].shape
    text = TextConfig(
        vocabulary=vocabulary,
        width=width,
        layers=sum(name.endswith(".fc1.weight") for name in weights),
        feed_forward=weights["text_tower.layers.0.fc1.weight"].shape[0],
        positions=weights["text_tower.positions.weight"].shape[0],
    )
    dim, pooled = weights["image_tower.projection.weight"].shape
    model = CompactClip(text, dim, pooled // HEAD_CHANNELS - 1, attributes)
    if "image_tower.stem.conv.bias" in weights:
        return fold_batch_norm(model)
    if model.image_tower.worn is not None and WORN_MEAN not in weights:
        model.image_tower.worn.fold()
    return model


@torch.no_grad()
def fold_batch_norm(model: CompactClip) -> CompactClip:
    """A copy in evaluation mode whose batch norms are part of the convolutions and of the projections before or after them.

    The copy computes the same function. It is the form that is exported, and the form in which weights of record come back.
    """
    folded = copy.deepcopy(model).eval().requires_grad_(False)
    tower = folded.image_tower
    for layer in tower.modules():
        if isinstance(layer, ConvNorm):
            layer.fold()
    if isinstance(tower.neck, nn.BatchNorm1d):
        fold_into(tower.neck, tower.projection)
        tower.neck = nn.Identity()
    if tower.worn is not None:
        tower.worn.fold()
    return folded
