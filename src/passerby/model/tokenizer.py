"""Words to token ids, by the ``tokenizer.json`` a bundle carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Encoding


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A batch of texts, padded to the longest.

    Args:
        input_ids: int64 (n, L).
        attention_mask: int64 (n, L), 1 for a token and 0 for padding.
        cut: how many tokens of each text were over the limit and left out.
        read: how many characters of each text were not.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    cut: tuple[int, ...]
    read: tuple[int, ...]


class Tokenizer:
    """A tokenizer that keeps at most ``max_tokens`` of a text, special tokens included.

    Raises:
        ModelError: ``data`` is not a ``tokenizer.json``.
    """

    def __init__(self, data: bytes, max_tokens: int) -> None:
        from tokenizers import Tokenizer as Backend

        try:
            self._backend = Backend.from_buffer(data)
            self._pad_id = (self._backend.padding or {}).get("pad_id", 0)
            self._backend.no_padding()
            special = self._backend.num_special_tokens_to_add(is_pair=False)
        except Exception as error:  # the library raises plain Exception
            raise _unusable("a tokenizer.json", " ".join(str(error).split())) from None
        if special >= max_tokens:
            raise _unusable("max_tokens to leave room for a word", f"{max_tokens} with {special} special tokens")
        self._backend.enable_truncation(max_tokens)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens of at least one text, in order; a character that is not Unicode counts as ``?``."""
        encodings = [self._backend.encode(unicode_only(text)) for text in texts]
        longest = max(1, *(len(encoding.ids) for encoding in encodings))
        input_ids = np.full((len(texts), longest), self._pad_id, np.int64)
        attention_mask = np.zeros((len(texts), longest), np.int64)
        for row, encoding in enumerate(encodings):
            input_ids[row, : len(encoding.ids)] = encoding.ids
            attention_mask[row, : len(encoding.ids)] = 1
        cut = tuple(map(tokens_cut, encodings))
        read = tuple(characters_read(text, encoding) for text, encoding in zip(texts, encodings, strict=True))
        return Tokens(input_ids, attention_mask, cut, read)


def unicode_only(text: str) -> str:
    """A text with ``?`` for each character that is not Unicode."""
    return text.encode("utf-8", "replace").decode()


def tokens_cut(encoding: Encoding) -> int:
    """How many tokens of a text were over the limit and left out."""
    return sum(part.special_tokens_mask.count(0) for part in encoding.overflowing)


def characters_read(text: str, encoding: Encoding) -> int:
    """How many characters of a text were not."""
    return max((end for _, end in encoding.offsets), default=0) if tokens_cut(encoding) else len(text)


def _unusable(expected: str, found: str) -> ModelError:
    return ModelError(expected=expected, found=found, do="get the bundle again, or export it again")
