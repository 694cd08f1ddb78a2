"""Put what one bundle says is worn onto another bundle of the same trunk, whose vectors stay equal to the bit.

A head that learnt alone reads what the towers of record pool. Quantised anew, those towers would differ in their last bits from the ones
that every figure was measured with; so the head's nodes alone move over.

    passerby export runs/passerby-s/4-worn/model --out float
    passerby quantize float --data data/CUHK-PEDES --out quantised
    python experiments/add_attributes.py src/passerby/model/bundles/passerby-s quantised --card MODEL_CARD.md --out joined
    passerby calibrate joined --data data/CUHK-PEDES --out passerby-s
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from passerby.model.bundle import Bundle, read_bundle, write_bundle
from passerby.model.bundle_encoder import WORN, BundleEncoder
from passerby.model.preprocess import normalise
from passerby.model.selftest import golden_images, measure

POOLED = "pow_1"
"""What both graphs call the means that are pooled."""


def joined(tower: bytes, donor: bytes) -> bytes:
    """A tower with the nodes of a donor's that lead from the pooled means to what is worn."""
    ours, theirs = onnx.load_from_string(tower), onnx.load_from_string(donor)
    makes = {output: node for node in theirs.graph.node for output in node.output}
    wanted, nodes, needed = [WORN], [], set()
    while wanted:
        name = wanted.pop()
        if name == POOLED or name in needed:
            continue
        needed.add(name)
        if name in makes:
            nodes.append(makes[name])
            wanted += [one for one in makes[name].input if one]
    there = {one.name for one in ours.graph.initializer}
    ours.graph.node.extend(node for node in theirs.graph.node if node in nodes)
    ours.graph.initializer.extend(one for one in theirs.graph.initializer if one.name in needed - there)
    ours.graph.output.extend(one for one in theirs.graph.output if one.name == WORN)
    onnx.checker.check_model(ours, full_check=True)
    return bytes(ours.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onto", type=Path, help="a bundle whose towers stay")
    parser.add_argument("donor", type=Path, help="a bundle that says what is worn")
    parser.add_argument("--card", type=Path, required=True, help="MODEL_CARD.md of the new bundle")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    base, donor = read_bundle(given.onto), read_bundle(given.donor)
    tower = joined(base.image_tower.read(), donor.image_tower.read())
    with TemporaryDirectory() as work:
        draft = _write(base, donor, tower, Path(work) / "draft", given.card)
        made, before = BundleEncoder(draft), BundleEncoder(base)
        pixels = normalise(golden_images(base.preprocessing.height, base.preprocessing.width), base.preprocessing)
        if not np.array_equal(made.embed_images(pixels), before.embed_images(pixels)):
            raise SystemExit("expected vectors equal to the bit, found others")
    bundle = _write(base, donor, tower, given.out, given.card)
    print(f"{given.out} ({bundle.digest[:12]}): {base.name} ({base.digest[:12]}) with {len(donor.attributes)} attributes")


def _write(base: Bundle, donor: Bundle, tower: bytes, out: Path, card: Path) -> Bundle:
    kept = {key: donor.card.get(key) for key in ("recipe", "val", "quantization")}
    write = partial(
        write_bundle,
        name=base.name,
        dim=base.dim,
        preprocessing=base.preprocessing,
        image_tower=tower,
        text_tower=base.text_tower.read(),
        tokenizer=base.tokenizer.read(),
        max_tokens=base.max_tokens,
        attributes=donor.attributes,
        card={**base.card, "attributes": kept},
        extra_files={"MODEL_CARD.md": card, "LICENSE": base.folder / "LICENSE"},
    )
    with TemporaryDirectory() as work:
        untested = BundleEncoder(write(Path(work) / "bundle", self_test=donor.self_test))
        sees = measure(untested.see, BundleEncoder(base).embed_texts, base.preprocessing)
    return write(out, self_test=sees)


if __name__ == "__main__":
    main()
