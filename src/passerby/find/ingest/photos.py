"""Picture files to the people in them, with a vector each: crops of one person whole, and whoever a detector finds in other photos."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from PIL.Image import Image

from passerby.detect.boxes import box_of
from passerby.detect.detector import Detections
from passerby.detect.people import MOST, Detecting, People
from passerby.detect.quality import qualities, sharpened, sharpness
from passerby.errors import ConfigError, InputError, ModelError, PasserbyError
from passerby.find.ingest.videos import Watching
from passerby.index.sighting import Sighting
from passerby.look_ahead import look_ahead
from passerby.media.cut import cut_out
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.media.files import read_media
from passerby.media.formats import is_named_like_a_video
from passerby.media.photo import read_image, read_picture
from passerby.media.signature import signature
from passerby.media.taken import Clocks
from passerby.model.encode import EncodedAll, Failed, LoadedAll, encode_all
from passerby.model.encoder import Encoder
from passerby.model.worn import worn_bytes
from passerby.types import CROP, Crop, Failure, Media, Note, Sought

AT_ONCE: Final = 4
"""Photos whose people are encoded and committed together; so many more are looked at ahead."""
READERS: Final = 2

FEW: Final = 4
"""Files of a folder that are looked at one by one; of more, at least so many are a sample."""
SAMPLE: Final = 8
"""Files of a folder that are looked at before it is taken for one of crops, at most; of few files, one of ``SPARSE``."""
SPARSE: Final = 32
MORE: Final = 24
"""Files that are looked at where the first few do not agree."""
SAMPLE_SIZE: Final = 416
"""Pixels of a sample's longer side: whoever fills a picture is found at that size."""
CLEARLY: Final = 3
"""How many samples must be crops for each that is clearly none, in a folder of crops."""


class Shows(StrEnum):
    """What files show: crops of one person each, scenes with any number of people, or one or the other, as a look says."""

    EITHER = "either"
    CROPS = "crops"
    SCENES = "scenes"

    @classmethod
    def said(cls, *, crops: bool, scenes: bool) -> Shows:
        """What somebody says they show. Raises ``ConfigError`` where they say both."""
        if crops and scenes:
            raise ConfigError(expected="--crops or --scenes", found="both", do="leave one of them out")
        return cls.CROPS if crops else cls.SCENES if scenes else cls.EITHER


@dataclass(frozen=True, slots=True, eq=False)
class Looking:
    """How the files of a run are looked at.

    Args:
        detecting: how people are looked for; ``None`` takes every file whole.
        watching: how people are looked for in videos; ``None`` reads none.
    """

    detecting: Detecting | None = None
    shows: Shows = Shows.EITHER
    watching: Watching | None = None

    def __post_init__(self) -> None:
        if self.shows is Shows.SCENES and self.detecting is None:
            raise InputError(expected="a detector to find people in scenes", found="none", do="name one, or leave out --scenes")

    @property
    def asks(self) -> bool:
        """Whether it is asked what files show."""
        return self.detecting is not None or self.shows is Shows.CROPS

    def is_current(self, path: Path, sought: Sought | None) -> bool:
        """Whether a media of which this is known need not be looked at again."""
        if is_named_like_a_video(path):
            return self.watching is None or self.watching.is_current(sought)
        if self.shows is Shows.CROPS:
            return sought == CROP
        if self.detecting is None:
            return True
        if sought is None or sought.detector is None:
            return sought is not None and self.shows is Shows.EITHER
        return self.detecting.is_current(sought)

    def crops(self, files: Sequence[Path], known: Mapping[Path, bool]) -> set[Path]:
        """Those of some files that are taken whole; ``known`` as of :func:`folders_of_crops`."""
        if self.shows is Shows.CROPS or self.detecting is None:
            return set(files)
        if self.shows is Shows.SCENES:
            return set()
        folders = folders_of_crops(self.detecting, files, known)
        return {file for file in files if file.parent in folders}


@dataclass(frozen=True, slots=True, eq=False)
class SeenFile:
    """A picture file and the people in it, ready for an index.

    Args:
        notes: what had to be guessed or left out.
    """

    media: Media
    people: tuple[Sighting, ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Undetected:
    """A photo on which the detector failed, and why: nothing is wrong with the file."""

    failure: Failure


def encode_crops(
    encoder: Encoder, paths: Iterable[Path], *, clocks: Clocks, sought: Sought | None, batch_size: int
) -> Generator[SeenFile | Failure]:
    """Encode crops, each a file of one person, one result for each path and in their order.

    Args:
        sought: ``CROP``, or ``None`` where nobody asked what they show.

    Raises:
        ModelError: from the encoder.
    """
    with closing(encode_files(encoder, paths, clocks=clocks, batch_size=batch_size)) as results:
        for result in results:
            if isinstance(result, EncodedFile):
                worn = None if result.worn is None else worn_bytes(result.worn[None])[0]
                person = Sighting.whole(result.vector, result.signature, worn)
                yield SeenFile(replace(result.media, sought=sought), (person,), result.notes)
            else:
                yield result


@dataclass(frozen=True, slots=True)
class _Looked:
    """A photo that was looked at, and the crop of each person."""

    media: Media
    crops: tuple[Crop, ...]
    notes: tuple[Note, ...]


def encode_photos(
    encoder: Encoder, paths: Iterable[Path], detecting: Detecting, *, clocks: Clocks, whole: bool
) -> Generator[SeenFile | Undetected | Failure]:
    """Find the people in photos and encode each, one result for each path and in their order; nobody found is no failure.

    Photos are decoded once, and looked at by the threads that read them, ``READERS`` at a time; of those ahead only crops are kept, as
    small as the tower takes them.

    Args:
        whole: take a photo as it is, where somebody fills it and is alone.

    Raises:
        ModelError: from the encoder; where the detector fails, photos are ``Undetected``.
    """

    def load(path: Path) -> LoadedAll[_Looked | Undetected]:
        media, data = read_media(path)
        picture = read_picture(data)
        try:
            people = detecting.people(picture.image)
        except ModelError as error:
            return LoadedAll(Undetected(Failure(media.path, str(error))), ())
        media, guessed = clocks.date(media, picture.exif)
        said = [*picture.notes, *guessed]
        if whole and people.is_crop:
            return LoadedAll(_looked(replace(media, sought=CROP), (Crop(),), said), (picture.image,))
        if people.left_out:
            said.append(f"more than {MOST} people were found: the surest {MOST} were taken")
        crops = crops_of(picture.image, people.found)
        boxes = [crop.box for crop in crops if crop.box]
        return LoadedAll(_looked(replace(media, sought=people.sought), crops, said), (cut_out(picture.image, box) for box in boxes))

    with closing(encode_all(encoder, paths, load, at_once=AT_ONCE, readers=READERS)) as results:
        for result in results:
            if isinstance(result, Failed):
                yield Failure(result.item.absolute(), result.reason)
            elif isinstance(result.known, Undetected):
                yield result.known
            else:
                yield SeenFile(result.known.media, tuple(_sightings(result.known.crops, result)), result.known.notes)


def _looked(media: Media, crops: tuple[Crop, ...], said: Sequence[str]) -> _Looked:
    return _Looked(media, crops, tuple(Note(media.path, note) for note in said))


def _sightings(crops: Sequence[Crop], encoded: EncodedAll[_Looked | Undetected]) -> Iterator[Sighting]:
    worn = None if encoded.worn is None else worn_bytes(encoded.worn)
    for n, crop in enumerate(crops):
        own = slice(n, n + 1)
        yield Sighting(
            (crop,), encoded.vectors[own], signatures=signature(encoded.pixels[n])[None], worn=None if worn is None else worn[own]
        )


def crops_of(image: Image, found: Detections) -> tuple[Crop, ...]:
    """The crops of people in an upright photo: boxes in whole pixels of it, and how good each is as a picture of somebody."""
    boxes = [box_of(row) for row in found.boxes]
    free = qualities(found.boxes, found.scores, *image.size)
    worth = [sharpened(float(one), sharpness(cut_out(image, box))) for one, box in zip(free, boxes, strict=True)]
    return tuple(Crop(box, quality=round(good, 4)) for box, good in zip(boxes, worth, strict=True))


def folders_of_crops(detecting: Detecting, files: Sequence[Path], known: Mapping[Path, bool]) -> set[Path]:
    """The folders whose files are crops of one person each, by looking at a few of them, and at more where these do not agree.

    A folder is not looked at of which it is known what others of its files show, nor one of ``FEW`` files; each of those is looked at by
    itself anyway. A picture in which nobody is found, or which somebody shares with others as large, says nothing either way.

    Args:
        known: folders that hold files which are crops, or of which some are not.
    """
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    unknown = {folder: there for folder, there in by_folder.items() if folder not in known and len(there) > FEW}
    votes = _votes(detecting, {folder: sample(there) for folder, there in unknown.items()})
    unclear = [folder for folder, (crops, others) in votes.items() if crops and others]
    votes |= _votes(detecting, {folder: spread(unknown[folder], MORE) for folder in unclear})
    said = {folder for folder in by_folder if known.get(folder)}
    return said | {folder for folder, (crops, others) in votes.items() if crops and crops >= CLEARLY * others}


def _votes(detecting: Detecting, samples: Mapping[Path, Sequence[Path]]) -> dict[Path, tuple[int, int]]:
    """Of the samples of each folder, how many are crops, and how many are clearly none."""
    glancing = replace(detecting, size=SAMPLE_SIZE, min_height=0)

    def look(item: tuple[Path, Path]) -> tuple[Path, People | None]:
        folder, path = item
        try:
            return folder, glancing.people(read_image(path))
        except (PasserbyError, MemoryError):  # said when its turn comes
            return folder, None

    votes = dict.fromkeys(samples, (0, 0))
    with closing(look_ahead(((folder, path) for folder, paths in samples.items() for path in paths), look, READERS, READERS)) as looked:
        for folder, people in looked:
            if people is not None:
                crops, others = votes[folder]
                votes[folder] = crops + people.is_crop, others + people.is_scene
    return votes


def sample(files: Sequence[Path]) -> list[Path]:
    """A few of the files of a folder."""
    return spread(files, min(max(len(files) // SPARSE, FEW), SAMPLE))


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """So many of some files, evenly spread, or all."""
    count = min(count, len(files))
    return [files[(2 * n + 1) * len(files) // (2 * count)] for n in range(count)]
