"""The labels of attributes against a slow reference; those of drawn people are exact."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_clip import tokenizer_json

from passerby.data.synthetic.gallery import gallery_views
from passerby.data.synthetic.worn import of_drawn
from passerby.learn.data.labels import training_labels, worn_labels
from passerby.learn.data.training_set import DRAWN_VIEWS, drawn_people, drawn_records, training_set
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.types import Caption, Dataset, Origin, Record, Split
from passerby.words.attributes import NAMES, said
from passerby.words.parser import parse

WANTED = ("head:hat", "carried:bag", "upper:red")
TEXTS = ("a man in a hat", "no hat", "a woman with a bag", "a red shirt and a hat", "somebody", "no bag and a red coat")


def share(texts: Sequence[str], name: str) -> float:
    """Of captions that affirm, one by one."""
    told = [said(parse(text)).get(name) for text in texts]
    return math.nan if all(one is None for one in told) else sum(one is True for one in told) / len(told)


def reference(record: Record, records: Sequence[Record], name: str, annotated: Mapping[str, Mapping[str, bool]]) -> float:
    own = [c.text for c in record.captions if c.origin is Origin.OWN]
    others = {c.text for r in records if r.identity == record.identity for c in r.captions if c.origin is not Origin.DENSE}
    label = share(sorted(others), name)
    if own and not math.isnan(label):
        told = share(own, name)
        label = ((0.0 if math.isnan(told) else 2 * told) + label) / 3
    yes = annotated.get(record.name.removesuffix(".jpg"), {}).get(name)
    return label if yes is None else ((0.0 if math.isnan(label) else label) + 2 * yes) / 3


captions_of = st.lists(st.builds(Caption, st.sampled_from(TEXTS), st.sampled_from(Origin)), max_size=4).map(tuple)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), captions_of), max_size=5),
    st.dictionaries(st.sampled_from("0123"), st.dictionaries(st.sampled_from(WANTED), st.booleans())),
)
def test_labels_are_those_of_the_reference(pictures: list[tuple[str, tuple[Caption, ...]]], annotated: dict[str, dict[str, bool]]) -> None:
    records = [Record(Path(f"{n}.jpg"), f"{n}.jpg", who, Split.TRAIN, told) for n, (who, told) in enumerate(pictures)]
    expected = [[reference(record, records, name, annotated) for name in WANTED] for record in records]
    labels = worn_labels(records, WANTED, annotated)
    assert labels.dtype == np.float32
    assert labels == pytest.approx(np.array(expected).reshape(len(records), 3), nan_ok=True)


def test_drawn_people_are_known_exactly(tmp_path: Path) -> None:
    record = Record(tmp_path / "a.jpg", "a.jpg", "a", Split.TRAIN, (Caption("a woman in a red hat"),))
    drawn, tokenizer = drawn_records(tmp_path, 3, seed=4), load_tokenizer(tokenizer_json(["a"]), 8)
    data = training_set(Dataset("one", (record,)), drawn, tokenizer, captioned_only=False, swaps=False, shortened_by=None)
    labels = training_labels(data, NAMES, tmp_path, 4, print)
    assert labels[0].tolist() == pytest.approx(worn_labels([record], NAMES, {})[0].tolist(), nan_ok=True)
    views = [of_drawn(seen) for _, seen in gallery_views(drawn_people(3), 4, views=DRAWN_VIEWS)]
    assert len(labels) == 1 + len(views)
    for row, known, told in zip(labels[1:], views, worn_labels(drawn, NAMES, {}), strict=True):
        expected = [float(known.get(name, share)) for name, share in zip(NAMES, told.tolist(), strict=True)]
        assert row.tolist() == pytest.approx(expected, nan_ok=True), "by captions where a drawing leaves it open, as of tan or beige"
