from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base as Exif

from passerby.errors import ImageError, ModelError
from passerby.media.photo import MAX_PIXELS, read_image
from passerby.model.preprocess import Preprocessing, normalise, preprocess, resize

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")  # as the module does for itself, and pytest undoes

CHANNEL = st.tuples(*[st.floats(-1, 2)] * 3)
SPREAD = st.tuples(*[st.floats(0.05, 2)] * 3)
PREPROCESSING = st.builds(Preprocessing, st.integers(1, 40), st.integers(1, 40), CHANNEL, SPREAD, st.sampled_from(["bicubic", "bilinear"]))
PIXELS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6).map(lambda shape: (*shape, 3)))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture(height: int = 24, width: int = 16) -> Image.Image:
    """Smooth, coloured, and different in every corner."""
    y, x = np.mgrid[:height, :width]
    planes = [y * 255 // height, x * 255 // width, (x + y) * 255 // (height + width)]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (body, end)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


class TestNormalise:
    @given(PIXELS, PREPROCESSING)
    def test_is_the_formula(self, pixels: NDArray[np.uint8], p: Preprocessing) -> None:
        found = normalise(pixels, p)
        expected = np.empty((len(pixels), 3, *pixels.shape[1:3]))
        for n, y, x, c in np.ndindex(*pixels.shape):
            expected[n, c, y, x] = (int(pixels[n, y, x, c]) / 255 - p.mean[c]) / p.std[c]
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

    @given(PIXELS, PREPROCESSING)
    def test_has_an_inverse(self, pixels: NDArray[np.uint8], p: Preprocessing) -> None:
        planes = normalise(pixels, p).astype(np.float64).transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(np.rint((planes * p.std + p.mean) * 255), pixels)


class TestResize:
    def test_same_size_changes_nothing(self) -> None:
        np.testing.assert_array_equal(resize(picture(), 24, 16, "bicubic"), np.asarray(picture()))

    @pytest.mark.parametrize("resample", ["bicubic", "bilinear"])
    def test_is_antialiased(self, resample: str) -> None:
        checkers = np.indices((256, 256)).sum(axis=0) % 2 * 255
        image = Image.fromarray(checkers.astype(np.uint8)).convert("RGB")
        p = Preprocessing(16, 16, (0, 0, 0), (1, 1, 1), "bicubic" if resample == "bicubic" else "bilinear")
        np.testing.assert_allclose(preprocess(image, p), 0.5, atol=0.03)

    @given(PREPROCESSING)
    def test_preprocess_squashes_then_normalises(self, p: Preprocessing) -> None:
        found = preprocess(picture(), p)
        assert found.shape == (3, p.height, p.width)
        np.testing.assert_array_equal(found, normalise(resize(picture(), p.height, p.width, p.resample)[None], p)[0])


class TestPreprocessing:
    @given(PREPROCESSING)
    def test_json_round_trip(self, p: Preprocessing) -> None:
        assert Preprocessing.from_json(p.to_json()) == p

    def test_later_keys_are_ignored(self) -> None:
        p = Preprocessing(2, 3, (0, 0, 0), (1, 1, 1))
        assert Preprocessing.from_json(p.to_json() | {"letterbox": True}) == p

    @pytest.mark.parametrize(
        "change",
        [
            {"height": 0},
            {"height": 5000},
            {"width": True},
            {"width": 1.5},
            {"mean": [0, 0]},
            {"mean": "abc"},
            {"mean": None},
            {"std": [1, 1, 0]},
            {"std": [1, 1, float("nan")]},
            {"resample": "lanczos"},
            {"resample": []},
        ],
    )
    def test_wrong_values_are_refused(self, change: dict[str, object]) -> None:
        good = Preprocessing(2, 3, (0, 0, 0), (1, 1, 1)).to_json()
        with pytest.raises(ModelError):
            Preprocessing.from_json(good | change)

    @pytest.mark.parametrize("value", [None, [], "x", {}])
    def test_other_json_is_refused(self, value: object) -> None:
        with pytest.raises(ModelError):
            Preprocessing.from_json(value)


class TestReadImage:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
    def test_lossless_formats(self, kind: str) -> None:
        np.testing.assert_array_equal(read_image(encoded(picture(), kind)), picture())

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "JPEG2000"])
    def test_lossy_formats(self, kind: str) -> None:
        found = np.asarray(read_image(encoded(picture(64, 48), kind)), int)
        assert np.abs(found - np.asarray(picture(64, 48), int)).mean() < 4

    def test_path_and_bytes_agree(self, tmp_path: Path) -> None:
        path = tmp_path / "a name\nwith a line break.png"
        path.write_bytes(encoded(picture()))
        np.testing.assert_array_equal(read_image(path), read_image(path.read_bytes()))

    @pytest.mark.parametrize(
        ("orientation", "undo"),
        [
            (1, None),
            (2, Image.Transpose.FLIP_LEFT_RIGHT),
            (3, Image.Transpose.ROTATE_180),
            (4, Image.Transpose.FLIP_TOP_BOTTOM),
            (5, Image.Transpose.TRANSPOSE),
            (6, Image.Transpose.ROTATE_90),
            (7, Image.Transpose.TRANSVERSE),
            (8, Image.Transpose.ROTATE_270),
        ],
    )
    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_orientation(self, kind: str, orientation: int, undo: Image.Transpose | None) -> None:
        exif = Image.Exif()
        exif[Exif.Orientation] = orientation
        stored = picture() if undo is None else picture().transpose(undo)
        np.testing.assert_array_equal(read_image(encoded(stored, kind, exif=exif)), picture())

    def test_damaged_exif_does_not_lose_the_picture(self) -> None:
        data = encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
        assert read_image(data).size == (16, 24)

    def test_cmyk(self) -> None:
        red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
        np.testing.assert_allclose(np.asarray(read_image(encoded(red, "JPEG", quality=95)))[8, 8], [255, 0, 0], atol=6)

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
    def test_transparency_lies_over_white(self, mode: str) -> None:
        grey = Image.new("RGBA", (2, 1), (100, 100, 100, 0))
        grey.putpixel((1, 0), (100, 100, 100, 255))
        kind = "TIFF" if mode == "PA" else "PNG"
        found = np.asarray(read_image(encoded(grey.convert(mode) if mode != "RGBA" else grey, kind)))
        np.testing.assert_array_equal(found, [[[255] * 3, [100] * 3]])

    def test_half_transparent(self) -> None:
        found = np.asarray(read_image(encoded(Image.new("RGBA", (1, 1), (200, 100, 0, 128)))))
        np.testing.assert_allclose(found, [[[227, 177, 127]]], atol=1)

    def test_palette_with_a_transparent_colour(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        found = np.asarray(read_image(encoded(image, transparency=0)))
        np.testing.assert_array_equal(found, [[[255] * 3, [40, 50, 60]]])

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
    def test_16_bit_grey_is_scaled(self, kind: str) -> None:
        ramp = np.arange(0, 65536, 257 // 3, dtype=np.uint16)[None]
        found = np.asarray(read_image(encoded(Image.fromarray(ramp), kind)))
        np.testing.assert_array_equal(found, np.rint(ramp / 257)[..., None].repeat(3, axis=-1))

    def test_big_endian_16_bit_grey(self) -> None:
        found = read_image(encoded(Image.frombytes("I;16B", (2, 1), b"\x00\x00\x80\x80"), "TIFF"))
        np.testing.assert_array_equal(np.asarray(found)[0, :, 0], [0, 128])

    @pytest.mark.parametrize(("mode", "white"), [("1", 1), ("L", 255), ("P", None)])
    def test_grey_modes(self, mode: str, white: int | None) -> None:
        image = Image.new(mode, (3, 2), white) if white is not None else Image.new("L", (3, 2), 255).convert("P")
        np.testing.assert_array_equal(np.asarray(read_image(encoded(image))), 255)

    @pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
    def test_animation_gives_its_first_frame(self, kind: str) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {}))
        np.testing.assert_array_equal(np.asarray(read_image(data))[0, 0], [255, 0, 0])

    def test_one_pixel(self) -> None:
        assert preprocess(read_image(encoded(Image.new("RGB", (1, 1)))), Preprocessing(8, 4, (0, 0, 0), (1, 1, 1))).shape == (3, 8, 4)

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "empty file"),
            (b"a plain text", "no known picture format"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64, "convert it to JPEG"),
            (encoded(picture(200, 100), "JPEG")[:1500], "damaged"),
            (encoded(picture(200, 100))[:300], "damaged"),
            (png_header(0, 8), "expected"),
            (png_header(30_000, 30_000), "100 megapixels"),
            (png_header(MAX_PIXELS // 10_000 + 1, 10_000), "10001 x 10000"),
            (encoded(Image.fromarray(np.full((2, 2), 1.5, np.float32)), "TIFF"), "floating-point"),
            (encoded(Image.fromarray(np.array([[-1, 70_000]], np.int32)), "TIFF"), "32-bit"),
        ],
    )
    def test_refusals_say_why_in_one_line(self, data: bytes, words: str) -> None:
        with pytest.raises(ImageError) as refusal:
            read_image(data)
        assert words in str(refusal.value)
        assert len(str(refusal.value).splitlines()) == 1

    def test_size_limit_holds_whatever_pillows_own_limit_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        with pytest.raises(ImageError, match="30000 x 30000"):
            read_image(png_header(30_000, 30_000))

    @given(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"]), st.randoms(use_true_random=False))
    def test_mutated_files_give_a_picture_or_one_line(self, kind: str, chance: random.Random) -> None:
        data = bytearray(encoded(picture(), kind))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data = data[: chance.randint(len(data) // 2, len(data))]
        try:
            image = read_image(bytes(data))
        except ImageError as refusal:
            assert len(str(refusal).splitlines()) == 1
        else:
            assert image.mode == "RGB" and resize(image, 4, 4, "bicubic").shape == (4, 4, 3)


def test_nothing_leaks_to_the_terminal(tmp_path: Path) -> None:
    """Pillow warns of a large picture, of damaged tags, of a palette's bytes; none of it is ours to show."""
    palette = Image.new("P", (1, 1))
    palette.putpalette([0, 0, 0])
    tiff = bytearray(encoded(picture(), "TIFF", compression="tiff_lzw"))
    tiff[4:8] = struct.pack("<I", len(tiff) - 20)
    (tmp_path / "large.png").write_bytes(png_header(9_500, 9_500))
    (tmp_path / "palette.png").write_bytes(encoded(palette, transparency=b"\0"))
    (tmp_path / "tags.tif").write_bytes(tiff)
    (tmp_path / "half.tif").write_bytes(encoded(picture(), "TIFF", compression="tiff_lzw")[:-100])
    program = """
import sys
from pathlib import Path
from passerby.errors import ImageError
from passerby.media.photo import read_image
for path in Path(sys.argv[1]).iterdir():
    try:
        read_image(path)
    except ImageError:
        pass
assert not {"onnxruntime", "tokenizers", "torch"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", program, tmp_path], capture_output=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")
