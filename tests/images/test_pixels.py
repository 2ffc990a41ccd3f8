"""A picture has the colors that its file means, whatever their depth, transparency and profile."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from rag_lib.images import open_image

ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))  # of white D50
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
WHITE = (0.9642, 1.0, 0.8249)


def png(path, depth, kind, rows, clear=None):
    """A PNG of `kind` (0 grey, 2 RGB) with `depth` bits; `rows`: packed; `clear`: the transparent color's numbers."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    width = len(rows[0]) * 8 // depth // (3 if kind == 2 else 1)
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0))
    data += chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b""
    data += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


def colors(image):
    return [tuple(pixel) for pixel in np.asarray(image)[0].tolist()]


@pytest.mark.parametrize(
    ("depth", "row", "clear", "expected"),
    [
        (16, struct.pack(">4H", 0, 1, 257, 65_535), 0, [255, 0, 1, 255]),
        (16, struct.pack(">4H", 0, 32_896, 257, 51_400), 32_896, [0, 255, 1, 200]),
        (16, struct.pack(">2H", 255, 256), 255, [255, 1]),
        (16, struct.pack(">2H", 0, 51_400), None, [0, 200]),
        (8, bytes([0, 7, 200]), 7, [0, 255, 200]),
        (4, bytes([0x07, 0xF3]), 7, [0, 255, 255, 51]),
        (2, bytes([0b00011011]), 1, [0, 255, 170, 255]),
        (1, bytes([0b01000001]), 0, [255] * 8),
    ],
)
def test_a_transparent_grey_is_white_at_every_depth(tmp_path, depth, row, clear, expected):
    path = png(tmp_path / "grey.png", depth, 0, [row], clear=None if clear is None else (clear,))
    assert colors(open_image(path)) == [(value,) * 3 for value in expected]
    assert colors(open_image(Image.open(path))) == [(value,) * 3 for value in expected]


@pytest.mark.parametrize(
    ("depth", "clear"),
    [(16, (51_400, 0, 0)), (16, (65_535, 65_535, 0)), (16, (0, 0, 600)), (16, (200, 0, 0)), (8, (200, 0, 0))],
)
def test_a_transparent_color_is_white_at_every_depth(tmp_path, depth, clear):
    far = (20_000, 0, 99) if depth == 16 else (50, 0, 99)
    row = struct.pack(">9H" if depth == 16 else "9B", *clear, *(value // 2 + far[0] for value in clear[::-1]), *far)
    path = png(tmp_path / "color.png", depth, 2, [row], clear=clear)
    solid = png(tmp_path / "solid.png", depth, 2, [row])
    for source in (path, Image.open(path)):
        assert colors(open_image(source)) == [(255, 255, 255), *colors(open_image(solid))[1:]]


def test_opening_an_image_leaves_its_transparent_color_alone(tmp_path):
    row = struct.pack(">6H", 51_400, 0, 0, 9, 9, 9)
    image = Image.open(png(tmp_path / "color.png", 16, 2, [row], clear=(51_400, 0, 0)))
    for _ in range(2):
        assert colors(open_image(image))[0] == (255, 255, 255)
        assert image.info["transparency"] == (51_400, 0, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, 0.25, 1.0]), [0, 64, 255]),
        (np.array([0.0, 0.5, 1.02]), [0, 128, 255]),  # resizing overshoots
        (np.array([0.0, 77.4, 255.0]), [0, 77, 255]),
        (np.array([-5.0, 100.0, 261.0]), [0, 100, 255]),
        (np.array([0.0, 32_896.0, 65_535.0]), [0, 128, 255]),
        (np.array([np.nan, 0.5, np.inf]), [0, 128, 255]),
        (np.array([np.nan, np.nan, -np.inf]), [0, 0, 0]),
        (np.array([0, 1, 1]), [0, 255, 255]),
        (np.array([0, 77, 255]), [0, 77, 255]),
        (np.array([0, 32_896, 65_535]), [0, 128, 255]),
        (np.array([-9, 70_000, 25_700]), [0, 255, 100]),
    ],
)
def test_whole_and_floating_numbers_are_scaled_by_their_range(values, expected):
    image = Image.fromarray(values.astype(np.float32 if values.dtype == float else np.int32)[None])
    assert image.mode in "IF"
    assert colors(open_image(image)) == [(value,) * 3 for value in expected]


def test_a_dark_16_bit_picture_stays_dark(tmp_path):
    path = png(tmp_path / "dark.png", 16, 0, [struct.pack(">3H", 0, 100, 255)])
    assert colors(open_image(path)) == [(0, 0, 0), (0, 0, 0), (1, 1, 1)]


def profile(name, primaries, gamma, space=b"RGB "):
    """An ICC profile (version 2.4) of primaries and one gamma; grey if there are no primaries."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65_536)) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name.encode() + bytes(79)
    tags = {b"desc": text, b"wtpt": xyz(WHITE)} | ({} if primaries else {b"kTRC": curve})
    for letter, values in zip("rgb", primaries, strict=False):
        tags |= {f"{letter}XYZ".encode(): xyz(values), f"{letter}TRC".encode(): curve}
    table, body = struct.pack(">I", len(tags)), b""
    for key, data in tags.items():
        table += struct.pack(">4sII", key, 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    return head + bytes(28) + xyz(WHITE)[8:] + bytes(48) + table + body


def to_srgb(color, primaries, gamma):
    """IEC 61966-2-1, from scratch."""
    linear = np.linalg.solve(np.array(SRGB).T, np.array(primaries).T @ (np.array(color) / 255) ** gamma)
    bent = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.clip(linear, 0, None) ** (1 / 2.4) - 0.055)
    return np.clip(bent, 0, 1) * 255


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("color", [(100, 150, 100), (230, 60, 40), (20, 30, 200), (128, 128, 128)])
def test_a_color_profile_is_obeyed(tmp_path, suffix, color):
    options = {"quality": 100, "icc_profile": profile("Wide", ADOBE, 563 / 256)}
    options |= {"lossless": True} if suffix == ".webp" else {"subsampling": 0} if suffix == ".jpg" else {}
    Image.new("RGB", (16, 16), color).save(tmp_path / f"wide{suffix}", **options)
    expected = to_srgb(color, ADOBE, 563 / 256)
    for options in ({}, {"max_edge": 4}):
        found = open_image(tmp_path / f"wide{suffix}", **options).getpixel((2, 2))
        assert np.abs(np.array(found) - expected).max() <= 3, (found, expected)
    if color != (128, 128, 128):
        assert np.abs(np.array(color) - expected).max() > 10


def test_a_profile_goes_with_transparency_palettes_and_greys():
    wide = profile("Wide", ADOBE, 563 / 256)
    expected = to_srgb((100, 150, 100), ADOBE, 563 / 256)
    half = Image.new("RGBA", (4, 4), (100, 150, 100, 128))
    half.info["icc_profile"] = wide
    assert np.abs(np.array(open_image(half).getpixel((0, 0))) - (expected * 128 + 255 * 127) / 255).max() <= 2
    palette = Image.new("RGB", (4, 4), (100, 150, 100)).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.info["icc_profile"] = wide
    assert np.abs(np.array(open_image(palette).getpixel((0, 0))) - expected).max() <= 2
    for image in (
        Image.new("L", (4, 4), 128),
        Image.new("LA", (4, 4), (128, 255)),
        Image.new("RGB", (4, 4), (128,) * 3),
    ):
        image.info["icc_profile"] = profile("Linear grey", (), 1.0, b"GRAY")
        assert np.abs(np.array(open_image(image).getpixel((0, 0))) - 188).max() <= 1  # half of the light
    plain = open_image(Image.new("CMYK", (4, 4), (10, 200, 90, 20)))
    ink = Image.new("CMYK", (4, 4), (10, 200, 90, 20))
    ink.info["icc_profile"] = wide  # of light, not of ink
    assert open_image(ink).tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"no profile",
        profile("Wide", ADOBE, 2.2)[:300],
        profile("Wide", ADOBE, 2.2, b"Lab "),
        profile("Wide", ADOBE, 2.2).replace(b"rXYZ", b"rXYX"),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        profile("sRGB IEC61966-2.1", SRGB, 2.2),
    ],
    ids=["empty", "text", "cut", "another space", "a tag is missing", "sRGB", "sRGB by name"],
)
def test_a_profile_that_is_broken_or_srgb_changes_no_pixel(tmp_path, given):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=given)
    assert (np.asarray(open_image(tmp_path / "a.png")) == pixels).all()


def test_a_given_image_keeps_its_profile_and_pixels():
    image = Image.new("RGB", (4, 4), (100, 150, 100))
    image.info["icc_profile"] = wide = profile("Wide", ADOBE, 2.2)
    first = open_image(image)
    assert open_image(image).tobytes() == first.tobytes() != image.tobytes()
    assert image.info["icc_profile"] == wide and image.getpixel((0, 0)) == (100, 150, 100)
    data = io.BytesIO()
    first.save(data, "PNG")  # opened again, it is not converted again
    assert open_image(Image.open(data)).tobytes() == first.tobytes()
