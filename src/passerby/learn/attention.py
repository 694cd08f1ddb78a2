"""Where both towers look when they compare a picture with words.

For a CLIP: Chefer et al., "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers" (ICCV 2021).
What a layer attends to counts as far as it makes this very pair more similar, and what reaches the last layer is followed back through all
of them; attention alone (Abnar and Zuidema, ACL 2020) would show the same picture whatever the words are.

A compact model's image tower is convolutional and has no attention. There, and for its words, the cosine is taken apart instead: its
pooling is such that what each place and each token brings adds up to it (Draelos and Carin, "HiResCAM", 2020).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import singledispatch
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Encoding
from torch import Tensor
from torch.nn import functional as F

from passerby.draw.heatmap import Relevance, Word
from passerby.errors import QueryError
from passerby.learn.models.base import Base
from passerby.learn.models.clip import Clip
from passerby.learn.models.compact import CompactClip
from passerby.learn.models.dual_encoder import DualEncoder
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.model.preprocess import preprocess

WORDS: Final = re.compile(r"\S+")
OF_CLIP: Final = "attention of all layers, weighted by how much it raises this similarity (Chefer et al. 2021)"
OF_COMPACT: Final = (
    "no attention: this image tower is convolutional; shown is how much each place and word adds to the similarity (as HiResCAM, 2020)"
)


class Parts(NamedTuple):
    """What brings a picture and a text together.

    Args:
        similarity: their cosine.
        places: float32 (rows, columns), from the top left; in no unit, below zero where a place speaks against the words.
        tokens: float32 (n,), the same for each token, special ones included.
        method: how they were found, for people.
    """

    similarity: float
    places: Tensor
    tokens: Tensor
    method: str


def look(base: Base, picture: Image.Image, text: str) -> Relevance:
    """Which places of a picture and which words of a text make the two similar to a model.

    Args:
        base: is used up: it keeps gradients afterwards, and a CLIP computes its attention step by step.
        picture: RGB.

    Raises:
        QueryError: no words.
    """
    if not text.strip():
        raise QueryError(expected="words to look for", found=repr(text), do="say what the person wears")
    encoding = load_tokenizer(base.tokenizer, base.max_tokens).encode(text)
    pixels = torch.from_numpy(preprocess(picture, base.preprocessing)[None])
    ids = torch.tensor([encoding.ids])
    base.model.requires_grad_(True)
    found = parts(base.model, pixels, ids)
    return Relevance(
        model=base.name,
        method=found.method,
        similarity=found.similarity,
        places=shares(found.places.numpy()),
        words=by_word(text, encoding, found.tokens.tolist()),
    )


@singledispatch
def parts(model: DualEncoder, pixels: Tensor, ids: Tensor) -> Parts:
    """What brings a picture, ``float32 (1, 3, h, w)``, and a text, ``int64 (1, length)``, together, as this kind of model lets one see."""
    raise NotImplementedError(f"where a model of the kind {model.architecture} looks")


@parts.register
def parts_of_clip(model: Clip, pixels: Tensor, ids: Tensor) -> Parts:
    """``float32 (1, 3, h, w)`` and ``int64 (1, length)``: the row of the class token over patches, and of the text's end over tokens."""
    clip = model.clip
    clip.set_attn_implementation("eager")
    seen = clip.vision_model(pixel_values=pixels, output_attentions=True)
    said = clip.text_model(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True)
    images, texts = clip.visual_projection(seen.pooler_output), clip.text_projection(said.pooler_output)
    similarity = F.cosine_similarity(images, texts).sum()
    gradients = torch.autograd.grad(similarity, [*seen.attentions, *said.attentions])
    layers = len(seen.attentions)
    of_image = propagated(seen.attentions, gradients[:layers])
    of_text = propagated(said.attentions, gradients[layers:])
    side = clip.config.vision_config.patch_size
    places = of_image[0, 1:].reshape(pixels.shape[2] // side, pixels.shape[3] // side)
    return Parts(float(similarity.detach()), places, of_text[-1], OF_CLIP)


@torch.no_grad()
def propagated(attentions: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """What every token of the last layer owes to every token of the first: ``float32 (n, n)``, non-negative; equations 5 and 6.

    Args:
        attentions: of each layer, the first one first, ``(1, heads, n, n)``, rows of softmax.
        gradients: of what is explained, with respect to each.
    """
    relevance = torch.eye(attentions[0].shape[-1])
    for attention, gradient in zip(attentions, gradients, strict=True):
        raising = (attention * gradient).clamp(min=0).mean(dim=1)[0]
        relevance = relevance + raising @ relevance
    return relevance


@parts.register
def parts_of_compact(model: CompactClip, pixels: Tensor, ids: Tensor) -> Parts:
    """What each place of the last feature map and each token of the last layer adds to the cosine, lengths held fixed.

    Generalised means, means and maxima grow in proportion to what they pool, so by Euler's theorem activation times gradient adds up to
    the cosine but for what the projections' biases and the floor under the means bring.
    """
    kept: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda *call: kept.append(call[-1])) for layer in (model.image_tower.head, model.text_tower.layers[-1])
    ]
    try:
        tower = model.image_tower
        images, texts = tower.embed(tower.pool(pixels)), model.text_tower(ids, torch.ones_like(ids))
    finally:
        for hook in hooks:
            hook.remove()
    similarity = ((images / images.detach().norm()) * (texts / texts.detach().norm())).sum()
    features, states = kept
    of_features, of_states = torch.autograd.grad(similarity, kept)
    places, tokens = (features * of_features).sum(dim=1)[0], (states * of_states).sum(dim=2)[0]
    return Parts(float(similarity.detach()), places.detach(), tokens.detach(), OF_COMPACT)


def shares(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """What speaks for the pair, as non-negative shares that add up to 1; zeros where nothing does."""
    positive = np.maximum(parts, 0, dtype=np.float64)
    total = positive.sum()
    share: NDArray[np.float32] = (positive / total if total > 0 else positive).astype(np.float32)
    return share


def by_word(text: str, encoding: Encoding, tokens: Sequence[float]) -> tuple[Word, ...]:
    """The words between spaces that the model read, with the shares of their tokens added up; special tokens are left out."""
    spans = [(match.start(), match.end()) for match in WORDS.finditer(text)]
    sums = dict.fromkeys(spans, 0.0)
    read = set()
    for (start, _), special, part in zip(encoding.offsets, encoding.special_tokens_mask, tokens, strict=True):
        span = next((span for span in spans if span[0] <= start < span[1]), None)
        if span and not special:
            sums[span] += max(part, 0.0)
            read.add(span)
    kept = [span for span in spans if span in read]
    of_kept = shares(np.array([sums[span] for span in kept], np.float32))
    return tuple(Word(text[start:end], float(share)) for (start, end), share in zip(kept, of_kept, strict=True))
