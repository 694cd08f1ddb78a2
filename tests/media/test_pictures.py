"""Sound pictures that look damaged, and pictures that have to be guessed at: read whole, and said."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin
from PIL.ExifTags import Base as Exif

from passerby.cli.app import app
from passerby.errors import ImageError
from passerby.media import photo
from passerby.media.formats import DECODED, IMAGE_SUFFIXES, NOT_DECODED
from passerby.media.photo import read_image, read_picture
from passerby.media.scan import scan_paths

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

LOSSLESS = {"WEBP": {"lossless": True}}


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int = 24, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(read_image(data))


def notes(data: bytes) -> tuple[str, ...]:
    return read_picture(data).notes


# -- formats ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", sorted(suffix for suffixes in DECODED.values() for suffix in suffixes))
def test_each_suffix_of_the_table_is_found_and_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    image = noise().convert("1") if suffix == ".pbm" else noise().convert("L") if suffix == ".pgm" else noise()
    image.save(tmp_path / f"a{suffix}", format=None if suffix != ".mpo" else "MPO")
    (tmp_path / f"a{suffix}").rename(path)
    assert list(scan_paths([tmp_path]).files) == [path]
    found = np.asarray(read_image(path), int)
    assert np.abs(found - np.asarray(image.convert("RGB"), int)).mean() < 12


@pytest.mark.parametrize(
    ("name", "start"), [("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), ("JPEG XL", b"\xff\x0a"), ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n")]
)
def test_what_is_found_and_not_decoded_is_named(name: str, start: bytes) -> None:
    assert set(NOT_DECODED[name]) <= IMAGE_SUFFIXES
    with pytest.raises(ImageError, match=f"found {name}; convert it to JPEG"):
        read_image(start + bytes(100))


def test_a_kind_of_jpeg_that_is_not_read_is_not_called_damaged_alone() -> None:
    twelve_bits = b"\xff\xd8\xff\xc0\0\x0b\x0c\0\x10\0\x10\x01\x01\x11\0"
    with pytest.raises(ImageError, match="a JPEG that is damaged, or of a kind that is not read"):
        read_image(twelve_bits + bytes(100))


# -- metadata ---------------------------------------------------------------------------------------------------------------------


EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0\x40\0\0\0\x1a\0\0\0\0\0\0\0" + b"a description" * 5
TEXT = b"what somebody said of it " * 8


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8], at, end
        at = end


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def described(kind: str) -> bytes:
    """A picture with as much metadata as its format takes."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    match kind:
        case "PNG":
            info = PngImagePlugin.PngInfo()
            info.add_text("said", TEXT.decode())
            info.add_text("zipped", TEXT.decode(), zip=True)
            info.add_itxt("international", TEXT.decode(), zip=True)
            info.add(b"tIME", bytes([7, 230, 1, 1, 1, 1, 1]))
            info.add(b"gAMA", struct.pack(">I", 45455))
            info.add(b"cHRM", bytes(32))
            info.add(b"pHYs", struct.pack(">IIB", 1, 1, 1))
            info.add(b"sPLT", TEXT, after_idat=False)
            info.add(b"zTXt", b"late\0\0" + zlib.compress(TEXT), after_idat=True)
            data = encoded(noise(), exif=EXIF, icc_profile=icc, pnginfo=info)
        case "JPEG":
            data = encoded(noise(), "JPEG", exif=EXIF, icc_profile=icc, comment=TEXT, xmp=TEXT, dpi=(72, 72))
            apps = [(0xED, b"Photoshop 3.0\0008BIM\x04\x04\0\0\0\0\0\x40" + TEXT), (0xE2, b"MPF\0II*\0\x08\0\0\0" + TEXT), (0xEC, b"Ducky")]
            data = data[:2] + b"".join(struct.pack(">BBH", 0xFF, app, len(body) + 2) + body for app, body in apps) + data[2:]
        case "GIF":
            data = encoded(noise(), "GIF", comment=TEXT)
        case "TIFF":
            data = encoded(noise(), "TIFF", exif=EXIF, icc_profile=icc, description=TEXT.decode(), software="soft", dpi=(72, 72))
        case "PPM":
            data = encoded(noise(), "PPM").replace(b"P6\n", b"P6\n# " + TEXT + b"\n", 1)
        case "JPEG2000":
            data = encoded(noise(), "JPEG2000", comment=TEXT)
        case "BMP" | "TGA":
            data = encoded(noise(), kind)
        case _:
            data = encoded(noise(), kind, exif=EXIF, xmp=TEXT, icc_profile=icc, **LOSSLESS.get(kind, {}))
    return data


def metadata(kind: str, data: bytes) -> list[int]:
    """Where the bytes of metadata are, lengths and names apart."""
    match kind:
        case "PNG":
            spans = [(at + 8, end) for name, at, end in png_chunks(data) if name[:1].islower() and name != b"iCCP"]
        case "JPEG":
            at, spans = 2, []
            while data[at + 1] != 0xDA:
                end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
                if 0xE0 <= data[at + 1] <= 0xEF or data[at + 1] == 0xFE:
                    spans += [(at + 4, end)] if data[at + 4 : at + 15] != b"ICC_PROFILE" else []
                at = end
        case "TIFF":
            (start,) = struct.unpack_from("<I", data, 4)
            (count,) = struct.unpack_from("<H", data, start)
            told = {270, 282, 283, 296, 305}
            entries = [at for at in range(start + 2, start + 2 + 12 * count, 12) if struct.unpack_from("<H", data, at)[0] in told]
            spans = [(at + 2, at + 12) for at in entries]
        case "BMP":
            spans = [(6, 10), (38, 46)]
        case "TGA":
            spans = [(len(data) - 26, len(data) - 18)]
        case _:
            spans = [(data.index(blob), data.index(blob) + len(blob)) for blob in (EXIF[6:], TEXT) if blob in data]
    assert spans, kind
    return [place for start, end in spans for place in range(start, end)]


@pytest.mark.parametrize("kind", [kind for kind in DECODED if kind != "DIB"])
@pytest.mark.parametrize("seed", range(3))
def test_damaged_metadata_costs_no_pixel(kind: str, seed: int) -> None:
    data = described(kind)
    expected, places, chance = pixels(data), metadata(kind, data), random.Random(seed)
    for count in [1] * 20 + [4] * 10 + [len(places)] * 4:
        mutated = bytearray(data)
        for place in chance.sample(places, count):
            mutated[place] = chance.choice([0, 255, chance.randrange(256)]) if kind != "PPM" else chance.choice(b"\0#x\xff")
        np.testing.assert_array_equal(pixels(bytes(mutated)), expected)


@pytest.mark.parametrize("kind", DECODED)
def test_what_follows_the_end_is_nothing(kind: str) -> None:
    data = encoded(noise(), kind)
    for rest in (b"\0" * 1000, b"\xff\xd8\xff\xe0 another" * 20, random.Random(0).randbytes(5000)):
        np.testing.assert_array_equal(pixels(data + rest), pixels(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_damaged_profile_is_left_out_and_said(kind: str) -> None:
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    plain = encoded(noise(), kind, **LOSSLESS.get(kind, {}))
    for damage in (slice(0, 4), slice(36, 40), slice(128, None)):
        broken = bytearray(icc)
        broken[damage] = b"\xee" * len(broken[damage])
        data = encoded(noise(), kind, icc_profile=bytes(broken), **LOSSLESS.get(kind, {}))
        np.testing.assert_array_equal(pixels(data), pixels(plain))
        assert notes(data) in ((photo.NO_PROFILE,), ())
    assert notes(encoded(noise(), kind, icc_profile=b"rubbish" * 30)) == (photo.NO_PROFILE,)


def test_text_that_unpacks_to_megabytes() -> None:
    """And the orientation beside it still counts."""
    exif = Image.Exif()
    exif[Exif.Orientation] = 6
    info = PngImagePlugin.PngInfo()
    info.add_text("long", "x" * 2_000_000, zip=True)
    np.testing.assert_array_equal(pixels(encoded(noise(), pnginfo=info, exif=exif)), noise().transpose(Image.Transpose.ROTATE_270))
    data = encoded(noise(), pnginfo=info, exif=exif)
    data = data[:33] + png_chunk(b"iCCP", b"huge\0\0" + zlib.compress(bytes(3_000_000))) + data[33:]
    np.testing.assert_array_equal(pixels(data), noise().transpose(Image.Transpose.ROTATE_270))
    assert notes(data) == (photo.NO_PROFILE,)


def test_orientation_that_is_lost_is_said() -> None:
    exif = Image.Exif()
    exif[Exif.Orientation] = 6
    png_file, webp = encoded(noise(), exif=exif), encoded(noise(), "WEBP", exif=exif, lossless=True)
    chunk = next(end for kind, _, end in png_chunks(png_file) if kind == b"eXIf")
    wrong_sum = png_file[: chunk - 1] + bytes([png_file[chunk - 1] ^ 1]) + png_file[chunk:]
    not_exif = encoded(noise(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    for data in (wrong_sum, webp[:-4], not_exif):
        assert notes(data) == (photo.NO_ORIENTATION,)
        assert read_image(data).size == noise().size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_is_turned_once(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[Exif.Orientation] = orientation
    stored = encoded(noise(), kind, **LOSSLESS.get(kind, {}))
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    expected = read_image(stored).transpose(turns[orientation]) if orientation > 1 else read_image(stored)
    np.testing.assert_array_equal(pixels(encoded(noise(), kind, exif=exif, **LOSSLESS.get(kind, {}))), expected)


# -- the end ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 1}, {"restart_marker_blocks": 3, "progressive": True}],
    ids=lambda options: "-".join(options) or "plain",
)
@pytest.mark.parametrize(
    "image", [noise(), Image.new("L", (25, 17), 77), Image.new("RGB", (40, 24), "white")], ids=["noise", "grey", "white"]
)
def test_a_cut_jpeg_is_whole_or_refused(image: Image.Image, options: dict[str, object]) -> None:
    """Wherever it is cut: what is read is what was there, and without the end marker alone it is read."""
    data = encoded(image, "JPEG", **options)
    expected = pixels(data)
    for cut in (1, 2):
        np.testing.assert_array_equal(pixels(data[:-cut]), expected)
    for end in range(2, len(data) - 2):
        for lost in (b"", bytes(4096)) if end % 4 == 0 else (b"",):
            try:
                found = pixels(data[:end] + lost)
            except ImageError:
                continue
            np.testing.assert_array_equal(found, expected)


def test_a_jpeg_that_ends_in_zeros() -> None:
    data = encoded(noise(), "JPEG")
    np.testing.assert_array_equal(pixels(data + bytes(4096)), pixels(data))
    np.testing.assert_array_equal(pixels(data[:-2] + bytes(4096)), pixels(data))
    with pytest.raises(ImageError, match="truncated"):
        read_image(data[:-30] + bytes(4096))


@pytest.mark.parametrize("kind", [kind for kind in DECODED if kind != "JPEG"])
def test_a_cut_file_is_whole_or_refused(kind: str) -> None:
    data = encoded(noise(), kind, **({"exif": EXIF} if kind == "WEBP" else {}))
    expected = pixels(data)
    for end in range(len(data) - 1, 0, -max(1, len(data) // 300)):
        try:
            found = pixels(data[:end])
        except ImageError:
            continue
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("kind", "cut"), [("PNG", 12), ("GIF", 1), ("TGA", 26), ("WEBP", 20)])
def test_pixels_without_the_end_of_their_file(kind: str, cut: int) -> None:
    data = encoded(noise(), kind, **({"exif": EXIF} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(pixels(data[:-cut]), pixels(data))


# -- depth ------------------------------------------------------------------------------------------------------------------------


def tiff(samples: NDArray[np.generic], tags: dict[int, tuple[int, ...]], order: str = "<") -> bytes:
    """An uncompressed TIFF of a strip, as its tags say."""
    body = samples.astype(samples.dtype.newbyteorder("<" if order == "<" else ">")).tobytes()
    height, width = samples.shape[:2]
    depth = (samples.dtype.itemsize * 8,) * (samples.shape[2] if samples.ndim == 3 else 1)
    told = {
        256: (width,),
        257: (height,),
        258: depth,
        259: (1,),
        262: (1,),
        273: (8,),
        277: (len(depth),),
        278: (height,),
        279: (len(body),),
    }
    told |= tags
    entries, more, start = b"", b"", 8 + len(body)
    for tag, values in sorted(told.items()):
        value = struct.pack(f"{order}{len(values)}H", *values)
        if len(value) > 4:
            more, value = more + value, struct.pack(order + "I", start + 6 + 12 * len(told) + len(more))
        entries += struct.pack(order + "HHI", tag, 3, len(values)) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + body + struct.pack(order + "H", len(told)) + entries + bytes(4) + more


def png(samples: NDArray[np.uint16], colour: int) -> bytes:
    """A PNG of 16-bit samples: grey 0, RGB 2, grey and alpha 4, RGBA 6."""
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in samples.astype(">u2"))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def ramp(bits: int) -> NDArray[np.uint16]:
    """All 256 greys in samples of so many bits, uint16 (2, 256)."""
    return np.rint(np.linspace(0, (1 << bits) - 1, 256)).astype(np.uint16)[None].repeat(2, axis=0)


GREYS = ramp(8)[..., None].repeat(3, axis=-1)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_bits_that_16_hold(bits: int) -> None:
    grey = ramp(bits)
    colours, clear = grey[..., None].repeat(3, axis=-1), np.full((*grey.shape, 1), 65535, np.uint16)
    files = [
        png(grey, 0),
        png(colours, 2),
        png(np.concatenate([grey[..., None], clear], axis=-1), 4),
        png(np.concatenate([colours, clear], axis=-1), 6),
        tiff(grey, {}),
        tiff(grey, {}, ">"),
        tiff(colours, {262: (2,)}),
        tiff(colours, {262: (2,)}, ">"),
        encoded(Image.fromarray(grey), "TIFF", compression="tiff_lzw"),
        encoded(Image.fromarray(grey), "PPM"),
    ]
    for data in files:
        np.testing.assert_allclose(pixels(data).astype(int), GREYS, atol=0 if bits < 16 else 1)
        assert notes(data) == ((f"{bits} bits in 16, judged by the brightest pixel",) if bits < 16 else ())


def test_depth_that_is_known_is_not_guessed() -> None:
    signed = tiff(ramp(15).astype(np.int16), {339: (2,)})
    np.testing.assert_array_equal(pixels(signed), GREYS)
    pair = 0x000, 0xFFF, 0x800, 0x080
    packed = b"".join(struct.pack(">I", first << 12 | second)[1:] for first, second in (pair[:2], pair[2:]))
    twelve = tiff(np.frombuffer(packed, np.uint8)[None], {256: (4,), 258: (12,)})
    np.testing.assert_array_equal(pixels(twelve)[0, :, 0], [0, 255, 128, 8])
    black = png(np.zeros((2, 2), np.uint16), 0)
    assert (notes(signed), notes(twelve), notes(black)) == ((), (), ())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_white_is_zero(bits: int, order: str) -> None:
    samples = np.frombuffer(bytes(range(256)), np.uint8)[None]
    black, white = [tiff(samples, {256: (256 * 8 // bits,), 258: (bits,), 262: (which,)}, order) for which in (1, 0)]
    np.testing.assert_array_equal(pixels(white), 255 - pixels(black))


@pytest.mark.parametrize("bits", [12, 16])
def test_white_is_zero_in_deep_grey(bits: int) -> None:
    np.testing.assert_array_equal(pixels(tiff(ramp(bits), {262: (0,)})), 255 - GREYS)


def test_a_bitmap_of_ink() -> None:
    np.testing.assert_array_equal(pixels(b"P4\n8 1\n\xf0")[0, :, 0], [0] * 4 + [255] * 4)
    np.testing.assert_array_equal(pixels(b"P1\n4 1\n1 0 0 1")[0, :, 0], [0, 255, 255, 0])


def test_pixels_below_zero_are_refused() -> None:
    with pytest.raises(ImageError, match="pixels below zero"):
        read_image(tiff(-ramp(15).astype(np.int16), {339: (2,)}))


# -- alpha ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "TGA", "BMP"])
@pytest.mark.parametrize("alpha", [0, 1])
def test_colours_below_nothing_are_shown(kind: str, alpha: int) -> None:
    image = noise()
    image.putalpha(alpha)
    data = encoded(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    if kind == "BMP":  # says nothing of alpha
        assert notes(data) == ()
    else:
        assert notes(data) == (photo.NO_ALPHA,)
    np.testing.assert_array_equal(pixels(data), noise())


def test_grey_below_nothing() -> None:
    grey = noise().convert("L")
    image = grey.copy()
    image.putalpha(0)
    np.testing.assert_array_equal(pixels(encoded(image)), grey.convert("RGB"))


def test_nothing_at_all_is_refused() -> None:
    for image in (Image.new("RGBA", (9, 9)), Image.new("LA", (9, 9))):
        with pytest.raises(ImageError, match="transparent everywhere"):
            read_image(encoded(image))


def test_alpha_that_was_multiplied_in() -> None:
    colours = np.full((4, 4, 4), (50, 20, 0, 100), np.uint8)
    np.testing.assert_allclose(pixels(tiff(colours, {262: (2,), 338: (1,)}))[0, 0], [205, 175, 155], atol=1)


@pytest.mark.skipif(all(mode != "La" for mode, _ in TiffImagePlugin.OPEN_INFO.values()), reason="this Pillow does not read it")
def test_alpha_that_was_multiplied_into_grey() -> None:
    np.testing.assert_allclose(pixels(tiff(np.full((4, 4, 2), (50, 100), np.uint8), {338: (1,)})), 205, atol=1)


# -- colours ----------------------------------------------------------------------------------------------------------------------

D50 = (0.9642, 1.0, 0.8249)
PRIMARIES = {
    "ProPhoto": ([(0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)], 1.8),
    "Adobe RGB": ([(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)], 563 / 256),
    "Display P3": ([(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)], 2.2),
}


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 for a display."""
    entries, bodies, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        entries += struct.pack(">4sII", tag, at + len(bodies), len(body))
        bodies += padded
    white = struct.pack(">3i", *(round(value * 65536) for value in D50))
    head = struct.pack(">I4sI4s4s4s12s4s", at + len(bodies), b"none", 0x02400000, b"mntr", space, b"XYZ ", bytes(12), b"acsp")
    return (head + bytes(28) + white).ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + bodies


def xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def text(kind: bytes) -> bytes:
    return kind + bytes(4) + (struct.pack(">I", 2) + b"a\0" + bytes(78) if kind == b"desc" else b"free\0")


def wide(name: str) -> bytes:
    primaries, power = PRIMARIES[name]
    colours = {tag: xyz(value) for tag, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(power))
    return profile(b"RGB ", {b"desc": text(b"desc"), b"cprt": text(b"text"), b"wtpt": xyz(D50), **colours, **curves})


def muted() -> NDArray[np.float64]:
    """Colours that every space holds, as sRGB."""
    return 40 + 170 * np.random.default_rng(1).random((12, 10, 3))


def in_space(name: str) -> NDArray[np.uint8]:
    """:func:`muted`, by the definition of the space."""
    srgb = muted() / 255
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)])
    primaries, power = PRIMARIES[name]
    inside = light @ to_xyz @ np.linalg.inv(np.array(primaries))
    stored: NDArray[np.uint8] = np.rint(255 * inside.clip(0, 1) ** (1 / power)).astype(np.uint8)
    return stored


@pytest.mark.parametrize("name", PRIMARIES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_wide_colours_become_srgb(kind: str, name: str) -> None:
    image = Image.fromarray(in_space(name)).resize((80, 96), Image.Resampling.NEAREST)
    best: dict[str, dict[str, object]] = {"JPEG": {"quality": 100, "subsampling": 0}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    data = encoded(image, kind, icc_profile=wide(name), **LOSSLESS.get(kind, best.get(kind, {})))
    found = pixels(data)[4::8, 4::8].astype(float)
    assert np.abs(found - muted()).mean() < 2.5
    assert kind in best or np.abs(found - muted()).max() < 3
    assert np.abs(pixels(encoded(image))[4::8, 4::8] - muted()).max() > 20
    assert notes(data) == ()


def test_a_wide_jpeg_2000() -> None:
    data = encoded(Image.fromarray(in_space("ProPhoto")), "JPEG2000")
    at, icc = data.index(b"colr") - 4, wide("ProPhoto")
    size = int.from_bytes(data[at : at + 4])
    header = data.index(b"jp2h") - 4
    longer = len(icc) + 11 - size
    head = struct.pack(">I", int.from_bytes(data[header : header + 4]) + longer)
    box = struct.pack(">I4s3B", len(icc) + 11, b"colr", 2, 0, 0) + icc
    data = data[:header] + head + data[header + 4 : at] + box + data[at + size :]
    assert np.abs(pixels(data) - muted()).max() < 4


def test_wide_colours_below_alpha_in_a_palette_and_deep() -> None:
    image = Image.fromarray(in_space("ProPhoto"))
    below = image.copy()
    below.putalpha(255)
    below.putpixel((0, 0), (0, 0, 0, 0))
    found = pixels(encoded(below, icc_profile=wide("ProPhoto")))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found - muted())[1:].max() < 4
    palette = image.quantize(120)
    assert np.abs(pixels(encoded(palette, icc_profile=wide("ProPhoto"))) - muted()).max() < 4
    deep = tiff(in_space("ProPhoto").astype(np.uint16) * 257, {262: (2,)})
    assert np.abs(pixels(encoded(Image.open(BytesIO(deep)), "TIFF", icc_profile=wide("ProPhoto"))) - muted()).max() < 4


def test_a_grey_profile() -> None:
    icc = profile(b"GRAY", {b"desc": text(b"desc"), b"cprt": text(b"text"), b"wtpt": xyz(D50), b"kTRC": gamma(1.0)})
    linear = Image.fromarray(np.full((4, 4), 55, np.uint8))
    np.testing.assert_allclose(pixels(encoded(linear, icc_profile=icc)), 128, atol=2)
    linear.putalpha(255)
    np.testing.assert_allclose(pixels(encoded(linear, icc_profile=icc)), 128, atol=2)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(np.full((4, 4), 55, np.uint8)), icc_profile=wide("ProPhoto"))), 55)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_srgb_by_any_profile_is_left_to_the_bit(kind: str) -> None:
    primaries = [(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
    curve = np.linspace(0, 1, 1024)
    light = np.where(curve <= 0.04045, curve / 12.92, ((curve + 0.055) / 1.055) ** 2.4)
    sampled = b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *np.rint(light * 65535).astype(int))
    tags = {b"desc": text(b"desc"), b"cprt": text(b"text"), b"wtpt": xyz(D50)}
    tags |= {tag: xyz(value) for tag, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), sampled)
    for icc in (profile(b"RGB ", tags), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        with_profile = encoded(noise(), kind, icc_profile=icc, **LOSSLESS.get(kind, {}))
        np.testing.assert_array_equal(pixels(with_profile), pixels(encoded(noise(), kind, **LOSSLESS.get(kind, {}))))
        assert notes(with_profile) == ()


def test_ink_that_does_not_say_where_white_is() -> None:
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    start = data.index(b"Adobe") - 4
    silent = data[:start] + data[start + 16 :]
    assert (notes(data), notes(silent)) == ((), (photo.INVERTED_INK,))


# -- notes ------------------------------------------------------------------------------------------------------------------------


def test_guesses_reach_who_indexes_embeds_and_asks(tmp_path: Path, tiny_bundle: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    noise().save(crops / "a.png")
    (crops / "b.png").write_bytes(png(ramp(12), 0))
    (crops / "c.png").write_bytes(png(ramp(12).T.copy(), 0))
    noise().save(crops / "d.gif", save_all=True, append_images=[Image.new("RGB", (24, 40))])
    where = [str(crops), "--model", str(tiny_bundle)]
    done = CliRunner().invoke(app, ["index", *where, "--index", str(tmp_path / "index")])
    assert done.exit_code == 0
    assert f"guessed at {crops / 'b.png'} and 1 more: 12 bits in 16, judged by the brightest pixel\n" in done.stderr
    assert f"guessed at {crops / 'd.gif'}: {photo.FIRST_FRAME}\n" in done.stderr
    assert "a.png" not in done.stderr
    done = CliRunner().invoke(app, ["embed", *where, "--out", str(tmp_path / "vectors.npz"), "--json"])
    assert {(Path(one["path"]).name, one["note"][:12]) for one in json.loads(done.stdout)["notes"]} == {
        ("b.png", "12 bits in 1"),
        ("c.png", "12 bits in 1"),
        ("d.gif", "several fram"),
    }
    done = CliRunner().invoke(app, ["search", "--like", str(crops / "b.png"), *where[1:], "--index", str(tmp_path / "index")])
    assert done.stderr.startswith(f"guessed at {crops / 'b.png'}: 12 bits in 16")


def test_pillow_is_unheard_from_the_first_picture_on_and_not_from_an_import(tmp_path: Path) -> None:
    """In many threads, and again where somebody has put the filters back; a filter that comes later is the program's own."""
    exif = Image.Exif()
    exif[Exif.ImageDescription] = "x" * 100
    noise().save(tmp_path / "a.jpg", exif=exif.tobytes()[:-60])
    program = """
import sys, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from passerby.media.photo import read_image
before = list(warnings.filters)
assert all("PIL" not in str(one) for one in before)
data = Path(sys.argv[1]).read_bytes()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(read_image, [data] * 64))
with warnings.catch_warnings():
    warnings.resetwarnings()
    read_image(data)
assert len(warnings.filters) == len(before) + 1
warnings.filterwarnings("always", module="PIL")
print("from here on", file=sys.stderr)
read_image(data)
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", program, tmp_path / "a.jpg"], capture_output=True, text=True, check=False)
    before, after = done.stderr.split("from here on\n")
    assert (done.returncode, before) == (0, "")
    assert "larger than file" in after


# -- memory -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_large_photo_is_held_once(tmp_path: Path, kind: str) -> None:
    path, side = tmp_path / "large", 4000
    Image.new("RGB", (side, side), "teal").save(path, kind)
    program = (
        "import sys; from pathlib import Path; from passerby.media.photo import read_image\n"
        "def most(): return next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) * 1024\n"
        "read_image(Path(sys.argv[2])); before = most(); image = read_image(Path(sys.argv[1])); print(most() - before)"
    )
    small = tmp_path / "small"
    noise().save(small, kind)
    done = subprocess.run([sys.executable, "-c", program, path, small], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1.5 * 4 * side * side  # Pillow has four bytes for each pixel
