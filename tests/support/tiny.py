"""A real bundle of random weights, small enough to make in every test run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from passerby.model import selftest
from passerby.model.bundle import Bundle, write_bundle
from passerby.model.encoder import Seen, unit_vectors
from passerby.model.preprocess import Preprocessing

DIM = 16
MAX_TOKENS = 12
PREPROCESSING = Preprocessing(32, 16, (0.5, 0.4, 0.3), (0.25, 0.2, 0.3))
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = tuple(sorted({word for text in selftest.TEXTS for word in text.replace(",", " , ").split()}))


def image_tower(seed: int = 0, dim: int = DIM, size: tuple[int, int] = (32, 16)) -> bytes:
    """4 x 4 average pooling, then a random projection: the features are linear in the pixels."""
    height, width = size
    weight = np.random.default_rng(seed).normal(size=(3 * height // 4 * width // 4, dim)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["image_features"]),
    ]
    inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, height, width])]
    return _model(nodes, inputs, "image_features", dim, {"weight": weight})


def text_tower(seed: int = 1, dim: int = DIM, words: int = len(SPECIAL) + len(WORDS)) -> bytes:
    """The mean of random token embeddings, padding left out."""
    table = np.random.default_rng(seed).normal(size=(words, dim)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["embedded", "column"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["column", "middle"], ["count"], keepdims=0),
        helper.make_node("Div", ["total", "count"], ["text_features"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "L"]) for name in ("input_ids", "attention_mask")]
    return _model(nodes, inputs, "text_features", dim, {"table": table, "last": np.array([2]), "middle": np.array([1])})


def tokenizer() -> bytes:
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *WORDS))}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = Lowercase()
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made.to_str().encode()


def write_tiny_bundle(folder: Path, *, name: str = "tiny", seed: int = 0, replace: bool = False) -> Bundle:
    """Bundles of different seeds have different weights and digests."""
    images, texts = image_tower(seed), text_tower(seed + 1)
    return write_bundle(
        folder,
        name=name,
        dim=DIM,
        preprocessing=PREPROCESSING,
        image_tower=images,
        text_tower=texts,
        tokenizer=tokenizer(),
        max_tokens=MAX_TOKENS,
        self_test=measured(images, texts),
        card={"purpose": "tests"},
        extra_files={"LICENSE": b"none"},
        replace=replace,
    )


def measured(images: bytes, texts: bytes) -> selftest.SelfTest:
    return selftest.measure(lambda pixels: _seen(images, pixels), lambda words: _text_vectors(texts, list(words)), PREPROCESSING)


def _seen(tower: bytes, pixels: NDArray[np.float32]) -> Seen:
    weight = _constant(tower, "weight")
    n, c, h, w = pixels.shape
    pooled = pixels.reshape(n, c, h // 4, 4, w // 4, 4).mean(axis=(3, 5))
    return Seen(unit_vectors(pooled.reshape(n, -1) @ weight, (n, weight.shape[1])), np.empty((n, 0), np.float32))


def _text_vectors(tower: bytes, texts: list[str]) -> NDArray[np.float32]:
    table, backend = _constant(tower, "table"), Tokenizer.from_buffer(tokenizer())
    backend.enable_truncation(MAX_TOKENS)
    means = np.stack([table[backend.encode(text).ids].mean(axis=0) for text in texts])
    return unit_vectors(means, (len(texts), table.shape[1]))


def _constant(tower: bytes, name: str) -> NDArray[np.float32]:
    found = next(tensor for tensor in onnx.load_from_string(tower).graph.initializer if tensor.name == name)
    return np.array(numpy_helper.to_array(found), np.float32)


def _model(
    nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], output: str, dim: int, constants: dict[str, NDArray[np.generic]]
) -> bytes:
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", dim])]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
