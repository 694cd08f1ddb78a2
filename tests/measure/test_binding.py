"""Colour binding, of encoders that are known to bind colours, to ignore them, or to ignore the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice, permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from passerby.errors import DatasetError
from passerby.measure.binding import drawn_pairs, measure_binding, told_apart
from passerby.model.calibration import Calibration
from passerby.model.encoder import Encoder, unit_vectors
from passerby.model.preprocess import Preprocessing
from passerby.types import Caption, Dataset, ModelDigest, Record, Split
from passerby.words.hard_negatives import coloured_things

PAINTS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
GREY = (127, 127, 127)
Float32 = NDArray[np.float32]


class Painter:
    """Knows the colours of the upper and the lower half of a picture and of the first two garments of a text, and binds as told."""

    name, digest, dim = "painter", ModelDigest("0" * 64), 12
    preprocessing = Preprocessing(32, 32, (0.0,) * 3, (1.0,) * 3)
    calibration: Calibration | None = None

    def __init__(self, binds: bool) -> None:
        self._binds = binds

    def embed_images(self, pixels: Float32) -> Float32:
        return self._vectors(np.stack([pixels[:, :, :16].mean(axis=(2, 3)), pixels[:, :, 16:].mean(axis=(2, 3))], axis=1))

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        colours = [[PAINTS.get(thing.colour, GREY) for thing in coloured_things(text)] for text in texts]
        return self._vectors(np.asarray([[*found, GREY, GREY][:2] for found in colours], np.float32) / np.float32(255))

    def _vectors(self, halves: Float32) -> Float32:
        """From float32 (n, 2, 3); what does not bind sees no difference between the halves."""
        if not self._binds:
            halves = np.repeat(halves.mean(axis=1, keepdims=True), 2, axis=1)
        flat = np.concatenate([halves.reshape(len(halves), 6), np.full((len(halves), 6), 0.01)], axis=1)
        return unit_vectors(flat.astype(np.float32), flat.shape)


@pytest.fixture
def painted(tmp_path: Path) -> Dataset:
    """Everybody in two of three colours, each arrangement once."""
    records = []
    for upper, lower in permutations(PAINTS, 2):
        path = tmp_path / f"{upper}-{lower}.png"
        picture = Image.new("RGB", (32, 32), PAINTS[upper])
        picture.paste(PAINTS[lower], (0, 16, 32, 32))
        picture.save(path)
        records.append(Record(path, path.name, path.stem, Split.VAL, (Caption(f"a {upper} shirt and {lower} pants"),)))
    return Dataset("painted", tuple(records))


def test_what_binds_is_always_right_and_no_better_than_chance_when_blind(painted: Dataset) -> None:
    report = measure_binding(Painter(binds=True), painted, drawn=2)
    assert (report.pairs, report.bound.mean) == (6, 100)
    assert report.blind.mean <= 50, "the mean picture says nothing of who wears what"


def test_what_does_not_bind_never_wins_by_a_tie(painted: Dataset) -> None:
    assert measure_binding(Painter(binds=False), painted, drawn=2).bound.mean == 0


def test_a_picture_that_cannot_be_read_is_left_out_and_named(painted: Dataset) -> None:
    painted.records[0].path.write_bytes(b"")
    report = measure_binding(Painter(binds=True), painted, drawn=2)
    assert report.pairs == 4, "its own caption goes, and with it what said that people wear those colours so"
    assert len(report.split.failures) == 1


def test_a_split_whose_exchanges_nobody_wears_is_refused(painted: Dataset) -> None:
    with pytest.raises(DatasetError, match="exchanged"):
        measure_binding(Painter(binds=True), Dataset("one", painted.records[:1]))


def test_json_says_what_was_measured(tiny_encoder: Encoder, painted: Dataset) -> None:
    document = json.loads(json.dumps(measure_binding(tiny_encoder, painted, drawn=4).to_json()))
    assert document["pairs"] == 6
    assert document["drawn"]["low"] <= document["drawn"]["mean"] <= document["drawn"]["high"]
    assert document["split"] == "val"


def test_drawn_pairs_are_the_same_each_time_and_differ_in_two_colours() -> None:
    pairs, again = (list(islice(drawn_pairs(), 5)) for _ in range(2))
    for pair, other in zip(pairs, again, strict=True):
        assert pair.texts == other.texts
        assert pair.pictures[0].tobytes() == other.pictures[0].tobytes()
        assert pair.pictures[0].size == pair.pictures[1].size
        assert pair.pictures[0].tobytes() != pair.pictures[1].tobytes()


def test_pairs_are_told_apart_only_when_both_captions_choose(tiny_encoder: Encoder) -> None:
    pairs = list(islice(drawn_pairs(), 8))
    told = told_apart(tiny_encoder, pairs)
    turned = told_apart(tiny_encoder, [pair._replace(texts=(pair.texts[1], pair.texts[0])) for pair in pairs])
    assert told.shape == (8,)
    assert not (told & turned).any(), "no caption chooses both pictures"
