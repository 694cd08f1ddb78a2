"""All figures of one dataset, as they stand in the JSON file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from passerby.report.attributes import Attributes
from passerby.report.duplicates import Duplicates
from passerby.report.images import Images
from passerby.report.shape import Shape
from passerby.report.words import Words
from passerby.types import Failure, Problem


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted and measured.

    Args:
        dataset: its name.
        failed: pictures that could not be read.
        problems: what was wrong with the dataset's records.
    """

    dataset: str
    shape: Shape
    images: Images
    duplicates: Duplicates
    words: Words
    attributes: Attributes
    failed: tuple[Failure, ...]
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``; shares are in percent."""
        parts = {name: asdict(getattr(self, name)) for name in ("shape", "images", "duplicates", "words", "attributes")}
        return {
            "dataset": self.dataset,
            **parts,
            "failed": [{"path": str(failure.path), "reason": failure.reason} for failure in self.failed],
            "problems": [asdict(problem) for problem in self.problems],
        }

    def pictures(self) -> frozenset[str]:
        """Names of the records that figures point at."""
        copies = (self.duplicates.exact, self.duplicates.near)
        pairs = (pair for found in copies for pair in (*found.split_pairs, *found.identity_pairs))
        kinds = (self.attributes.gender_contradictions, self.attributes.colour_contradictions)
        cases = (case for kind in kinds for case in kind.examples)
        return frozenset(
            (
                *self.images.smallest,
                *self.images.darkest,
                *self.images.most_blurred,
                *(name for pair in pairs for name in (pair.first, pair.second)),
                *(side.record for case in cases for side in (case.first, case.second)),
            )
        )
