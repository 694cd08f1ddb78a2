#!/usr/bin/env python3
"""Write src/passerby/words/spelling.txt: words that captions often have, and English ones that look like a slip of them and are none.

    python scripts/make_spelling.py CUHK-PEDES /usr/share/dict/american-english /usr/share/dict/british-english

The first are those of CUHK-PEDES' own training captions, with how often they stand there. The others are from word lists made of SCOWL
(Debian: wamerican, wbritish).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

import passerby.words
from passerby.data.datasets import load_dataset
from passerby.types import Origin, Split
from passerby.words.lexicon import lexicon
from passerby.words.spelling import SHORTEST, WORD

OFTEN = 20
HEADER = """\
# Words that captions often have, and how often; then English words that look like a slip of one of them and are none.
# Written by scripts/make_spelling.py from the training captions of CUHK-PEDES and from SCOWL (Spell Checker Oriented Word Lists):
# Copyright 2000-2019 by Kevin Atkinson
# Permission to use, copy, modify, distribute and sell these word lists, the associated scripts, the output created from the scripts,
# and its documentation for any purpose is hereby granted without fee, provided that the above copyright notice appears in all copies
# and that both that copyright notice and this permission notice appear in supporting documentation. Kevin Atkinson makes no
# representations about the suitability of this array for any purpose. It is provided "as is" without express or implied warranty.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("word_lists", type=Path, nargs="+")
    given = parser.parse_args()
    counts = Counter(_caption_words(given.dataset))
    frequent = {word: count for word, count in counts.most_common() if count >= OFTEN and len(word) >= SHORTEST}
    listed = {word.lower() for file in given.word_lists for word in file.read_text(encoding="utf-8").split() if word.isalpha()}
    targets = [*frequent, *(word for group in lexicon().telling.values() for word in group)]
    others = sorted(word for word in listed - frequent.keys() - lexicon().words if len(word) >= SHORTEST)
    alike = cdist(others, targets, scorer=OSA.distance, score_cutoff=1).min(axis=1) <= 1
    lines = [*(f"{word} {count}" for word, count in frequent.items()), *(word for word, near in zip(others, alike, strict=True) if near)]
    text = HEADER + "".join(f"{line}\n" for line in lines)
    Path(passerby.words.__file__).with_name("spelling.txt").write_text(text, encoding="utf-8")


def _caption_words(dataset: Path) -> Iterator[str]:
    for record in load_dataset(dataset, {Split.TRAIN}).records:
        for caption in record.captions:
            if caption.origin is Origin.OWN:
                yield from (word.lower() for word in WORD.findall(caption.text))


if __name__ == "__main__":
    main()
