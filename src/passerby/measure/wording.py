"""What becomes of clumsy words: captions as a model gets them, and as search asks them (words/prompts.py)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from passerby.find.query import weights
from passerby.measure.conditions import keywords, mistype
from passerby.measure.metrics import Estimate, Metrics, paired_difference, summarise
from passerby.measure.split import EmbeddedSplit, embed_split
from passerby.model.encoder import Encoder, encode_texts
from passerby.progress import Progress
from passerby.types import Dataset
from passerby.words.description import describe
from passerby.words.parser import parse

PROTOCOL: Final = (
    "Each own caption of the split, worded in several ways, is asked of all its pictures twice: embedded as it stands, and as search asks "
    "it. The gain is the Rank-1 as asked minus that as it stands, in points; 95 % intervals are bootstrap percentiles over identities, "
    "that of the gain over the same queries twice."
)


def described_keywords(text: str) -> str:
    """The sentence that says what the keywords of a caption say."""
    return describe(parse(keywords(text)))


WORDINGS: Final[tuple[tuple[str, str, Callable[[str], str]], ...]] = (
    ("captions", "as people wrote them", str),
    ("typos", "with a typo in one word of ten", mistype),
    ("keywords", 'like "red jacket black cap"', keywords),
    ("described", "a sentence made of what the keywords say", described_keywords),
)


@dataclass(frozen=True, slots=True)
class Worded:
    """How a model does with captions of one wording.

    Args:
        plain, asked: in percent, as they stand and as search asks them.
        gain: in points of Rank-1.
    """

    name: str
    meaning: str
    plain: Metrics
    asked: Metrics
    gain: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class WordingReport:
    """A model's figures for each wording, in the order of ``WORDINGS``."""

    split: EmbeddedSplit
    wordings: tuple[Worded, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Rank-1 and mAP of each wording both ways, the gain, then what was measured; ready for ``json.dumps``."""
        return {
            "wordings": [
                {
                    "name": w.name,
                    "meaning": w.meaning,
                    **{way: {"rank1": asdict(m.rank1), "mAP": asdict(m.mAP)} for way, m in (("plain", w.plain), ("asked", w.asked))},
                    "gain": asdict(w.gain),
                }
                for w in self.wordings
            ],
            "protocol": PROTOCOL,
            **self.split.to_json(),
            "seconds": self.seconds,
        }


def measure_wording(encoder: Encoder, dataset: Dataset, *, on_progress: Progress | None = None) -> WordingReport:
    """Ask a split's captions in several wordings, as they stand and as search asks them (``PROTOCOL``).

    Args:
        dataset: the records of one split.
        on_progress: told how many of its pictures are read.

    Raises:
        DatasetError: records of several splits, or no caption to ask.
        ModelError: a tower that cannot be loaded or fails its self-test.
    """
    started = time.perf_counter()
    split = embed_split(encoder, dataset, on_progress=on_progress)
    wordings = []
    for name, meaning, reworded in WORDINGS:
        texts = [reworded(query.text) for query in split.queries]
        plain, asked = split.rank(texts=encode_texts(encoder, texts)), split.rank(texts=weights(encoder, texts))
        gain = paired_difference(plain, asked, split.asked)
        wordings.append(Worded(name, meaning, summarise(plain, split.asked), summarise(asked, split.asked), gain))
    return WordingReport(split, tuple(wordings), time.perf_counter() - started)
