"""Which crops of a track show its person best: at most four, a second apart, chosen while the frames pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from passerby.detect.tracking.motion import BoxEdges

Picture = TypeVar("Picture")


@dataclass(frozen=True, slots=True)
class BestCropSettings:
    """Which crops are kept.

    Args:
        most: Of one track.
        apart: Seconds between two of them.
        better: How much better the quality of a crop is that takes the place of another, as a ratio.
    """

    most: int = 4
    apart: float = 1.0
    better: float = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class BestCrop(Generic[Picture]):
    """A crop that was kept: its second, box and quality, and whatever it was given as its picture."""

    time: float
    box: BoxEdges
    quality: float
    picture: Picture = field(repr=False)


class BestCrops(Generic[Picture]):
    """The best crops of each track as far as it was seen; no more pictures are held than the ``most`` of each.

    A crop is worth cutting out where :meth:`wants` its quality before sharpness. :meth:`take` those of a track that ended, and
    :meth:`forget_all_but` the tracks that may go on: some end without ever having been a person.
    """

    def __init__(self, settings: BestCropSettings | None = None) -> None:
        self._settings = settings or BestCropSettings()
        self._kept: dict[int, list[BestCrop[Picture]]] = {}

    def wants(self, track: int, time: float, quality: float) -> bool:
        """Whether a crop of this quality would be kept."""
        return self._leaving(track, time, quality) is not None

    def offer(self, track: int, crop: BestCrop[Picture]) -> bool:
        """Keeps a crop if it is one of the best; says whether it was kept."""
        leaving = self._leaving(track, crop.time, crop.quality)
        if leaving is None:
            return False
        self._kept[track] = [one for one in self._kept.get(track, []) if one not in leaving] + [crop]
        return True

    def take(self, track: int) -> tuple[BestCrop[Picture], ...]:
        """The crops of a track, the best first, the earlier of equals; they are held no longer."""
        crops = self.held(track)
        self._kept.pop(track, None)
        return crops

    def held(self, track: int) -> tuple[BestCrop[Picture], ...]:
        """The crops of a track that goes on, in the same order."""
        return tuple(sorted(self._kept.get(track, []), key=lambda crop: (-crop.quality, crop.time)))

    def forget_all_but(self, tracks: Collection[int]) -> None:
        """Lets go of the crops of all other tracks."""
        self._kept = {track: crops for track, crops in self._kept.items() if track in tracks}

    def state(self) -> dict[str, Any]:
        """Which crops are held, as plain JSON, without their pictures."""
        return {str(track): [[crop.time, list(crop.box), crop.quality] for crop in crops] for track, crops in self._kept.items()}

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], picture: Callable[[float, BoxEdges], Picture], settings: BestCropSettings | None = None
    ) -> BestCrops[Picture]:
        """As it was when :meth:`state` was asked; ``picture`` gives the pixels of a second and a box again."""
        best = cls(settings)
        for track, crops in state.items():
            boxes = [(time, (x1, y1, x2, y2), quality) for time, (x1, y1, x2, y2), quality in crops]
            best._kept[int(track)] = [BestCrop(time, box, quality, picture(time, box)) for time, box, quality in boxes]
        return best

    def _leaving(self, track: int, time: float, quality: float) -> list[BestCrop[Picture]] | None:
        """The crops whose place a new one would take, none if there is room; None if it is not good enough."""
        kept = self._kept.get(track, [])
        rivals = [one for one in kept if abs(one.time - time) < self._settings.apart]
        if not rivals and len(kept) == self._settings.most:
            rivals = [min(kept, key=lambda one: one.quality)]
        return rivals if all(quality >= self._settings.better * one.quality for one in rivals) else None
