"""A smaller token table: the pieces that the training words need, the most common ones, and every single character."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from passerby.learn.models.compact import CompactClip

COMMON = 12_000
"""Pieces at the head of MiniLM's vocabulary that stay in any case: BERT's is sorted by kind, then by how common a piece is in English."""
CONTINUES = "##"


def needed_pieces(tokenizer: bytes, texts: Collection[str]) -> list[int]:
    """The ids of the pieces that these texts or common English need, sorted; single characters are always among them.

    Args:
        tokenizer: a WordPiece ``tokenizer.json``.
    """
    document = json.loads(tokenizer)
    vocabulary: dict[str, int] = document["model"]["vocab"]
    special = {token["content"] for token in document["added_tokens"]}
    used = {i for encoding in Tokenizer.from_buffer(tokenizer).encode_batch(list(texts)) for i in encoding.ids}
    return sorted(i for piece, i in vocabulary.items() if piece in special or i in used or _stays(piece, i))


@torch.no_grad()
def with_pieces(model: CompactClip, tokenizer: bytes, kept: Sequence[int]) -> tuple[CompactClip, bytes]:
    """A copy of the model and of its ``tokenizer.json`` with these pieces alone; both as they are where that is all of them.

    Texts made of what stays get the same tokens, and so the same vectors, as before. A word whose piece is gone is spelt with shorter
    ones.

    Args:
        tokenizer: its ids are the rows of the model's token table.
        kept: as :func:`needed_pieces` gives them.
    """
    document = json.loads(tokenizer)
    vocabulary: dict[str, int] = document["model"]["vocab"]
    if len(kept) == len(vocabulary):
        return model, tokenizer
    document["model"]["vocab"] = _renumbered(vocabulary, kept)
    _renumber_special(document)

    smaller = copy.deepcopy(model)
    tower = smaller.text_tower
    tower.config = tower.config._replace(vocabulary=len(kept))
    tokens = nn.Embedding(len(kept), tower.config.width, device=tower.tokens.weight.device)
    tokens.weight = nn.Parameter(tower.tokens.weight[list(kept)].clone(), requires_grad=False)
    tower.tokens = tokens
    return smaller, json.dumps(document, ensure_ascii=False).encode()


def _stays(piece: str, i: int) -> bool:
    return (i < COMMON and not piece.startswith("[unused")) or len(piece.removeprefix(CONTINUES)) == 1


def _renumbered(vocabulary: dict[str, int], kept: Sequence[int]) -> dict[str, int]:
    pieces = {i: piece for piece, i in vocabulary.items()}
    return {pieces[old]: new for new, old in enumerate(kept)}


def _renumber_special(document: dict[str, Any]) -> None:
    """Special tokens are named by id in three more places of a ``tokenizer.json``."""
    number = document["model"]["vocab"]
    for token in document["added_tokens"]:
        token["id"] = number[token["content"]]
    for token in (document["post_processor"] or {}).get("special_tokens", {}).values():
        token["ids"] = [number[name] for name in token["tokens"]]
    if document["padding"]:
        document["padding"]["pad_id"] = number[document["padding"]["pad_token"]]
