"""Pictures from untrusted files: list them, open them safely, hash them.

In: a folder, a path or a PIL image. Out: sorted paths, upright RGB images, content ids. Every way in which a picture
can be unusable ends in one `ImageError`, which names the file (never its folder) and the reason.
"""

import hashlib
import os
import stat
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rag_lib.errors import RagError

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
NO_MEMORY = "there is not enough memory to open it"

_opening = threading.Lock()  # warning filters are global: one thread at a time may change them
_loading = threading.Lock()  # a PIL image that is given twice may reach two threads; Pillow loads it unguarded


class ImageError(RagError):
    """A picture that cannot be used; the message says why, `reason` says it without the file's name."""

    def __init__(self, message: str, reason: str = ""):
        super().__init__(message)
        self.reason = reason or message


def content_id(path: str | Path) -> str:
    """32 hex digits of the SHA-256 of the file's bytes: the same picture has the same id wherever it lies."""
    path = Path(path)
    try:
        _check_plain(path)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except (OSError, ValueError) as exc:
        raise _error(path, _why_not_read(path, exc)) from None


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


def open_image(source: str | Path | Image.Image, *, max_edge: int | None = None) -> Image.Image:
    """The picture, fully decoded, upright (EXIF), mode RGB, the first frame if animated; transparency becomes white.

    `max_edge`: shrink to at most this many pixels along the longer edge (never enlarge), which for a JPEG also makes
    decoding cheaper. The source is not changed. Anything unusable raises ImageError.
    """
    if max_edge is not None and max_edge < 1:
        raise ImageError(f"max_edge is {max_edge}, expected at least 1 pixel.")
    if not isinstance(source, Image.Image | str | os.PathLike):
        raise ImageError(f"A picture is a path or a PIL image, not {type(source).__name__}.")
    name = getattr(source, "filename", "") or "the picture" if isinstance(source, Image.Image) else source
    try:
        if isinstance(source, Image.Image):
            with _loading:
                image = _decode(source, name, max_edge=None).copy()
        else:
            image = _read(Path(source), max_edge)
        image = _to_rgb(_upright(image))
        if max_edge is not None and max(image.size) > max_edge:
            image.thumbnail((max_edge, max_edge), Image.Resampling.BICUBIC, reducing_gap=None)
    except MemoryError:
        raise _error(name, NO_MEMORY) from None
    return image


def thumbnail(source: str | Path | Image.Image, edge: int) -> Image.Image:
    """The picture shrunk to fit into `edge` x `edge` pixels, its aspect ratio kept."""
    return open_image(source, max_edge=edge)


def check_header(path: str | Path) -> None:
    """Raise ImageError unless the file begins as a picture of an allowed format and size; the pixels are not read.

    It costs well under a millisecond. A truncated file passes: only `open_image` finds that.
    """
    _read(Path(path), None, pixels=False)


def begins_as_picture(path: str | Path) -> bool:
    """Whether `check_header` finds nothing wrong with the file."""
    try:
        check_header(path)
    except ImageError:
        return False
    return True


def _read(path: Path, max_edge: int | None, *, pixels: bool = True) -> Image.Image:
    try:
        _check_plain(path)
        # The handle is ours, so that it is closed whatever Pillow makes of the bytes.
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise _error(path, "the file is empty")
            with _opening, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about damaged EXIF; and _decode counts the pixels itself
                image = Image.open(file, formats=FORMATS)
            return _decode(image, path, max_edge, pixels=pixels)
    except ImageError:
        raise
    except MemoryError:
        raise _error(path, NO_MEMORY) from None
    except UnidentifiedImageError:
        raise _error(path, f"it is not a picture in one of the formats {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise _error(path, f"it is too large (more than {MAX_PIXELS:,} pixels)") from None
    except OSError as exc:
        # Without a number it is a decoder's, not the system's.
        raise _error(path, _why_not_read(path, exc) if exc.errno else "it is truncated or damaged") from None
    except Exception as exc:  # a hostile file can raise anything inside of a decoder
        raise _error(path, f"it cannot be decoded ({type(exc).__name__})") from None


def _decode(image: Image.Image, name: str | Path, max_edge: int | None, *, pixels: bool = True) -> Image.Image:
    """Load all pixels: only this finds a truncated file (`verify()` does not)."""
    if image.width * image.height > MAX_PIXELS:
        raise _error(name, f"it is too large ({image.width} x {image.height}, more than {MAX_PIXELS:,} pixels)")
    if not image.width or not image.height:
        raise _error(name, "it has no pixels")
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise _error(name, f"it is too long and thin ({image.width} x {image.height})")
    if not pixels:
        return image
    try:
        if max_edge is not None and max_edge * 2 < max(image.size):
            # Twice the wanted size leaves the final resize enough pixels to average over.
            scale = 2 * max_edge / max(image.size)
            image.draft(image.mode, (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        image.load()
    except MemoryError:
        raise
    except Exception as exc:
        if "out of memory" in str(exc):  # how some of Pillow's decoders say it
            raise MemoryError from None
        what = "it is truncated or damaged" if isinstance(exc, OSError | EOFError | SyntaxError) else "it is damaged"
        raise _error(name, what) from None
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


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip them at 255, so scale
        image = Image.fromarray((np.clip(np.asarray(image), 0, 65535) / 257).round().astype(np.uint8))
    elif image.mode == "F":
        image = Image.fromarray(np.clip(np.nan_to_num(np.asarray(image)), 0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _error(name: str | Path, reason: str) -> ImageError:
    return ImageError(f"The picture '{Path(name).name or name}' cannot be used: {reason}.", reason)


def _check_plain(path: Path) -> None:
    """Reading a pipe would wait forever, a device never end. Raises OSError if there is nothing at `path`."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise _error(path, "it is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise _error(path, "it is a device or a pipe, not a file")


def _why_not_read(path: Path, exc: Exception) -> str:
    if isinstance(exc, FileNotFoundError):
        return "it links to a file that is not there" if path.is_symlink() else "there is no such file"
    return f"it cannot be read ({(getattr(exc, 'strerror', None) or str(exc)).lower()})"
