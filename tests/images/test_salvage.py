"""Files that Pillow refuses or misreads although their pixels are whole are read; the guards against bombs hold."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from rag_lib.images import ImageError, check_header, open_image


def chunk(name, data, check=None):
    return (
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", zlib.crc32(name + data) if check is None else check)
    )


def noise():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))


def chunks(image, **options) -> list[bytes]:
    data = io.BytesIO()
    image.save(data, "PNG", **options)
    data, found, at = data.getvalue(), [], 8
    while at < len(data):
        size = 12 + struct.unpack(">I", data[at : at + 4])[0]
        found.append(data[at : at + size])
        at += size
    return found


def write(path, parts):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


LONG = zlib.compress(bytes(3_000_000))
ODD = {
    "a long text": chunk(b"zTXt", b"Comment\0\0" + LONG),
    "a long international text": chunk(b"iTXt", b"Comment\0\1\0\0\0" + LONG),
    "a long profile": chunk(b"iCCP", b"display\0\0" + LONG),
    "a profile of an unknown packing": chunk(b"iCCP", b"display\0\7" + LONG[:100]),
    "a profile without an end of its name": chunk(b"iCCP", b"display"),
    "a damaged text": chunk(b"tEXt", b"Comment\0hello", check=7),
    "an animation without frames": chunk(b"acTL", struct.pack(">II", 2, 0)),
    "an animation of no frames": chunk(b"acTL", struct.pack(">II", 0, 0)),
    "a damaged transparency": chunk(b"tRNS", bytes(6), check=7),
    "a damaged orientation": chunk(b"eXIf", b"II*\0", check=7),
}


@pytest.mark.filterwarnings("ignore:Invalid APNG")
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind the pixels"])
def test_what_stands_beside_a_pngs_pixels_does_not_matter(tmp_path, odd, behind):
    head, *pixels, end = chunks(noise())
    path = write(tmp_path / "odd.png", [head, *pixels, odd, end] if behind else [head, odd, *pixels, end])
    check_header(path)
    assert open_image(path).tobytes() == noise().tobytes()
    assert open_image(path, max_edge=20).size == (20, 15)


def test_transparency_and_orientation_are_kept_beside_a_long_text(tmp_path):
    image = noise().convert("P")
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"transparency": int(image.getpixel((0, 0))), "exif": exif}
    parts = chunks(image, **options)
    plain = open_image(write(tmp_path / "plain.png", parts))
    assert plain.size == (30, 40) and plain.getpixel((29, 0)) == (255, 255, 255)
    odd = write(tmp_path / "odd.png", [parts[0], ODD["a long text"], *parts[1:]])
    assert open_image(odd).tobytes() == plain.tobytes()


def test_a_png_that_is_cut_is_read_as_long_as_all_pixels_are_there(tmp_path):
    whole = write(tmp_path / "whole.png", chunks(noise())).read_bytes()
    read = []
    for cut in range(1, 60):
        (tmp_path / "cut.png").write_bytes(whole[:-cut])
        try:
            assert open_image(tmp_path / "cut.png").tobytes() == noise().tobytes()
            read.append(cut)
        except ImageError as exc:
            assert exc.reason == "it is truncated or damaged"
    assert read == list(range(1, len(read) + 1)) and 16 <= len(read) <= 20  # IEND, a checksum, and zlib's own


def test_a_long_text_hides_no_bomb_and_no_damage(tmp_path):
    head, *pixels, end = chunks(noise())
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    cases = {
        "too large": [huge, ODD["a long text"], *pixels, end],
        "truncated or damaged": [head, ODD["a long text"], chunk(b"IDAT", pixels[0][8:500]), end],
        "not a picture": [ODD["a long text"], *pixels, end],
    }
    for reason, parts in cases.items():
        with pytest.raises(ImageError, match=reason):
            open_image(write(tmp_path / "bad.png", parts))
    write(tmp_path / "bad.png", [head, struct.pack(">I", 2**32 - 1) + b"IDAT" + pixels[0][8:500]])
    with pytest.raises(ImageError, match="truncated or damaged"):
        open_image(tmp_path / "bad.png")


def test_a_bmp_of_4_bit_run_lengths_is_refused_instead_of_scrambled(tmp_path):
    """Pillow loses a pixel of the literal run of five."""
    data = b"\x00\x05\x01\x23\x00\x00\x02\x33\x00\x00\x00\x01"
    head = struct.pack("<IiiHHIIiiII", 40, 7, 1, 1, 4, 2, len(data), 0, 0, 4, 0) + bytes(range(16))
    path = tmp_path / "runs.bmp"
    path.write_bytes(struct.pack("<2sIHHI", b"BM", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data)
    for use in (check_header, open_image):
        with pytest.raises(ImageError, match="not read .*run lengths of 4 bits.*save it as .png"):
            use(path)


@pytest.mark.parametrize(
    ("compression", "bits", "kind"),
    [(6, 32, r"Unsupported BMP compression \(6\)"), (0, 2, r"Unsupported BMP pixel depth \(2\)"), (3, 16, "bitfields")],
)
def test_a_bmp_of_a_kind_that_is_not_read_says_so(tmp_path, compression, bits, kind):
    head = struct.pack("<IiiHHIIiiII", 56, 4, 4, 1, bits, compression, 64, 0, 0, 0, 0)
    masks = struct.pack("<4I", 0xF00, 0xF0, 0xF, 0xF000)
    data = struct.pack("<2sIHHI", b"BM", 134, 0, 0, 70) + head + masks + bytes(64)
    (tmp_path / "kind.bmp").write_bytes(data)
    with pytest.raises(ImageError, match=f"damaged or of a kind that is not read .*{kind}.*save it as .png"):
        open_image(tmp_path / "kind.bmp")
