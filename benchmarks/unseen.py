"""Cameras and words that training never met: how far their questions fall, beside the same run that met everything.

    python benchmarks/unseen.py experiments/ablation/cold-pictures.toml experiments/ablation/unseen-pictures.toml

What the second run did not see is read from its config (``unseen``). Every caption of val is asked of all its pictures; a run that saw less
knows everybody less well, so the first row says how those fall whose cameras and words both runs saw.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from common import Row, options, show
from judged import Outcome, outcome, told
from numpy.typing import NDArray

from passerby.learn.config import Unseen, read_config
from passerby.measure.metrics import bootstrap


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("seen", type=Path, help="config of the run that saw everything")
    parser.add_argument("unseen", type=Path, help="config of the run that did not")
    arguments = parser.parse_args()
    seen, unseen = (read_config(path) for path in (arguments.seen, arguments.unseen))
    show("Rank-1 on val", rows(outcome(seen), outcome(unseen), unseen.unseen), as_json=arguments.json)


def rows(seen: Outcome, unseen: Outcome, what: Unseen) -> list[Row]:
    """Who is asked for by nothing unseen, by one of the sources, by one of the words alone."""
    source = np.array([query.record.name.split("/")[0] in what.sources for query in seen.queries])
    saying = {word: says(seen, word) for word in what.words}
    word = np.any(list(saying.values()), axis=0) if saying else np.zeros(len(source), bool)
    groups = {"nothing unseen": ~source & ~word}
    groups |= {f"cameras of {', '.join(what.sources)}": source & ~word} if what.sources else {}
    groups |= {f'says "{said}"': chosen & ~source for said, chosen in saying.items()}
    groups |= {"says any of them": word & ~source} if saying else {}
    return [row(name, seen, unseen, chosen) for name, chosen in groups.items() if chosen.any()]


def says(of: Outcome, word: str) -> NDArray[np.bool_]:
    pattern = re.compile(rf"\b{re.escape(word)}s?\b", re.IGNORECASE)
    return np.array([bool(pattern.search(text)) for _, text in of.queries])


def row(name: str, seen: Outcome, unseen: Outcome, chosen: NDArray[np.bool_]) -> Row:
    a, b = seen.percent[chosen, 0], unseen.percent[chosen, 0]
    before, after, change = bootstrap(np.column_stack([a, b, b - a]), seen.asked[chosen].tolist(), seed=0, resamples=1000)
    return {"asked by": name, "captions": len(a), "seen": told(before), "unseen": told(after), "difference": told(change)}


if __name__ == "__main__":
    main()
