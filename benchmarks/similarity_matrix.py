"""Eight drawn people beside a caption of each: the cosine of every caption with every picture, as one picture.

python benchmarks/similarity_matrix.py --out docs/similarity.png
"""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from passerby.atomic import replacing
from passerby.data.datasets import load_dataset
from passerby.data.synthetic import demo_people, write_gallery
from passerby.measure.split import embed_split
from passerby.resolve import DEFAULT_MODEL, load_model

PEOPLE: Final = 8
SEED: Final = 7
CELL: Final = (76, 62)
PICTURE: Final = (56, 112)
CAPTION: Final = 372
MARGIN: Final = 12
LETTERS: Final = 62
"""Of a line of a caption."""
PALE, STRONG, INK = np.array([255, 255, 255]), np.array([64, 126, 201]), "#1b1f26"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/similarity.png"), metavar="PNG")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        pictures = write_gallery(Path(work), demo_people()[:PEOPLE], SEED, views=1)
        split = embed_split(load_model(arguments.model), load_dataset(Path(work)))
        said = {query.record.path: i for i, query in reversed(list(enumerate(split.queries)))}
        first = [said[record.path] for record in split.gallery]
        captions = [split.queries[i].text for i in first]
        cosines = split.texts[first] @ split.images.T
        with replacing(arguments.out) as file:
            draw(captions, pictures, cosines).quantize(256).save(file, "PNG", optimize=True)
    own, others = np.diag(cosines), cosines[~np.eye(PEOPLE, dtype=bool)]
    print(f"own caption: cosine {own.min():.2f} to {own.max():.2f}, mean {own.mean():.2f}")
    print(f"another's caption: cosine {others.min():.2f} to {others.max():.2f}, mean {others.mean():.2f}")
    print(f"captions whose best picture is their own: {np.sum(cosines.argmax(axis=1) == np.arange(PEOPLE))} of {PEOPLE}")


def draw(captions: Sequence[str], pictures: Sequence[Path], cosines: NDArray[np.float32]) -> Image.Image:
    """Captions down the left, pictures along the top, cosines between; each caption's best picture is framed."""
    left, top = 2 * MARGIN + CAPTION, 2 * MARGIN + PICTURE[1]
    sheet = Image.new("RGB", (left + len(pictures) * CELL[0] + MARGIN, top + len(captions) * CELL[1] + MARGIN), "white")
    pen, small, large = ImageDraw.Draw(sheet), ImageFont.load_default(12), ImageFont.load_default(17)
    for j, path in enumerate(pictures):
        with Image.open(path) as picture:
            sheet.paste(picture.resize(PICTURE, Image.Resampling.LANCZOS), (left + j * CELL[0] + (CELL[0] - PICTURE[0]) // 2, MARGIN))
    shades = np.clip((cosines - cosines.min()) / (cosines.max() - cosines.min()), 0, 1)
    for i, caption in enumerate(captions):
        y = top + i * CELL[1]
        pen.multiline_text((MARGIN, y + 6), textwrap.fill(caption, LETTERS), fill=INK, font=small, spacing=3)
        for j, cosine in enumerate(cosines[i]):
            x = left + j * CELL[0]
            colour = tuple((PALE + shades[i, j] * (STRONG - PALE)).astype(int).tolist())
            pen.rectangle((x, y, x + CELL[0] - 3, y + CELL[1] - 3), fill=colour)
            pen.text((x + CELL[0] / 2 - 1, y + CELL[1] / 2 - 1), f"{cosine:.2f}", fill=INK, font=large, anchor="mm")
        x = left + int(cosines[i].argmax()) * CELL[0]
        pen.rectangle((x, y, x + CELL[0] - 3, y + CELL[1] - 3), outline=INK, width=3)
    return sheet


if __name__ == "__main__":
    main()
