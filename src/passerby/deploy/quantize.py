"""A float32 bundle to an INT8 bundle, through the Rank-1 gate."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from passerby.deploy.gates import require_rank1
from passerby.deploy.qdq import activations, measure_ranges, quantize_activations, quantize_embedding, quantize_weights, smooth
from passerby.errors import DatasetError
from passerby.measure.evaluate import Evaluation, evaluate
from passerby.model.bundle import Bundle, write_bundle
from passerby.model.encoder import unit_vectors
from passerby.model.onnx import OnnxEncoder, available_cores, start_session
from passerby.model.preprocess import Preprocessing, normalise, read_image, resize
from passerby.model.selftest import SelfTest, measure
from passerby.model.tokenizer import Tokenizer
from passerby.types import Dataset, Record, Split

CALIBRATION_PICTURES = 256
TOKEN_TABLE = "tokens.weight"

Feed = Mapping[str, NDArray[Any]]


class Towers(NamedTuple):
    image: onnx.ModelProto
    text: onnx.ModelProto


def quantize(
    bundle: Bundle,
    dataset: Dataset,
    out: Path,
    extra_files: Mapping[str, Path],
    say: Callable[[str], None],
    *,
    against: Bundle | None = None,
) -> Bundle:
    """Quantise both towers, calibrated on train, and write the bundle if val shows that it lost at most half a point of Rank-1.

    Args:
        dataset: has records of the train and the val split.
        extra_files: what to put beside the manifest, such as the model card.
        say: takes one line of text at a time, for people.
        against: the float model whose Rank-1 must be kept, where ``bundle`` is that model after it was trained to feel INT8;
            ``bundle`` itself otherwise.

    Raises:
        DatasetError: one of the two splits is missing.
        GateRefused: Rank-1 fell, or may have fallen, by more than the gate allows; nothing is written.
    """
    train, val = _split(dataset, Split.TRAIN), _split(dataset, Split.VAL)
    calibration = _evenly([r for r in train.records if r.captions], CALIBRATION_PICTURES)
    say(f"calibrating on {len(calibration)} training pictures and their words")
    towers = quantize_towers(bundle, calibration)
    with tempfile.TemporaryDirectory() as work:
        draft = _write(bundle, towers, Path(work) / "draft", bundle.card, {})
        say("evaluating both on val")
        before, after = evaluate(OnnxEncoder(against or bundle), val), evaluate(OnnxEncoder(draft), val)
    say(f"val Rank-1 {before.metrics.rank1.mean:.2f} in float32, {after.metrics.rank1.mean:.2f} in INT8")
    difference = require_rank1(before, after)
    card = {**bundle.card, "val": _figures(after), "quantization": {"rank1_change": asdict(difference), "float32": _figures(before)}}
    return _write(bundle, towers, out, card, extra_files)


def quantize_towers(bundle: Bundle, calibration: Sequence[Record]) -> Towers:
    """Both towers in INT8, their activations' ranges measured on pictures and their captions."""
    text_tower = onnx.load_from_string(bundle.text_tower.read())
    quantize_embedding(text_tower, TOKEN_TABLE)
    tokenizer = Tokenizer(bundle.tokenizer.read(), bundle.max_tokens)
    return Towers(
        quantize_tower(onnx.load_from_string(bundle.image_tower.read()), list(image_feeds(calibration, bundle.preprocessing))),
        quantize_tower(text_tower, list(text_feeds(calibration, tokenizer))),
    )


def quantize_tower(tower: onnx.ModelProto, feeds: Sequence[Feed]) -> onnx.ModelProto:
    """Weights first, then activations, whose ranges are those of the tower with its final weights."""
    smooth(tower, feeds)
    quantize_weights(tower, feeds)
    quantize_activations(tower, measure_ranges(tower, activations(tower), feeds))
    onnx.checker.check_model(tower)
    return tower


def image_feeds(records: Sequence[Record], p: Preprocessing) -> Iterator[Feed]:
    for record in records:
        yield {"pixel_values": normalise(resize(read_image(record.path), p.height, p.width, p.resample)[None], p)}


def text_feeds(records: Sequence[Record], tokenizer: Tokenizer) -> Iterator[Feed]:
    """One sentence at a time, so that no range is widened by padding."""
    for record in records:
        for caption in record.captions[:2]:
            tokens = tokenizer([caption.text])
            yield {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}


def _write(original: Bundle, towers: Towers, folder: Path, card: Mapping[str, object], extra_files: Mapping[str, Path]) -> Bundle:
    """A bundle like the original, with other towers that answer for themselves in its self-test."""
    return write_bundle(
        folder,
        name=original.name,
        dim=original.dim,
        preprocessing=original.preprocessing,
        image_tower=towers.image.SerializeToString(),
        text_tower=towers.text.SerializeToString(),
        tokenizer=original.tokenizer.path,
        max_tokens=original.max_tokens,
        self_test=_self_test(original, towers),
        card=card,
        extra_files=extra_files,
        replace=True,
    )


def _self_test(original: Bundle, towers: Towers) -> SelfTest:
    images, words = (start_session(t.SerializeToString(), available_cores()) for t in towers)
    tokenizer = Tokenizer(original.tokenizer.read(), original.max_tokens)

    def embed_images(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit_vectors(images.run(None, {"pixel_values": pixels})[0], (len(pixels), original.dim))

    def embed_texts(texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = tokenizer(texts)
        features = words.run(None, {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask})[0]
        return unit_vectors(features, (len(texts), original.dim))

    return measure(embed_images, embed_texts, original.preprocessing)


def _split(dataset: Dataset, split: Split) -> Dataset:
    records = tuple(r for r in dataset.records if r.split is split)
    if not any(r.captions for r in records):
        raise DatasetError(
            expected=f"captioned records of the {split} split in {dataset.name}", found="none", do="name a dataset with both"
        )
    return Dataset(dataset.name, records, dataset.problems)


def _evenly(records: Sequence[Record], count: int) -> list[Record]:
    chosen = np.linspace(0, len(records) - 1, min(count, len(records))).round().astype(int)
    return [records[i] for i in chosen]


def _figures(evaluation: Evaluation) -> dict[str, float]:
    return {name: round(value, 2) for name, value in evaluation.to_json().items() if name in ("rank1", "rank5", "rank10", "mAP", "mINP")}
