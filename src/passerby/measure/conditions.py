"""How much of Rank-1 is left when pictures or words are worse than those of a dataset.

Robustness is measured as by Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019: the same questions with one thing changed, beside the plain figure. Either the pictures of the whole
gallery are changed or the captions are, never both. Where chance plays a part, it is drawn from the picture or caption itself, so
that the same input is always changed in the same way.
"""

from __future__ import annotations

import math
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from string import ascii_lowercase
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.errors import DatasetError
from passerby.measure.metrics import Estimate, Metrics, PerQuery, paired_difference, summarise
from passerby.measure.split import EmbeddedSplit, embed_split
from passerby.media.encode_files import encode_files
from passerby.media.photo import read_image
from passerby.model.encoder import Encoder, encode_texts
from passerby.progress import Progress
from passerby.types import Dataset, Failure
from passerby.words.parser import parse

PROTOCOL: Final = (
    "Each own caption of the split is asked of all its pictures, plain and once under each condition: all pictures are changed and the "
    "captions are plain, or the other way round. The fall is the plain Rank-1 minus that under the condition, in points; "
    "95 % intervals are bootstrap percentiles over identities, that of the fall over the same queries twice."
)

HIDDEN: Final = 0.4
"""Share of a picture's height that hides the legs and feet of a person who fills it."""

WALL: Final = (127, 127, 127)

WORDS_PER_TYPO: Final = 10

_LONG_ENOUGH: Final = re.compile(r"[A-Za-z]{3,}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Condition(Generic[T]):
    """Something that makes pictures or captions worse.

    Args:
        name: short.
        meaning: one line.
        change: pure; of one upright RGB picture, or of one caption.
    """

    name: str
    meaning: str
    change: Callable[[T], T]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a model does under a condition.

    Args:
        metrics: in percent.
        fall: plain Rank-1 minus this one, in points; below 0 where the condition helps.
        unchanged: pictures that stayed plain because Pillow cannot change them so, such as JPEGs of more than 65,535 pixels a side.
    """

    name: str
    meaning: str
    metrics: Metrics
    fall: Estimate
    unchanged: int


@dataclass(frozen=True, slots=True, eq=False)
class ConditionsReport:
    """A model's figures under hard conditions.

    Args:
        split: what was measured.
        plain: the metrics with nothing changed, in percent.
        outcomes: in the order of ``PICTURE_CONDITIONS``, then of ``CAPTION_CONDITIONS``.
        seconds: wall time of the measurement.
    """

    split: EmbeddedSplit
    plain: Metrics
    outcomes: tuple[Outcome, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Rank-1, mAP and the fall under each condition, with their intervals, then what was measured; ready for ``json.dumps``."""
        return {
            "plain": _figures(self.plain),
            "conditions": [
                {
                    "name": outcome.name,
                    "meaning": outcome.meaning,
                    **_figures(outcome.metrics),
                    "fall": asdict(outcome.fall),
                    "unchanged": outcome.unchanged,
                }
                for outcome in self.outcomes
            ],
            "protocol": PROTOCOL,
            **self.split.to_json(),
            "seconds": self.seconds,
        }


def measure_conditions(encoder: Encoder, dataset: Dataset, *, on_progress: Progress | None = None) -> ConditionsReport:
    """Asks a split's captions of its pictures plainly and under each condition (``PROTOCOL``).

    Args:
        dataset: the records of one split.
        on_progress: told how far the pictures are, each counted once plain and once for each condition of pictures.

    Raises:
        DatasetError: records of several splits, no caption to ask, or a picture that can no longer be read the second time.
        ModelError: a tower that cannot be loaded or fails its self-test.
    """
    started = time.perf_counter()
    read, rounds = len(dataset.records), len(PICTURE_CONDITIONS)
    split = embed_split(encoder, dataset, on_progress=_counting_on(on_progress, 0, read * (1 + rounds)))
    plain, pictures = split.rank(), len(split.gallery)

    def outcome(condition: Condition[Any], found: PerQuery, unchanged: int = 0) -> Outcome:
        fall = paired_difference(found, plain, split.asked)
        return Outcome(condition.name, condition.meaning, summarise(found, split.asked), fall, unchanged)

    outcomes = []
    for number, blurred in enumerate(PICTURE_CONDITIONS):
        counting = _counting_on(on_progress, read + number * pictures, read + rounds * pictures)
        change = _WherePossible(blurred.change)
        outcomes.append(outcome(blurred, split.rank(images=_embed_changed(encoder, split, change, counting)), len(change.unchanged)))
    for garbled in CAPTION_CONDITIONS:
        texts = encode_texts(encoder, [garbled.change(query.text) for query in split.queries])
        outcomes.append(outcome(garbled, split.rank(texts=texts)))
    return ConditionsReport(split, summarise(plain, split.asked), tuple(outcomes), time.perf_counter() - started)


def reduce(image: Image.Image, factor: int) -> Image.Image:
    """The picture of a sensor with ``factor`` times fewer pixels each way, rounded up: each is the mean of those it takes the place of."""
    return image.reduce(factor)


def darken(image: Image.Image) -> Image.Image:
    """The picture under an eighth of its light, in 8 bits, with no noise added."""
    return image.point(_AN_EIGHTH * 3)


def compress(image: Image.Image, quality: int) -> Image.Image:
    """The picture after JPEG of a quality from 1 to 95, colours at half resolution."""
    file = BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return read_image(file.getvalue())


def shift_box(image: Image.Image, share: float) -> Image.Image:
    """What a box sees that is moved by a share of its height and width in a random direction.

    The size stays. A detector's crop would show what stands beside the person there, which the picture does not hold: its outermost
    rows and columns, mostly street, are repeated.
    """
    angle = _dice(image.tobytes()).uniform(0, 2 * math.pi)
    rows = _moved(image.height, share * math.sin(angle))
    columns = _moved(image.width, share * math.cos(angle))
    return Image.fromarray(np.asarray(image)[np.ix_(rows, columns)])


def hide_legs(image: Image.Image) -> Image.Image:
    """The picture with its lowest part, ``HIDDEN`` of the height, behind a grey wall."""
    hidden = image.copy()
    hidden.paste(WALL, (0, round((1 - HIDDEN) * image.height), image.width, image.height))
    return hidden


def first_words(text: str, count: int) -> str:
    """A caption that ends after so many words."""
    return " ".join(text.split()[:count])


def mistype(text: str) -> str:
    """The caption with a typo in one word of ten, but at least in one; words of fewer than three letters are spared."""
    dice = _dice(text.encode())
    words = list(_LONG_ENOUGH.finditer(text))
    wanted = max(1, round(len(text.split()) / WORDS_PER_TYPO))
    for place in sorted(dice.permutation(len(words))[:wanted], reverse=True):
        start, end = words[place].span()
        text = text[:start] + misspell(text[start:end], dice) + text[end:]
    return text


def misspell(word: str, dice: np.random.Generator) -> str:
    """A word of at least two letters with two neighbours swapped, or a letter dropped, doubled or wrong."""
    at = int(dice.integers(len(word)))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    wrong = dice.choice([other for other in ascii_lowercase if other != letter.lower()])
    typos = [after[:1] + letter + after[1:], after, 2 * letter + after, wrong + after]
    return before + str(dice.choice([typo for typo in typos if typo != letter + after]))


def keywords(text: str) -> str:
    """What somebody in a hurry types: what is worn and carried, each with its colours before it; all, where nothing is understood."""
    worn = [" ".join((*item.colours, item.thing)) for item in parse(text).items if not item.negated]
    return " ".join(worn) or text


def _dice(data: bytes) -> np.random.Generator:
    """Chance that is always the same for the same input, in whatever order and thread inputs are changed."""
    return np.random.default_rng(zlib.crc32(data))


def _moved(length: int, share: float) -> NDArray[np.int64]:
    """Which of so many rows or columns is seen at each place, from int64 (length,)."""
    return np.clip(np.arange(length) + round(share * length), 0, length - 1)


def _under(light: float) -> list[int]:
    """What each level of sRGB becomes under a share of the light."""
    levels = np.arange(256) / 255
    linear = light * np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [round(255 * level) for level in encoded.tolist()]


_AN_EIGHTH: Final = _under(1 / 8)

PICTURE_CONDITIONS: Final = (
    Condition("half resolution", "pictures of half the height and width", partial(reduce, factor=2)),
    Condition("quarter resolution", "pictures of a quarter of the height and width", partial(reduce, factor=4)),
    Condition("darkness", "pictures under an eighth of the light", darken),
    Condition("JPEG 30", "pictures compressed as JPEG of quality 30", partial(compress, quality=30)),
    Condition("box shifted 10 %", "boxes moved by a tenth of their size, edges repeated", partial(shift_box, share=0.1)),
    Condition("box shifted 20 %", "boxes moved by a fifth of their size, edges repeated", partial(shift_box, share=0.2)),
    Condition("occluded legs", f"the lowest {HIDDEN:.0%} of pictures behind a grey wall", hide_legs),
)

CAPTION_CONDITIONS: Final = (
    Condition("first five words", "captions that end after five words", partial(first_words, count=5)),
    Condition("typos", "captions with a typo in one word of ten", mistype),
    Condition("keywords", 'captions like "red jacket black cap"', keywords),
)


class _WherePossible:
    """A change, or the picture as it is where Pillow fails; notes why each time."""

    def __init__(self, change: Callable[[Image.Image], Image.Image]) -> None:
        self._change = change
        self.unchanged: list[str] = []

    def __call__(self, image: Image.Image) -> Image.Image:
        try:
            return self._change(image)
        except Exception as error:  # Pillow's codecs raise many types, and one picture must never stop a run
            self.unchanged.append(str(error))
            return image


def _embed_changed(
    encoder: Encoder, split: EmbeddedSplit, change: Callable[[Image.Image], Image.Image], on_progress: Progress
) -> NDArray[np.float32]:
    """Vectors of the gallery's pictures after a change, float32 (g, d)."""
    vectors = []
    results = encode_files(encoder, [record.path for record in split.gallery], change=change)
    for done, result in enumerate(results, start=1):
        if isinstance(result, Failure):
            raise DatasetError(
                expected=f"{result.path} to be what it was", found=result.reason, do="measure again when nothing changes the pictures"
            )
        vectors.append(result.vector)
        on_progress(done, len(split.gallery))
    return np.stack(vectors)


def _counting_on(on_progress: Progress | None, before: int, total: int) -> Progress:
    """Progress of one round of several."""
    return lambda done, _: on_progress(before + done, total) if on_progress else None


def _figures(metrics: Metrics) -> dict[str, Any]:
    estimates = {"rank1": metrics.rank1, "mAP": metrics.mAP}
    intervals = {name: [estimate.low, estimate.high] for name, estimate in estimates.items()}
    return {**{name: estimate.mean for name, estimate in estimates.items()}, "intervals": intervals}
