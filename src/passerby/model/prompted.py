"""A model that is asked with templates around the words, as CLIP is best asked before it has learned how people describe people.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021), section 3.1.4: a sentence like those
that the model was trained on finds more than the bare words, and the mean of several sentences more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ConfigError
from passerby.model.calibration import Calibration
from passerby.model.encoder import Encoder, unit_vectors
from passerby.model.wrapped import WrappedEncoder

PLACE: Final = "{}"
"""Stands for the words in a template."""


class PromptedEncoder(WrappedEncoder):
    """An encoder whose texts are put into templates, such as ``a photo of a person wearing {}``; pictures stay as they are.

    A text's vector is the mean of what the templates give, scaled to length 1.

    Raises:
        ConfigError: no template, or one without exactly one ``{}``.
    """

    def __init__(self, encoder: Encoder, templates: Sequence[str]) -> None:
        for template in templates or ("",):
            if template.count(PLACE) != 1:
                raise ConfigError(expected=f"a prompt with one {PLACE} for the words", found=repr(template), do="correct --prompts")
        super().__init__(encoder)
        self._templates = tuple(templates)

    @property
    def name(self) -> str:
        return f"{self._encoder.name}, asked {', '.join(repr(template) for template in self._templates)}"

    @property
    def calibration(self) -> Calibration | None:
        """None: what was measured of the bare words says nothing about these."""
        return None

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        asked = [self._encoder.embed_texts([_put(text, template) for text in texts]) for template in self._templates]
        mean: NDArray[np.float32] = np.mean(asked, axis=0, dtype=np.float32)
        return unit_vectors(mean, (len(texts), self.dim))

    def tokens_cut(self, text: str) -> int:
        """How many tokens at the end of a text, in the template that has least room for it, are over the model's limit."""
        cut = super().tokens_cut
        return max(cut(_put(text, template)) for template in self._templates)

    def characters_read(self, text: str) -> int:
        """How many characters of a text are within it in that template."""
        read = super().characters_read
        return max(0, min(len(text), *(read(_put(text, template)) - template.index(PLACE) for template in self._templates)))


def _put(text: str, template: str) -> str:
    return template.replace(PLACE, text)
