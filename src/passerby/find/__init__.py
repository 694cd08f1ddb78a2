"""From files to an index, from questions to answers. The package is a function too: ``passerby.find(index, model, "a red jacket")``."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from passerby.find.answer import Answer
    from passerby.index.selection import Selection
    from passerby.index.sqlite.index import Index
    from passerby.media.picture import AnyPicture
    from passerby.model.encoder import Encoder
    from passerby.types import Box
    from passerby.words.filters import Filter


class _Callable(ModuleType):
    """A module of one name with a function: whichever is imported first, the name does both."""

    def __call__(
        self,
        index: Index,
        encoder: Encoder,
        words: str | None = None,
        k: int = 10,
        *,
        like: AnyPicture | None = None,
        filters: tuple[Filter, ...] = (),
        selection: Selection | None = None,
        min_probability: float | None = None,
        sure: float = 0.2,
        fold: bool = True,
        box: Box | None = None,
    ) -> Answer:
        """What :func:`passerby.find.answer.find` says."""
        from passerby.find.answer import find

        return find(
            index,
            encoder,
            words,
            k,
            like=like,
            filters=filters,
            selection=selection,
            min_probability=min_probability,
            sure=sure,
            fold=fold,
            box=box,
        )


sys.modules[__name__].__class__ = _Callable
