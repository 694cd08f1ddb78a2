"""Evaluation of a real, tiny encoder on pictures painted for the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.cli.show.measuring import show_evaluation
from passerby.errors import DatasetError
from passerby.measure.conditions import measure_conditions
from passerby.measure.evaluation import Evaluation, evaluate
from passerby.measure.groups import measure_groups
from passerby.measure.metrics import PROTOCOL, rank_queries, summarise
from passerby.measure.split import FEWEST
from passerby.measure.wording import measure_wording
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.encoder import Encoder, encode_texts
from passerby.types import Caption, Dataset, Origin, Problem, Record, Split

COLOURS = {"ann": "red", "bob": "green", "cem": "blue", "dee": "black"}


@pytest.fixture
def painted(tmp_path: Path) -> Dataset:
    """Three noisy pictures and three own captions of each of four people; every picture has a dense caption as well."""
    rng = np.random.default_rng(7)
    records = []
    for identity, colour in COLOURS.items():
        for number in range(3):
            path = tmp_path / f"{identity}{number}.png"
            paint = np.asarray(Image.new("RGB", (16, 32), colour)) // 2 + rng.integers(0, 128, (32, 16, 3))
            Image.fromarray(paint.astype(np.uint8)).save(path)
            captions = (Caption(f"a person in a {colour} jacket {number}"), Caption("somebody walking", Origin.DENSE))
            records.append(Record(path, path.name, identity, Split.VAL, captions))
    return Dataset("painted", tuple(records), (Problem("lost.png", "no such file"),))


def sizes(evaluation: Evaluation) -> tuple[int, int, int, int]:
    split = evaluation.split
    return len(split.queries), len(split.gallery), split.people, split.unanswerable


def test_metrics_are_those_of_the_vectors(tiny_encoder: Encoder, painted: Dataset) -> None:
    images = [result for result in encode_files(tiny_encoder, [r.path for r in painted.records]) if isinstance(result, EncodedFile)]
    identities = [record.identity for record in painted.records]
    texts = encode_texts(tiny_encoder, [record.captions[0].text for record in painted.records])
    expected = summarise(rank_queries(texts, np.stack([image.vector for image in images]), identities, identities), identities)

    evaluation = evaluate(tiny_encoder, painted)
    assert evaluation.metrics == expected
    assert evaluation.split.asked == tuple(identities)
    assert sizes(evaluation) == (12, 12, 4, 0)
    assert (evaluation.split.model, evaluation.split.digest) == (tiny_encoder.name, tiny_encoder.digest)
    assert evaluation.seconds > 0


def test_json_has_the_pinned_keys(tiny_encoder: Encoder, painted: Dataset) -> None:
    evaluation = evaluate(tiny_encoder, painted)
    document = json.loads(json.dumps(evaluation.to_json()))
    for name in ("rank1", "rank5", "rank10", "mAP", "mINP"):
        low, high = document["intervals"][name]
        assert 0 <= low <= document[name] <= high <= 100
    assert document["rank1"] == evaluation.metrics.rank1.mean
    assert document["protocol"] == PROTOCOL
    assert document["split"] == "val"
    assert (document["queries"], document["gallery"], document["identities"]) == (12, 12, 4)
    assert (document["model"], document["digest"]) == (tiny_encoder.name, tiny_encoder.digest)
    assert document["failed"] == []
    assert document["problems"] == [{"record": "lost.png", "reason": "no such file"}]


def test_a_bad_picture_is_named_and_its_captions_still_ask(tiny_encoder: Encoder, painted: Dataset) -> None:
    bad = painted.records[1].path
    bad.write_bytes(b"not a picture")
    evaluation = evaluate(tiny_encoder, painted)
    assert [failure.path for failure in evaluation.split.failures] == [bad]
    assert [entry["path"] for entry in evaluation.to_json()["failed"]] == [str(bad)]
    assert sizes(evaluation) == (12, 11, 4, 0)


def test_captions_of_a_person_without_a_readable_picture_are_counted_apart(tiny_encoder: Encoder, painted: Dataset) -> None:
    for record in painted.records[:3]:
        record.path.write_bytes(b"")
    evaluation = evaluate(tiny_encoder, painted)
    assert len(evaluation.split.failures) == 3
    assert sizes(evaluation) == (9, 9, 3, 3)


def test_progress_counts_every_picture(tiny_encoder: Encoder, painted: Dataset) -> None:
    painted.records[4].path.write_bytes(b"")
    calls: list[tuple[int, int]] = []
    evaluate(tiny_encoder, painted, on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 12) for done in range(1, 13)]


def test_refuses_several_splits(tiny_encoder: Encoder, painted: Dataset) -> None:
    first = painted.records[0]
    moved = Record(first.path, first.name, first.identity, Split.TEST, first.captions)
    with pytest.raises(DatasetError, match="test, val"):
        evaluate(tiny_encoder, Dataset("mixed", (moved, *painted.records[1:])))
    with pytest.raises(DatasetError, match="no records"):
        evaluate(tiny_encoder, Dataset("empty", ()))


@pytest.mark.parametrize("measure", [evaluate, measure_conditions, measure_groups, measure_wording])
@pytest.mark.parametrize("pictures", [1, 3])
def test_one_person_cannot_be_told_from_others(
    tiny_encoder: Encoder, painted: Dataset, measure: Callable[..., object], pictures: int
) -> None:
    with pytest.raises(DatasetError, match=f"at least two people in alone.*found {pictures} of one person"):
        measure(tiny_encoder, Dataset("alone", painted.records[:pictures]))


def test_one_person_is_left_where_the_others_cannot_be_read(tiny_encoder: Encoder, painted: Dataset) -> None:
    for record in painted.records[3:]:
        record.path.write_bytes(b"")
    with pytest.raises(DatasetError, match="at least two people"):
        evaluate(tiny_encoder, painted)


def test_a_small_set_is_said_to_be_one_wherever_its_figures_are(
    tiny_encoder: Encoder, painted: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation = evaluate(tiny_encoder, painted)
    assert evaluation.to_json()["caution"] == evaluation.split.caution
    assert "only 4 people" in str(evaluation.split.caution)
    assert "among 12 pictures any model has 100 at Rank-10" in str(evaluation.split.caution)
    show_evaluation(evaluation, as_json=False)
    assert "caution: only 4 people" in capsys.readouterr().out


def test_a_large_set_needs_no_caution(tiny_encoder: Encoder, painted: Dataset) -> None:
    record = painted.records[0]
    crowd = tuple(replace(record, name=f"{n}", identity=f"{n}") for n in range(FEWEST))
    assert evaluate(tiny_encoder, Dataset("crowd", crowd)).split.caution is None
    assert evaluate(tiny_encoder, Dataset("crowd", crowd[1:])).split.caution


def test_refuses_a_dataset_without_own_captions(tiny_encoder: Encoder, painted: Dataset) -> None:
    silent = tuple(Record(r.path, r.name, r.identity, r.split, r.captions[1:]) for r in painted.records)
    with pytest.raises(DatasetError, match="0 captions"):
        evaluate(tiny_encoder, Dataset("silent", silent))
