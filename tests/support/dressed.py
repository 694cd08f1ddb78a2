"""People in two plain colours, and a real bundle of random towers that sees which, small enough to make in every test run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tiny import DIM, MAX_TOKENS, PREPROCESSING, measured, text_tower, tokenizer
from tiny import image_tower as blind_tower

from passerby.model import selftest
from passerby.model.bundle import Bundle, write_bundle
from passerby.model.encoder import Seen, unit_vectors
from passerby.model.onnx import start_session
from passerby.types import Caption, Dataset, Record, Split

NAMES = ("upper:red", "upper:blue", "lower:red", "lower:blue")
COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "black": (20, 20, 20)}
LOUD = 3.0
"""Log-odds for a standard deviation of redness or blueness, less as much."""


def image_tower() -> bytes:
    """The tiny tower; log-odds are linear in how much redder or bluer than the other colours each half of the picture is."""
    model = onnx.load_from_string(blind_tower())
    rows, columns = PREPROCESSING.height // 4, PREPROCESSING.width // 4
    weight = np.zeros((3, rows, columns, len(NAMES)), np.float32)
    for number, name in enumerate(NAMES):
        part, _, colour = name.partition(":")
        half = slice(0, rows // 2) if part == "upper" else slice(rows // 2, rows)
        own, other = (0, 2) if colour == "red" else (2, 0)
        weight[own, half, :, number], weight[other, half, :, number] = 1, -1
    scaled = (LOUD / (rows * columns / 2) * weight).reshape(-1, len(NAMES)).astype(np.float32)
    constants = {"worn_weight": scaled, "worn_bias": np.full(len(NAMES), -LOUD, np.float32)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(
        [
            helper.make_node("MatMul", ["flat", "worn_weight"], ["worn_raw"]),
            helper.make_node("Add", ["worn_raw", "worn_bias"], ["worn"]),
        ]
    )
    model.graph.output.append(helper.make_tensor_value_info("worn", TensorProto.FLOAT, ["n", len(NAMES)]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_dressed_bundle(folder: Path) -> Bundle:
    images, texts = image_tower(), text_tower()
    session, blind = start_session(images, threads=1), measured(images, texts)

    def see(pixels: NDArray[np.float32]) -> Seen:
        features, worn = session.run(["image_features", "worn"], {"pixel_values": pixels})
        return Seen(unit_vectors(features, (len(pixels), DIM)), worn)

    return write_bundle(
        folder,
        name="dressed",
        dim=DIM,
        preprocessing=PREPROCESSING,
        image_tower=images,
        text_tower=texts,
        tokenizer=tokenizer(),
        max_tokens=MAX_TOKENS,
        self_test=selftest.measure(see, lambda _: blind.text_vectors, PREPROCESSING),
        card={"purpose": "tests"},
        attributes=NAMES,
    )


def dressed_people(folder: Path, people: int = 24, views: int = 2) -> Dataset:
    """Pictures and captions of people in the colours of ``COLOURS``, on the disk as a dataset's folder too."""
    generator, records, rows = np.random.default_rng(0), [], []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(people):
        upper, lower = (list(COLOURS)[place] for place in generator.integers(0, 3, 2))
        for view in range(views):
            pixels = np.repeat([COLOURS[upper], COLOURS[lower]], 32, axis=0)[:, None] + generator.normal(0, 12, (64, 32, 3))
            path, text = folder / f"{number}-{view}.png", f"a man in a {upper} jacket and {lower} pants"
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
            records.append(Record(path, path.name, f"p{number}", Split.VAL, (Caption(text),)))
            rows.append(f"{path.name},p{number},val,{text}")
    (folder / "people.csv").write_text("\n".join(["path,id,split,caption", *rows]) + "\n")
    return Dataset("dressed", tuple(records))
