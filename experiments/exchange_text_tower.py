"""Give a bundle the text tower of another bundle of the same space; what it says of pictures stays equal to the bit.

After a run in which words alone learnt, the image tower quantised anew would differ in its last bits from the one that every figure of
pictures was measured with; after one in which pictures alone did, the text tower would from the one that is there.

    passerby export runs/passerby-s/5-told/model --out float
    passerby quantize float --data data/CUHK-PEDES --out quantised
    python experiments/exchange_text_tower.py src/passerby/model/bundles/passerby-s quantised --card MODEL_CARD.md --out joined
    passerby calibrate joined --data data/CUHK-PEDES --out passerby-s
"""

from __future__ import annotations

import argparse
from pathlib import Path

from passerby.model.bundle import read_bundle, write_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.selftest import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a bundle whose image tower stays")
    parser.add_argument("words", type=Path, help="a bundle whose text tower is taken")
    parser.add_argument("--card", type=Path, required=True, help="MODEL_CARD.md of the new bundle")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    base, donor = read_bundle(given.pictures), read_bundle(given.words)
    if base.dim != donor.dim or base.tokenizer.read() != donor.tokenizer.read():
        raise SystemExit("expected bundles of one space and one vocabulary, found two")
    kept = donor.card.get("words", {key: donor.card.get(key) for key in ("recipe", "val", "quantization")})
    bundle = write_bundle(
        given.out,
        name=base.name,
        dim=base.dim,
        preprocessing=base.preprocessing,
        image_tower=base.image_tower.read(),
        text_tower=donor.text_tower.read(),
        tokenizer=base.tokenizer.read(),
        max_tokens=base.max_tokens,
        attributes=base.attributes,
        self_test=measure(BundleEncoder(base).see, BundleEncoder(donor).embed_texts, base.preprocessing),
        card={**base.card, "words": kept},
        extra_files={"MODEL_CARD.md": given.card, "LICENSE": base.folder / "LICENSE"},
    )
    print(f"{given.out} ({bundle.digest[:12]}): {base.name} ({base.digest[:12]}) with the text tower of {donor.digest[:12]}")


if __name__ == "__main__":
    main()
