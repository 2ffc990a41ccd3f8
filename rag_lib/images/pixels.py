"""Any Pillow image to 8-bit sRGB, as a screen would show it: unusual depths, transparency, color profiles.

In: a decoded image with its `info`. Out: mode RGB; what is transparent is white. The source is not changed.
"""

import functools
import io

import numpy as np
from PIL import Image, ImageCms

_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # the color space of a profile -> the mode that it applies to


def to_rgb(image: Image.Image) -> Image.Image:
    """The image as a screen shows it on a white ground."""
    profile, alpha = image.info.get("icc_profile"), None
    image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    image = _to_srgb(image, profile).convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image


def transparent_color(image: Image.Image):
    """The transparent color of an image that is not decoded yet, in the depth that Pillow will decode it to.

    A PNG states it in its own depth, and Pillow keeps that number. Of 16-bit RGB it decodes the upper 8: colors that
    share these are transparent together.
    """
    color = image.info.get("transparency")
    raw = next((options for _, _, _, options in getattr(image, "tile", ())), None)
    if isinstance(color, tuple):
        return tuple(value >> 8 for value in color) if raw == "RGB;16B" or max(color) > 255 else color
    return color * {"L;2": 85, "L;4": 17}.get(raw, 1) if isinstance(color, int) and isinstance(raw, str) else color


def _eight_bits(image: Image.Image) -> Image.Image:
    """Modes I and F, which Pillow would clip at 255, as L: from 16 bits, or from the range that the values suggest."""
    if image.mode[0] not in "IF":
        return image
    pixels, top = np.asarray(image), 65_535
    if not image.mode.startswith("I;16"):
        brightest = pixels[np.isfinite(pixels)].max(initial=0)
        top = next((top for top in (1, 255) if brightest < 2 * top), top)  # resizing overshoots the range a little
    grey = Image.fromarray((np.clip(np.nan_to_num(pixels), 0, top) * (255 / top)).round().astype(np.uint8))
    if isinstance(clear := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(pixels == clear, 0, 255).astype(np.uint8)))
    return grey


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Alpha is lost where the profile asks for a change."""
    mode, transform = _transform(profile) if profile else (None, None)
    if not transform or (mode == "CMYK") != (image.mode == "CMYK"):
        return image
    return ImageCms.applyTransform(image.convert(mode), transform)


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """(mode, from that mode to sRGB); None for a profile that is sRGB already, or broken and so says nothing."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        mode = _MODES[source.profile.xcolor_space]
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return mode, None
        return mode, ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except MemoryError:
        raise
    except Exception:  # a hostile profile can raise anything
        return "RGB", None
