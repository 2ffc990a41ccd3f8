import io
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from rag_lib import images
from rag_lib.errors import RagError
from rag_lib.images import ImageError, content_id, list_images, open_image, thumbnail

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(width=40, height=20, left=RED, right=BLUE) -> Image.Image:
    image = Image.new("RGB", (width, height), right)
    image.paste(left, (0, 0, width // 2, height))
    return image


def near(pixel, color, tolerance=12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, color, strict=True))


def noise(size=(200, 150)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_every_format_opens_as_rgb(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    halves().save(path)
    image = open_image(path)
    assert (image.mode, image.size) == ("RGB", (40, 20))
    assert near(image.getpixel((8, 10)), RED) and near(image.getpixel((32, 10)), BLUE)


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_a_truncated_file_raises(tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    noise().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(ImageError, match=f"'cut{suffix}'") as caught:
        open_image(path)
    assert str(tmp_path) not in str(caught.value)
    path.write_bytes(whole[:3])
    with pytest.raises(ImageError, match="not a picture"):
        open_image(path)


def test_faults_name_the_file_and_the_reason(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture at all")
    halves().save(tmp_path / "really.tiff")
    os.rename(tmp_path / "really.tiff", tmp_path / "tiff.png")
    cases = {
        "empty.jpg": "empty",
        "text.jpg": "not a picture",
        "tiff.png": "not a picture in one of the formats",
        "missing.jpg": "no such file",
        "": "folder",
    }
    for name, reason in cases.items():
        with pytest.raises(ImageError, match=reason) as caught:
            open_image(tmp_path / name)
        assert str(tmp_path) + "/" not in str(caught.value)
        assert name in str(caught.value) and not caught.value.reason.startswith("The picture")
    for odd in ("nul\0byte.jpg", "x" * 5000 + ".jpg"):
        with pytest.raises(ImageError):
            open_image(odd)
    with pytest.raises(ImageError, match="not int"):
        open_image(7)


def test_a_decompression_bomb_is_an_error_without_a_warning(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 8_000)).save(path)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(ImageError, match="too large"):
            open_image(path)
    assert not seen
    huge = tmp_path / "huge.png"
    Image.new("1", (20_000, 10_000)).save(huge)
    with pytest.raises(ImageError, match="too large"):
        open_image(huge)


def test_a_thread_of_pixels_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (40_000, 10)).save(tmp_path / "long.png")
    with pytest.raises(ImageError, match=r"too long and thin \(40000 x 10\)"):
        images.check_header(tmp_path / "long.png")
    Image.new("1", (20_000, 10)).save(tmp_path / "just.png")
    assert open_image(tmp_path / "just.png").size == (20_000, 10)


SHORT_OF_MEMORY = """
import resource, sys
from PIL import Image
from rag_lib.images import ImageError, open_image
source = Image.open(sys.argv[1]) if sys.argv[3] else sys.argv[1]
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + int(sys.argv[2]) * 10**6,) * 2)
try:
    open_image(source)
except ImageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
@pytest.mark.parametrize("spare", [30, 150], ids=["decoding", "converting"])
@pytest.mark.parametrize("opened", [False, True], ids=["path", "opened"])
def test_a_picture_for_which_memory_is_too_small_is_not_called_damaged(tmp_path, spare, opened):
    path = tmp_path / "good.png"
    Image.new("L", (9000, 9000)).save(path)  # 81 MB; as RGB four times as much
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(path), str(spare), "opened" * opened]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout == "The picture 'good.png' cannot be used: there is not enough memory to open it.\n"


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for use in (open_image, content_id, images.check_header):
        with pytest.raises(ImageError, match="device or a pipe"):
            use(tmp_path / "pipe.jpg")


def test_exif_orientation_is_applied(tmp_path):
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a turn of 90 degrees clockwise: what was left comes to the top
    halves(400, 200).save(path, exif=exif, quality=95)
    for max_edge in (None, 50):
        image = open_image(path, max_edge=max_edge)
        assert image.size == ((200, 400) if max_edge is None else (25, 50))
        assert near(image.getpixel((10, 5)), RED) and near(image.getpixel((10, image.height - 5)), BLUE)


def test_transparency_becomes_white(tmp_path):
    clear = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    clear.putpixel((0, 0), (255, 0, 0, 255))
    clear.putpixel((1, 0), (255, 0, 0, 128))
    clear.save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    assert image.getpixel((0, 0)) == RED
    assert near(image.getpixel((1, 0)), (255, 127, 127), 2)
    assert image.getpixel((5, 5)) == (255, 255, 255)

    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 255, 0, 255, 0, 0])
    palette.putpixel((0, 0), 0)
    palette.save(tmp_path / "p.png", transparency=1)
    image = open_image(tmp_path / "p.png")
    assert image.getpixel((0, 0)) == (0, 255, 0) and image.getpixel((2, 2)) == (255, 255, 255)

    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "la.png")
    assert open_image(tmp_path / "la.png").getpixel((0, 0)) == (255, 255, 255)


def test_unusual_modes_keep_their_colors(tmp_path):
    Image.fromarray(np.full((4, 4), 32_896, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert open_image(tmp_path / "deep.png").getpixel((0, 0)) == (128, 128, 128)
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    assert near(open_image(tmp_path / "cmyk.jpg").getpixel((8, 8)), RED)
    halves().convert("P").save(tmp_path / "p.png")
    assert near(open_image(tmp_path / "p.png").getpixel((3, 3)), RED)
    Image.new("L", (4, 4), 77).save(tmp_path / "l.jpg")
    assert near(open_image(tmp_path / "l.jpg").getpixel((1, 1)), (77, 77, 77), 2)
    Image.new("1", (4, 4), 1).save(tmp_path / "bit.bmp")
    assert open_image(tmp_path / "bit.bmp").getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animated_pictures_give_their_first_frame(tmp_path, suffix):
    path = tmp_path / f"moving{suffix}"
    Image.new("RGB", (8, 8), RED).save(path, save_all=True, append_images=[Image.new("RGB", (8, 8), BLUE)])
    assert near(open_image(path).getpixel((4, 4)), RED)


def test_a_pil_image_is_taken_and_not_changed():
    image = Image.new("RGBA", (300, 100), (255, 0, 0, 255))
    small = open_image(image, max_edge=30)
    assert (small.mode, small.size) == ("RGB", (30, 10))
    assert (image.mode, image.size) == ("RGBA", (300, 100))
    rgb = Image.new("RGB", (4, 4))
    assert open_image(rgb) is not rgb


def test_a_pil_image_that_is_not_loaded_yet_can_be_given_to_many_threads(tmp_path):
    noise((600, 450)).save(tmp_path / "a.png")
    expected = open_image(tmp_path / "a.png").tobytes()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            with Image.open(tmp_path / "a.png") as image:
                opened = list(pool.map(open_image, [image] * 8))
            assert all(one.tobytes() == expected for one in opened)


def test_a_truncated_pil_image_raises():
    data = io.BytesIO()
    noise().save(data, "JPEG")
    with pytest.raises(ImageError, match="truncated"):
        open_image(Image.open(io.BytesIO(data.getvalue()[:2000])))


def test_thumbnail_keeps_the_aspect_ratio_and_never_enlarges(tmp_path):
    path = tmp_path / "wide.jpg"
    halves(1600, 400).save(path)
    assert thumbnail(path, 200).size == (200, 50)
    assert thumbnail(halves(20, 10), 200).size == (20, 10)
    assert thumbnail(halves(3000, 2), 30).size == (30, 1)
    with pytest.raises(ImageError, match="at least 1"):
        thumbnail(path, 0)


def stripes(path, size=(800, 600)):
    """Three pixels black, three white: too coarse a decoding turns them into waves."""
    row = (np.arange(size[0]) // 3 % 2 * 255).astype(np.uint8)
    Image.fromarray(np.tile(row, (size[1], 1))).save(path, quality=95)
    return path


def gap(image, exact) -> float:
    return np.abs(np.asarray(image, int) - np.asarray(exact, int)).mean()


@pytest.mark.parametrize("edge", [100, 200])
def test_a_jpeg_is_decoded_no_coarser_than_twice_the_size(tmp_path, edge):
    """At once the size, decoding alone would have to shrink: 21 and 27 grey levels off."""
    path = stripes(tmp_path / "stripes.jpg")
    exact = open_image(path).resize((edge, edge * 3 // 4), Image.Resampling.BICUBIC)
    assert gap(open_image(path, max_edge=edge), exact) < 8


@pytest.mark.parametrize(
    ("short_edge", "size"), [(37, (100, 75)), (38, (200, 150)), (75, (200, 150)), (151, (800, 600))]
)
def test_a_jpeg_for_a_short_edge_keeps_twice_as_many_pixels(tmp_path, short_edge, size):
    path = stripes(tmp_path / "stripes.jpg")
    assert open_image(path, short_edge=short_edge).size == size
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert open_image(tmp_path / "turned.jpg", short_edge=short_edge).size == size[::-1]


def test_only_a_file_of_a_jpeg_is_decoded_in_part(tmp_path):
    stripes(tmp_path / "stripes.png")
    assert open_image(tmp_path / "stripes.png", short_edge=37).size == (800, 600)
    with Image.open(stripes(tmp_path / "stripes.jpg")) as image:
        assert open_image(image, short_edge=37).size == image.size == (800, 600)
    for options in ({"short_edge": 0}, {"max_edge": -1}):
        with pytest.raises(ImageError, match="at least 1 pixel"):
            open_image(tmp_path / "stripes.jpg", **options)


def test_list_is_recursive_sorted_and_leaves_out_hidden_and_other_files(tmp_path):
    names = ["b.JPG", "a/z.png", "a.webp", "a/.hidden.png", ".git/x.jpg", "notes.txt", "B.gif", "a/b/c.jpeg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["B.gif", "a.webp", "a/b/c.jpeg", "a/z.png", "b.JPG"]


def test_list_shows_links_to_nowhere_and_is_not_caught_in_a_loop(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    assert [path.name for path in list_images(tmp_path)] == ["gone.jpg", "self.jpg"]


def test_list_of_everything_has_all_suffixes_and_linked_folders_but_nothing_hidden(tmp_path):
    for name in ("a.txt", "b", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / ".link").symlink_to(tmp_path, target_is_directory=True)
    assert [path.name for path in list_images(tmp_path, None)] == ["a.txt", "b", "link"]


def test_list_takes_other_suffixes(tmp_path):
    for name in ("a.TIF", "b.jpg", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path, images.OTHER_SUFFIXES)] == ["a.TIF"]
    assert not set(images.SUFFIXES) & set(images.OTHER_SUFFIXES)


def test_list_accepts_an_empty_folder_and_refuses_others(tmp_path):
    assert list_images(tmp_path) == []
    with pytest.raises(RagError, match="was not found"):
        list_images(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(RagError, match="is a file"):
        list_images(tmp_path / "file")


def test_content_id_follows_the_bytes(tmp_path):
    for name, data in {"a": b"abc", "b": b"abc", "c": b"abd"}.items():
        (tmp_path / name).write_bytes(data)
    assert content_id(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223"
    assert content_id(tmp_path / "b") == content_id(tmp_path / "a") != content_id(tmp_path / "c")
    with pytest.raises(ImageError, match="no such file"):
        content_id(tmp_path / "none.jpg")
