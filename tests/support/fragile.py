"""A small bundle of convolutions that finds its people in float32 and not in INT8, because of two layers out of six."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from graphs import run
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from small_clip import drawn_dataset, tokenizer_json

from passerby.convert.quantize import Towers, _self_test
from passerby.media.photo import read_image
from passerby.model.bundle import Bundle, write_bundle
from passerby.model.encoder import Seen, unit_vectors
from passerby.model.preprocess import Preprocessing, normalise, resize
from passerby.model.selftest import TEXTS, measure
from passerby.model.tokenizer import Tokenizer
from passerby.types import Dataset, Record, Split

Float32 = NDArray[np.float32]
HEIGHT, WIDTH, DIM, MAX_TOKENS = 64, 32, 24, 40
PREPROCESSING = Preprocessing(HEIGHT, WIDTH, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
FRAGILE = ("image_tower.second", "image_tower.third")
"""The second layer writes, and the third reads, a tensor with one channel ten thousand times as large as the others."""


def fragile_bundle(folder: Path) -> tuple[Bundle, Dataset]:
    """The bundle, and a dataset of which it finds every person of val."""
    dataset = drawn_dataset(folder / "people")
    captions = [c.text for r in dataset.records for c in r.captions]
    words = tokenizer_json([*TEXTS, *captions])
    text = text_tower(len(Tokenizer(words, MAX_TOKENS)._backend.get_vocab()))
    image = image_tower(fitted(dataset, text, words))

    def see(pixels: Float32) -> Seen:
        vectors = unit_vectors(run(image, {"pixel_values": pixels})[0], (len(pixels), DIM))
        return Seen(vectors, np.empty((len(pixels), 0), np.float32))

    def embed_texts(texts: Sequence[str]) -> Float32:
        return unit_vectors(text_features(text, words, texts), (len(texts), DIM))

    bundle = write_bundle(
        folder / "fragile",
        name="fragile",
        dim=DIM,
        preprocessing=PREPROCESSING,
        image_tower=image.SerializeToString(),
        text_tower=text.SerializeToString(),
        tokenizer=words,
        max_tokens=MAX_TOKENS,
        self_test=measure(see, embed_texts, PREPROCESSING),
        card={},
    )
    return bundle, dataset


def worse_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """The same but for a text tower that reads other words than those that are written."""
    tower = onnx.load_from_string(bundle.text_tower.read())
    table = next(i for i in tower.graph.initializer if i.name == "table")
    values = numpy_helper.to_array(table)
    table.CopyFrom(numpy_helper.from_array(np.random.default_rng(0).permutation(values), "table"))
    return write_bundle(
        folder,
        name=bundle.name,
        dim=bundle.dim,
        preprocessing=bundle.preprocessing,
        image_tower=bundle.image_tower.path,
        text_tower=tower.SerializeToString(),
        tokenizer=bundle.tokenizer.path,
        max_tokens=bundle.max_tokens,
        self_test=_self_test(bundle, Towers(onnx.load_from_string(bundle.image_tower.read()), tower)),
        card={},
    )


def image_tower(projection: Float32) -> onnx.ModelProto:
    """Four convolutions of one pixel each, means of 8 x 8 pixels, a projection."""
    rng = np.random.default_rng(0)
    first, second, third, fourth = (rng.normal(size=(8, c, 1, 1)).astype(np.float32) for c in (3, 8, 8, 8))
    second[7] *= 1e4
    third[:, 7] /= 1e7
    weights = {"first": first, "second": second, "third": third, "fourth": fourth, "projection": projection}
    last, nodes = "pixel_values", []
    for name in ("first", "second", "third", "fourth"):
        nodes.append(helper.make_node("Conv", [last, name], [f"{name}.out"], f"{name}.node"))
        last = f"{name}.out"
    nodes += [
        helper.make_node("AveragePool", [last], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "projection"], ["image_features"], "projection.node"),
    ]
    return model(nodes, {"pixel_values": (TensorProto.FLOAT, ["n", 3, HEIGHT, WIDTH])}, "image_features", weights)


def text_tower(vocabulary: int) -> onnx.ModelProto:
    """The mean of random token embeddings, read through a Reshape as some exporters write it, and a linear layer."""
    rng = np.random.default_rng(1)
    weights = {
        "table": rng.normal(size=(vocabulary, DIM)).astype(np.float32),
        "linear": np.linalg.qr(rng.normal(size=(DIM, DIM)))[0].astype(np.float32),
        **{"whole": np.array([0, -1]), "last": np.array([2]), "middle": np.array([1])},
    }
    nodes = [
        helper.make_node("Reshape", ["input_ids", "whole"], ["ids"]),
        helper.make_node("Gather", ["table", "ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["embedded", "column"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["column", "middle"], ["count"], keepdims=0),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "linear"], ["text_features"]),
    ]
    return model(nodes, dict.fromkeys(("input_ids", "attention_mask"), (TensorProto.INT64, ["n", "L"])), "text_features", weights)


def fitted(dataset: Dataset, text: onnx.ModelProto, words: bytes) -> Float32:
    """A projection that takes each val picture to the mean of its person's captions."""
    val = [r for r in dataset.records if r.split is Split.VAL]
    cells = HEIGHT // 8 * WIDTH // 8 * 8
    flat = run(image_tower(np.eye(cells, dtype=np.float32)), {"pixel_values": pixels(val)})[0]
    said = {r.identity: [c.text for other in val if other.identity == r.identity for c in other.captions] for r in val}
    targets = np.stack([text_features(text, words, said[r.identity]).mean(axis=0) for r in val])
    solved: Float32 = np.linalg.lstsq(flat, targets, rcond=1e-3)[0].astype(np.float32)
    return solved


def pixels(records: Sequence[Record]) -> Float32:
    return normalise(np.stack([resize(read_image(r.path), HEIGHT, WIDTH, PREPROCESSING.resample) for r in records]), PREPROCESSING)


def text_features(text: onnx.ModelProto, words: bytes, texts: Sequence[str]) -> Float32:
    tokens = Tokenizer(words, MAX_TOKENS)(texts)
    return run(text, {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask})[0]


def model(
    nodes: list[onnx.NodeProto], inputs: Mapping[str, tuple[int, Sequence[str | int]]], output: str, weights: Mapping[str, NDArray[Any]]
) -> onnx.ModelProto:
    given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    made = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", None])
    graph = helper.make_graph(nodes, "fragile", given, [made], [numpy_helper.from_array(v, n) for n, v in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
