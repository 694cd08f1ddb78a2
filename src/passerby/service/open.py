"""A service by the place of its index, made where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from passerby.index.local import service_folder
from passerby.index.open import create_index, open_index
from passerby.model.encoder import Encoder
from passerby.places import IndexPlace
from passerby.service.private import private_folder
from passerby.service.security import Listening
from passerby.service.service import Service


@contextmanager
def open_service(place: IndexPlace, encoder: Encoder, listening: Listening, *, make: bool, **how: Any) -> Iterator[Service]:
    """The service of an index, which is open for the time of the block.

    Args:
        make: make the index where there is none; its folder is for its owner alone.
        how: as :meth:`Service.of` takes it.

    Raises:
        IndexFault, ConfigError, OSError: as `open_index`, `create_index`, `local_folder` and :meth:`Service.of` say.
    """
    folder = service_folder(place)
    if make and isinstance(place, Path) and not place.exists():
        with suppress(OSError):  # what is wrong with it says who makes the index
            private_folder(place)
    with create_index(place, encoder) if make else open_index(place) as index:
        yield Service.of(index, encoder, listening, folder, **how)
