"""Pictures as people have them: each gets the vector of its plain upright twin, or is skipped with its reason."""

import io
import os
import random
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from rag_lib.drawn.drawing import draw_product
from rag_lib.encoders import load_encoder

EXACT, NEAR = 1e-4, 5e-3  # largest difference of an entry; what JPEG's losses allow is far below what a mistake makes
PIXELS = draw_product(np.random.default_rng(1), "toaster", "stripes", "red", size=256)[20:220]
PICTURE = Image.fromarray(PIXELS)
GRAY = PICTURE.convert("L")
ALPHA = Image.linear_gradient("L").resize(PICTURE.size)
ON_WHITE = Image.composite(PICTURE, Image.new("RGB", PICTURE.size, "white"), ALPHA)
OTHER = ImageOps.invert(PICTURE)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("pocket", device="cpu")


def vector(encoder, path):
    found = encoder.encode_images([path], progress=False)
    assert found.skipped == () and found.kept == (path,)
    return found.vectors[0]


def gap(encoder, path, expected):
    """The largest difference between the file's vector and that of the picture that it should show."""
    return np.abs(vector(encoder, path) - encoder.encode_query(expected)).max()


def test_the_yardstick_tells_every_mistake(encoder):
    """What a wrong reading would give lies beyond the tolerance, so that the tests below can fail."""
    right = encoder.encode_query(PICTURE)
    mistakes = [PICTURE.transpose(turn) for turn in Image.Transpose] + [OTHER, GRAY, ON_WHITE]
    mistakes += [Image.merge("RGB", PICTURE.split()[::-1]), GRAY.point(lambda value: 255 if value else 0)]
    assert min(np.abs(encoder.encode_query(wrong) - right).max() for wrong in mistakes) > 2 * NEAR


# Orientation -> what the camera stored, so that the viewer's turn makes it upright again (EXIF 2.3, 4.6.4).
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", STORED)
def test_the_orientation_that_a_camera_notes_is_applied(encoder, tmp_path, orientation, suffix):
    turn = STORED[orientation]
    stored = PICTURE if turn is None else PICTURE.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    stored.save(path, exif=exif, quality=95)
    assert gap(encoder, path, PICTURE) < NEAR


@pytest.mark.filterwarnings("error")
def test_exif_that_cannot_be_read_does_not_stop_the_picture(encoder, tmp_path):
    path = tmp_path / "photo.jpg"
    PICTURE.save(path, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f" + b"\xff" * 40, quality=95)
    assert gap(encoder, path, PICTURE) < NEAR


def with_hole():
    """A palette picture whose most frequent color is transparent, and what it shows on white."""
    image = PICTURE.quantize(64)
    index = int(np.bincount(np.asarray(image).ravel()).argmax())
    shown = np.array(image.convert("RGB"))
    shown[np.asarray(image) == index] = 255
    return image, index, Image.fromarray(shown)


def deep_rgb():
    return cv2.imencode(".png", PIXELS[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()


def deep_rgba():
    pixels = np.dstack([PIXELS[:, :, ::-1], np.asarray(ALPHA)]).astype(np.uint16) * 257
    return cv2.imencode(".png", pixels)[1].tobytes()


def saved(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def merged(*bands):
    return Image.merge("RGBA" if len(bands) == 4 else "LA", bands)


HOLED, HOLE, HOLED_ON_WHITE = with_hole()
GRAY_ON_WHITE = Image.composite(GRAY, Image.new("L", GRAY.size, 255), ALPHA)
BITS = GRAY.convert("1")
CASES = {
    "rgb.png": (saved(PICTURE, "PNG"), PICTURE, EXACT),
    "rgb.bmp": (saved(PICTURE, "BMP"), PICTURE, EXACT),
    "interlaced_gif.gif": (saved(HOLED, "GIF", interlace=1), HOLED.convert("RGB"), EXACT),
    "progressive.jpg": (saved(PICTURE, "JPEG", progressive=True, quality=95), PICTURE, NEAR),
    "browser.jfif": (saved(PICTURE, "JPEG", quality=95), PICTURE, NEAR),
    "transparent.png": (saved(merged(*PICTURE.split(), ALPHA), "PNG"), ON_WHITE, 5e-3),
    "transparent.webp": (saved(merged(*PICTURE.split(), ALPHA), "WEBP", lossless=True, exact=True), ON_WHITE, 5e-3),
    "gray.png": (saved(GRAY, "PNG"), GRAY, EXACT),
    "gray.jpg": (saved(GRAY, "JPEG", quality=95), GRAY, NEAR),
    "gray_alpha.png": (saved(merged(GRAY, ALPHA), "PNG"), GRAY_ON_WHITE, 5e-3),
    "one_bit.png": (saved(BITS, "PNG"), BITS.convert("RGB"), EXACT),
    "gray_16.png": (saved(Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257), "PNG"), GRAY, EXACT),
    "rgb_16.png": (deep_rgb(), PICTURE, EXACT),
    "rgba_16.png": (deep_rgba(), ON_WHITE, 5e-3),
    "palette.png": (saved(HOLED, "PNG"), HOLED.convert("RGB"), EXACT),
    "palette_hole.png": (saved(HOLED, "PNG", transparency=HOLE), HOLED_ON_WHITE, EXACT),
    "palette_hole.gif": (saved(HOLED, "GIF", transparency=HOLE), HOLED_ON_WHITE, EXACT),
    "palette_alpha.png": (saved(HOLED, "PNG", transparency=bytes(64)), Image.new("RGB", PICTURE.size, "white"), EXACT),
    "print.jpg": (saved(PICTURE.convert("CMYK"), "JPEG", quality=95), PICTURE, NEAR),
    "moving.gif": (saved(HOLED, "GIF", save_all=True, append_images=[OTHER]), HOLED.convert("RGB"), EXACT),
    "moving.webp": (saved(PICTURE, "WEBP", save_all=True, append_images=[OTHER], lossless=True), PICTURE, EXACT),
    "moving.png": (saved(PICTURE, "PNG", save_all=True, append_images=[OTHER]), PICTURE, EXACT),
    "phone.jpg": (saved(PICTURE, "MPO", save_all=True, append_images=[OTHER], quality=95), PICTURE, NEAR),
    "really_a_png.jpg": (saved(PICTURE, "PNG"), PICTURE, EXACT),
    "really_a_jpeg.gif": (saved(PICTURE, "JPEG", quality=95), PICTURE, NEAR),
    "写真 é é 🐆 #1?%20.png": (saved(PICTURE, "PNG"), PICTURE, EXACT),
    "line\nbreak.png": (saved(PICTURE, "PNG"), PICTURE, EXACT),
}


@pytest.mark.parametrize("name", CASES)
def test_a_picture_has_the_vector_of_its_plain_twin(encoder, tmp_path, name):
    content, expected, tolerance = CASES[name]
    (tmp_path / name).write_bytes(content)
    assert gap(encoder, tmp_path / name, expected) < tolerance


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_huge_picture_is_only_larger(encoder, tmp_path, suffix):
    path = tmp_path / f"huge{suffix}"
    PICTURE.resize((4800, 3750), Image.Resampling.NEAREST).save(path, compress_level=1)
    assert gap(encoder, path, PICTURE) < NEAR


def test_the_inverted_inks_that_adobe_writes_are_turned_back(encoder, tmp_path):
    path = tmp_path / "print.jpg"
    content = saved(PICTURE.convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in content[:100] and Image.open(io.BytesIO(content)).mode == "CMYK"
    path.write_bytes(content)
    right, wrong = encoder.encode_query(PICTURE), encoder.encode_query(OTHER)
    assert vector(encoder, path) @ right > 0.999 > vector(encoder, path) @ wrong


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS makes no such names")
def test_a_name_that_is_not_unicode_is_no_trouble(encoder, tmp_path):
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    with open(name, "wb") as file:
        file.write(saved(PICTURE, "PNG"))
    [path] = tmp_path.iterdir()
    assert gap(encoder, path, PICTURE) < EXACT


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))


def bad(folder):
    """name -> reason, each made in `folder`."""
    whole = {"JPEG": saved(NOISE, "JPEG"), "PNG": saved(NOISE, "PNG"), "WEBP": saved(NOISE, "WEBP")}
    contents = {
        "half.jpg": (whole["JPEG"][: len(whole["JPEG"]) // 2], "it is truncated or damaged"),
        "half.png": (whole["PNG"][: len(whole["PNG"]) // 2], "it is truncated or damaged"),
        "half.webp": (whole["WEBP"][: len(whole["WEBP"]) // 2], "it is truncated or damaged"),
        "last_bytes_missing.jpg": (whole["JPEG"][:-300], "it is truncated or damaged"),
        "page.jpg": (b"<!doctype html><title>404</title>" * 20, "it is not a picture in one of the formats"),
        "scan.png": (saved(NOISE, "TIFF"), "it is not a picture in one of the formats"),
        "empty.jpg": (b"", "the file is empty"),
        "bomb.png": (saved(Image.new("1", (12_000, 8_000)), "PNG"), "it is too large (12000 x 8000"),
        "greater_bomb.png": (saved(Image.new("1", (20_000, 10_000)), "PNG"), "it is too large (more than"),
        "thread.png": (saved(Image.new("1", (60_000, 2)), "PNG"), "it is too long and thin (60000 x 2)"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "nowhere.jpg").symlink_to("gone.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return {name: reason for name, (_, reason) in contents.items()} | {
        "folder.jpg": "it is a folder, not a file",
        "loop.jpg": "it cannot be read (too many levels of symbolic links)",
        "nowhere.jpg": "it links to a file that is not there",
        "pipe.jpg": "it is a device or a pipe, not a file",
        "missing.jpg": "there is no such file",
    }


def test_what_cannot_be_encoded_is_skipped_with_its_reason_and_shifts_nothing(encoder, tmp_path):
    reasons = bad(tmp_path)
    good = {f"good{number}.png": PICTURE.rotate(60 * number) for number in range(4)}
    for name, image in good.items():
        image.save(tmp_path / name)
    names = [*reasons, *good]
    random.Random(0).shuffle(names)
    found = encoder.encode_images([tmp_path / name for name in names], batch_size=3, progress=False)
    assert [path.name for path in found.kept] == [name for name in names if name in good]
    assert [path.name for path, _ in found.skipped] == [name for name in names if name in reasons]
    for path, reason in found.skipped:
        assert reason.startswith(reasons[path.name]), path.name
        assert str(tmp_path) not in reason
    for path, row in zip(found.kept, found.vectors, strict=True):
        assert np.abs(row - encoder.encode_query(good[path.name])).max() < EXACT
