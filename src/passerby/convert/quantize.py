"""A float32 bundle to FP16 or INT8, through the Rank-1 gate."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from passerby.convert.calibration_set import Samples, training_samples
from passerby.convert.fp16 import to_half
from passerby.convert.gates import MAX_LOSS, WORN_FIGURE, Verdict, judge, rank1_change, refusal, worn_change
from passerby.convert.graph import Feed, layers, read_tower
from passerby.convert.int8 import (
    activations,
    measure_ranges,
    part_biases,
    quantize_activations,
    quantize_embedding,
    quantize_weights,
    smooth,
    token_table,
)
from passerby.convert.sensitivity import Layer, damages, lightest
from passerby.errors import DatasetError, ModelError
from passerby.measure.evaluation import Evaluation, evaluate
from passerby.measure.metrics import Estimate
from passerby.measure.split import NOTHING, EmbeddedSplit
from passerby.measure.worn import worn_in
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.bundle import Bundle, write_bundle
from passerby.model.bundle_encoder import TEXT_FEATURES, BundleEncoder, image_outputs, seen_of
from passerby.model.encoder import Seen, encode_texts, unit_vectors
from passerby.model.onnx import available_cores, start_session
from passerby.model.selftest import SelfTest, measure
from passerby.model.tokenizer import Tokenizer
from passerby.progress import Say
from passerby.types import Dataset, Precision, Split

IMAGE, TEXT = "image_tower.", "text_tower."
"""Begin the names of layers."""


class Towers(NamedTuple):
    image: onnx.ModelProto
    text: onnx.ModelProto


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """What is converted, how, and what it is measured against.

    Args:
        bundle: in float32.
        towers: its own.
        before: of the model whose Rank-1 must be kept.
        work: a folder for drafts.
    """

    bundle: Bundle
    towers: Towers
    precision: Precision
    samples: Samples
    before: Evaluation
    val: Dataset
    work: Path

    @property
    def layers(self) -> list[Layer]:
        """Convolutions and linear layers of both towers, by the names of their weights."""
        named = ((prefix, layers(tower)) for prefix, tower in zip((IMAGE, TEXT), self.towers, strict=True))
        return list(dict.fromkeys(f"{prefix}{node.input[1]}" for prefix, nodes in named for node in nodes))

    def attempt(self, keep: Collection[Layer] = ()) -> Attempt | None:
        """Both towers in the lower precision but for these layers, as val sees them; ``None`` where a tower is broken by it."""
        towers = Towers(
            convert_tower(self.towers.image, self.samples.images, self.precision, _within(IMAGE, keep)),
            convert_tower(self.towers.text, self.samples.texts, self.precision, _within(TEXT, keep)),
        )
        try:
            after = evaluate(self._encoder(towers), self.val)
        except ModelError:
            return None
        worn = worn_change(self.before, after, self.bundle.attributes)
        return Attempt(towers, after, rank1_change(self.before, after), worn)

    def damage(self, layer: Layer) -> float:
        """Points of mAP that val loses when this layer alone has the lower precision; all of them when the tower is broken by it.

        What the mean AUC of attributes loses is added to that.
        """
        split, others = self.before.split, set(self.layers) - {layer}
        images, texts = self.towers
        lost = 0.0
        try:
            if layer.startswith(IMAGE):
                images = convert_tower(images, self.samples.images, self.precision, _within(IMAGE, others))
                seen = _see(self._encoder(Towers(images, texts)), [r.path for r in split.gallery])
                ranked = split.rank(images=seen.vectors)
                lost = self._auc(split) - self._auc(replace(split, worn=seen.log_odds))
            else:
                texts = convert_tower(texts, self.samples.texts, self.precision, _within(TEXT, others))
                ranked = split.rank(texts=encode_texts(self._encoder(Towers(images, texts)), [q.text for q in split.queries]))
        except ModelError:
            return self.before.metrics.mAP.mean
        return lost + self.before.metrics.mAP.mean - 100 * float(ranked.average_precision.mean())

    def _auc(self, split: EmbeddedSplit) -> float:
        """Mean over attributes; 0 where there are none to lose."""
        names = self.bundle.attributes
        return worn_in(split, names).auc if names else 0.0

    def _encoder(self, towers: Towers) -> BundleEncoder:
        return BundleEncoder(_write(self.bundle, towers, self.work / "draft", {}, {}))


class Attempt(NamedTuple):
    """A conversion as val sees it; ``change`` is that of Rank-1, in points, ``worn`` that of the mean AUC of attributes, if any."""

    towers: Towers
    after: Evaluation
    change: Estimate
    worn: Estimate | None

    @property
    def verdict(self) -> Verdict:
        """On both, whichever is worse."""
        found = {judge(change) for change in (self.change, self.worn) if change is not None}
        return next(verdict for verdict in (Verdict.FELL, Verdict.UNDECIDED, Verdict.KEPT) if verdict in found)


def quantize(
    bundle: Bundle,
    dataset: Dataset,
    out: Path,
    extra_files: Mapping[str, Path],
    say: Say,
    *,
    precision: Precision = Precision.INT8,
    against: Bundle | None = None,
) -> Bundle:
    """Convert both towers, calibrated on train, and write the bundle if val shows that it lost at most half a point of Rank-1, and as
    little of the mean AUC of its attributes.

    Where either certainly fell by more, each layer's damage is measured, and the fewest layers that save it stay in float. The new bundle
    has no calibration: that of ``bundle`` is for other scores.

    Args:
        dataset: has records of the train and the val split.
        extra_files: what to put beside the manifest, such as the model card.
        against: the float model whose Rank-1 must be kept, where ``bundle`` is that model after it was trained to feel INT8;
            ``bundle`` itself otherwise.

    Raises:
        DatasetError: one of the two splits is missing, or has no pictures to calibrate on.
        GateRefused: a figure fell, or may have fallen, by more than the gate allows; nothing is written.
        ModelError: ``bundle`` is not in float32, or is not what its manifest says.
    """
    train, val = _split(dataset, Split.TRAIN), _split(dataset, Split.VAL)
    towers = Towers(*(require_float(read_tower(file)) for file in (bundle.image_tower, bundle.text_tower)))
    before = evaluate(BundleEncoder(against or bundle), val)
    say(f"float32: val Rank-1 {before.metrics.rank1.mean:.2f}")
    if before.split.caution:
        say(f"caution: {before.split.caution}")
    samples = training_samples(train.records, bundle, say)
    say(f"calibrating on {len(samples.images)} training pictures and their words")
    with tempfile.TemporaryDirectory() as work:
        conversion = Conversion(bundle, towers, precision, samples, before, val, Path(work))
        done, costs = _convert(conversion, say)
    card = {**bundle.card, "val": _figures(done.after), "quantization": _report(precision, before, done, costs)}
    return _write(bundle, done.towers, out, card, extra_files)


def convert_tower(tower: onnx.ModelProto, feeds: Sequence[Feed], precision: Precision, keep: Collection[str] = ()) -> onnx.ModelProto:
    """A tower in another precision, but for the layers of the weights to keep."""
    converted = onnx.ModelProto()
    converted.CopyFrom(tower)
    if precision is Precision.FP16:
        to_half(converted, feeds, keep)
    else:
        _to_int8(converted, feeds, keep)
    del converted.graph.value_info[:]
    onnx.checker.check_model(converted)
    return converted


def _to_int8(tower: onnx.ModelProto, feeds: Sequence[Feed], keep: Collection[str]) -> None:
    """Weights first, then activations, whose ranges are those of the tower with its final weights; in place."""
    if (table := token_table(tower)) is not None:
        quantize_embedding(tower, table)
    part_biases(tower, keep)
    smooth(tower, feeds, keep)
    quantize_weights(tower, feeds, keep)
    quantize_activations(tower, measure_ranges(tower, activations(tower, keep), feeds))


def _convert(conversion: Conversion, say: Say) -> tuple[Attempt, dict[Layer, float]]:
    """What passes the gate, and the layers that had to stay in float for it."""
    first = conversion.attempt()
    say(_told(first, conversion.precision.upper()))
    verdict = Verdict.FELL if first is None else first.verdict
    if first is not None and verdict is Verdict.KEPT:
        return first, {}
    if first is not None and verdict is Verdict.UNDECIDED:
        if first.worn is not None and judge(first.change) is Verdict.KEPT:
            raise refusal(first.worn, verdict, len(conversion.before.split.gallery), WORN_FIGURE, "pictures")
        raise refusal(first.change, verdict, len(conversion.before.split.asked))
    return _search(conversion, say)


def _search(conversion: Conversion, say: Say) -> tuple[Attempt, dict[Layer, float]]:
    """What passes the gate with the fewest layers in float, and what each of those costs alone, worst first."""
    say(f"measuring what each of {len(conversion.layers)} layers costs alone")
    costs = damages(conversion.layers, conversion.damage, say)

    def attempt(keep: frozenset[Layer]) -> Attempt | None:
        tried = conversion.attempt(keep)
        say(_told(tried, f"{conversion.precision.upper()} with {len(keep)} layers in float"))
        return tried

    gate = f"Rank-1 to fall by at most {MAX_LOSS} points with some layers in {conversion.precision.upper()}"
    return lightest(costs, attempt, gate, say)


def _told(attempt: Attempt | None, what: str) -> str:
    if attempt is None:
        return f"{what}: a tower no longer tells different inputs apart"
    change = attempt.change
    rank1 = attempt.after.metrics.rank1.mean
    told = f"{what}: val Rank-1 {rank1:.2f}, {change.mean:+.2f} points (95 % interval {change.low:+.2f} to {change.high:+.2f})"
    if (worn := attempt.worn) is not None:
        told += f"; {WORN_FIGURE} {worn.mean:+.2f} points ({worn.low:+.2f} to {worn.high:+.2f})"
    return told


def _report(precision: Precision, before: Evaluation, done: Attempt, costs: Mapping[Layer, float]) -> dict[str, object]:
    images, texts = done.after.split.images, done.after.split.texts
    return {
        "precision": precision.value,
        "rank1_change": asdict(done.change),
        **({"auc_change": asdict(done.worn)} if done.worn is not None else {}),
        "float32": _figures(before),
        "cosine": {"images": _cosines(before.split.images, images), "texts": _cosines(before.split.texts, texts)},
        "float_layers": [{"layer": layer, "alone_costs_mAP": round(cost, 2)} for layer, cost in costs.items()],
    }


def _cosines(before: NDArray[np.float32], after: NDArray[np.float32]) -> dict[str, float]:
    """Reported for whoever wonders; Rank-1 decides."""
    cosines = np.einsum("nd,nd->n", before, after)
    return {"least": round(float(cosines.min()), 5), "mean": round(float(cosines.mean()), 5)}


def _within(prefix: str, keep: Collection[Layer]) -> set[str]:
    return {layer.removeprefix(prefix) for layer in keep if layer.startswith(prefix)}


def _see(encoder: BundleEncoder, paths: Sequence[Path]) -> Seen:
    read = [result for result in encode_files(encoder, paths) if isinstance(result, EncodedFile)]
    return Seen(np.stack([r.vector for r in read]), np.stack([NOTHING if r.worn is None else r.worn for r in read]))


def require_float(tower: onnx.ModelProto) -> onnx.ModelProto:
    """The tower itself. Raises ``ModelError`` where a weight has another precision already."""
    done = next((i for i in tower.graph.initializer if i.data_type in (TensorProto.INT8, TensorProto.UINT8, TensorProto.FLOAT16)), None)
    if done is not None:
        kind = TensorProto.DataType.Name(done.data_type).lower()
        raise ModelError(expected="a float32 bundle", found=f"{done.name} in {kind}", do="name what passerby export wrote")
    return tower


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
        attributes=original.attributes,
        extra_files=extra_files,
        replace=True,
    )


def _self_test(original: Bundle, towers: Towers) -> SelfTest:
    images, words = (start_session(t.SerializeToString(), available_cores()) for t in towers)
    tokenizer = Tokenizer(original.tokenizer.read(), original.max_tokens)

    def see(pixels: NDArray[np.float32]) -> Seen:
        names = image_outputs(original)
        return seen_of(dict(zip(names, images.run(names, {"pixel_values": pixels}), strict=True)), original, len(pixels))

    def embed_texts(texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = tokenizer(texts)
        (features,) = words.run([TEXT_FEATURES], {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask})
        return unit_vectors(features, (len(texts), original.dim))

    return measure(see, embed_texts, original.preprocessing)


def _split(dataset: Dataset, split: Split) -> Dataset:
    records = tuple(r for r in dataset.records if r.split is split)
    if not any(r.captions for r in records):
        raise DatasetError(
            expected=f"captioned records of the {split} split in {dataset.name}",
            found="none",
            do="name a dataset with both: calibration needs train, and without val nothing shows that a conversion is safe",
        )
    return Dataset(dataset.name, records, dataset.problems)


def _figures(evaluation: Evaluation) -> dict[str, float]:
    return {name: round(value, 2) for name, value in evaluation.to_json().items() if name in ("rank1", "rank5", "rank10", "mAP", "mINP")}
