"""Pictures from untrusted files: list them, open them safely, hash them.

In: a folder, a path or a PIL image. Out: sorted paths, upright RGB images, content ids. Every way in which a picture
can be unusable ends in one `ImageError`, which names the file (never its folder) and the reason.
"""

import hashlib
import os
import stat
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from rag_lib.errors import RagError
from rag_lib.images.pixels import to_rgb, transparent_color
from rag_lib.images.salvage import bare_png

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif")
# Pictures too, but not opened: each decoder more is one more that hostile files can attack. Catalogs list them.
OTHER_SUFFIXES = (
    *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd"),
    *(".jpe", ".tga", ".ico", ".pcx", ".ppm", ".eps"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),  # cameras' raw formats
)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485  # Pillow only warns above this; here it is an error
MAX_ASPECT = 2000  # long edge / short edge; resizing the short edge of a longer one could take all memory

_opening = threading.Lock()  # warning filters are global: one thread at a time may change them
_loading = threading.Lock()  # a PIL image that is given twice may reach two threads; Pillow loads it unguarded


class ImageError(RagError):
    """A picture that cannot be used; the message says why, `reason` says it without the file's name."""

    def __init__(self, message: str, reason: str = ""):
        super().__init__(message)
        self.reason = reason or message


def content_id(path: str | Path) -> str:
    """32 hex digits of the SHA-256 of the file's bytes: the same picture has the same id wherever it lies."""
    with _faults_of(path):
        _check_plain(path)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def list_images(folder: str | Path, suffixes: Sequence[str] | None = SUFFIXES) -> list[Path]:
    """Every picture below `folder`, by its suffix, sorted by relative POSIX path; hidden ones are left out.

    Links to nowhere are listed too, so that opening them says so. Linked folders are not entered, against loops;
    with `suffixes` None they are listed, as is every file and every folder that cannot be read. The list may be empty.
    A folder that is missing or cannot be read raises RagError.
    """
    folder, found = Path(folder), []
    if not os.path.isdir(folder):
        what = "is a file" if os.path.exists(folder) else "was not found"
        raise RagError(f"The image folder '{folder}' {what}: give a folder that holds {', '.join(SUFFIXES)} files.")

    def unreadable(exc: OSError):
        path = Path(exc.filename or folder)
        if path == folder or suffixes is not None:
            raise RagError(
                f"The folder '{path.name}' cannot be read ({exc.strerror}): allow reading it or move it away."
            )
        found.append(path)

    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if suffixes is None:
            files += [name for name in folders if os.path.islink(os.path.join(root, name))]
        paths = (Path(root, name) for name in files if not name.startswith("."))
        found += [path for path in paths if suffixes is None or path.suffix.lower() in suffixes]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def open_image(
    source: str | Path | Image.Image, *, max_edge: int | None = None, short_edge: int | None = None
) -> Image.Image:
    """The picture, fully decoded, upright (EXIF), in sRGB, the first frame if animated; transparency becomes white.

    `max_edge`: shrink to at most this many pixels along the longer edge (never enlarge). `short_edge`: what the caller
    will shrink the shorter edge to. With either a JPEG file is decoded only as finely as that needs, which is quicker:
    at least twice as finely. The source is not changed. Anything unusable raises ImageError.
    """
    for edge in (max_edge, short_edge):
        if edge is not None and edge < 1:
            raise ImageError(f"A picture was asked for with an edge of {edge}, expected at least 1 pixel.")
    if not isinstance(source, Image.Image | str | os.PathLike):
        raise ImageError(f"A picture is a path or a PIL image, not {type(source).__name__}.")
    name = getattr(source, "filename", "") or "the picture" if isinstance(source, Image.Image) else source
    with _faults_of(name):
        if isinstance(source, Image.Image):
            with _loading:
                image = _decode(source).copy()
        else:
            image = _read(source, max_edge, short_edge)
        image = to_rgb(_upright(image))
        if max_edge is not None and max(image.size) > max_edge:
            image.thumbnail((max_edge, max_edge), Image.Resampling.BICUBIC, reducing_gap=None)
        return image


def thumbnail(source: str | Path | Image.Image, edge: int) -> Image.Image:
    """The picture shrunk to fit into `edge` x `edge` pixels, its aspect ratio kept."""
    return open_image(source, max_edge=edge)


def check_header(path: str | Path) -> None:
    """Raise ImageError unless the file begins as a picture of an allowed format and size; the pixels are not read.

    It costs well under a millisecond. A truncated file passes: only `open_image` finds that.
    """
    with _faults_of(path):
        _read(path, pixels=False)


def begins_as_picture(path: str | Path) -> bool:
    """Whether `check_header` finds nothing wrong with the file."""
    try:
        check_header(path)
    except ImageError:
        return False
    return True


def _read(path: str | Path, *edges: int | None, pixels: bool = True) -> Image.Image:
    _check_plain(path)
    # The handle is ours, so that it is closed whatever Pillow makes of the bytes.
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise _Unusable("the file is empty")
        try:
            return _decode(_open(file), *edges, pixels=pixels)
        except (_Unusable, Image.DecompressionBombError, MemoryError):
            raise
        except Exception:
            if (bare := bare_png(file)) is None:
                raise
            return _decode(_open(bare), *edges, pixels=pixels)


def _open(file: BinaryIO) -> Image.Image:
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged EXIF; and _decode counts the pixels itself
        image = Image.open(file, formats=FORMATS)
    if any(codec == "bmp_rle" and options[1] for codec, _, _, options in image.tile):
        # Pillow 12.3 loses a pixel of every literal run of odd length, and shifts all that follow.
        raise OSError("Unsupported BMP compression: run lengths of 4 bits")
    return image


def _decode(
    image: Image.Image, max_edge: int | None = None, short_edge: int | None = None, *, pixels: bool = True
) -> Image.Image:
    """Load all pixels: only this finds a truncated file (`verify()` does not)."""
    if image.width * image.height > MAX_PIXELS:
        raise _Unusable(f"it is too large ({image.width} x {image.height}, more than {MAX_PIXELS:,} pixels)")
    if not image.width or not image.height:
        raise _Unusable("it has no pixels")
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise _Unusable(f"it is too long and thin ({image.width} x {image.height})")
    if not pixels:
        return image
    clear = transparent_color(image)
    # Twice the wanted size leaves the final resize enough pixels to average over.
    scale = 2 * max((max_edge or 0) / max(image.size), (short_edge or 0) / min(image.size))
    if 0 < scale < 1:
        image.draft(image.mode, (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
    image.load()
    if clear is not None and clear != image.info.get("transparency"):
        image = image.copy()
        image.info["transparency"] = clear
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged EXIF
            image.getexif()  # read once, then kept
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # unreadable EXIF says nothing about the orientation
        return image


def _check_plain(path: str | Path) -> None:
    """Reading a pipe would wait forever, a device never end. Raises OSError if there is nothing at `path`."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise _Unusable("it is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise _Unusable("it is a device or a pipe, not a file")


class _Unusable(Exception):
    """Its text is the reason."""


@contextmanager
def _faults_of(name: str | Path) -> Iterator[None]:
    """Whatever goes wrong inside is an ImageError of this picture: a hostile file can raise anything in a decoder."""
    try:
        yield
    except Exception as exc:
        reason = _reason(name, exc)
        raise ImageError(f"The picture '{Path(name).name or name}' cannot be used: {reason}.", reason) from None


def _reason(name: str | Path, exc: Exception) -> str:
    text = getattr(exc, "strerror", None) or str(exc)
    if isinstance(exc, _Unusable):
        return text
    if isinstance(exc, MemoryError) or "out of memory" in text:  # how some of Pillow's decoders say it
        return "there is not enough memory to open it"
    if isinstance(exc, UnidentifiedImageError):
        return f"it is not a picture in one of the formats {', '.join(FORMATS)}"
    if isinstance(exc, Image.DecompressionBombError):
        return f"it is too large (more than {MAX_PIXELS:,} pixels)"
    if isinstance(exc, FileNotFoundError):
        return "it links to a file that is not there" if os.path.islink(name) else "there is no such file"
    if getattr(exc, "errno", None):  # the system's; without a number it is a decoder's
        return f"it cannot be read ({text.lower()})"
    if text.startswith("Unsupported"):  # of BMP files, which come in many kinds
        return f"it is damaged or of a kind that is not read ({text}): save it as .png"
    damaged = isinstance(exc, OSError | EOFError | SyntaxError)
    return "it is truncated or damaged" if damaged else f"it cannot be decoded ({type(exc).__name__})"
