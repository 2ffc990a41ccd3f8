"""PNG files of which the pixels are whole, while Pillow refuses what stands around them.

In: an open file. Out: the same picture as a file in memory that Pillow reads.
"""

import io
import os
import struct
import zlib
from typing import BinaryIO

_START, _END = b"\x89PNG\r\n\x1a\n", struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_PIXELS = (b"IHDR", b"PLTE", b"IDAT")
_LOOKS = (b"tRNS", b"eXIf")  # transparency and orientation


def bare_png(file: BinaryIO) -> io.BytesIO | None:
    """A PNG's pixels and their looks, without texts, profiles and animation, and with an end; None for other formats.

    So texts that Pillow will not inflate (against bombs), damage beside the pixels and a missing end do not matter.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(8) != _START:
        return None
    bare = io.BytesIO(_START)
    bare.seek(0, os.SEEK_END)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind not in (*_PIXELS, *_LOOKS):
            file.seek(length + 4, os.SEEK_CUR)
            continue
        data = file.read(min(length, size))
        check = file.read(4)
        if kind in _PIXELS or check == struct.pack(">I", zlib.crc32(kind + data)):
            bare.write(struct.pack(">I4s", len(data), kind) + data + check.ljust(4, b"\0"))
    bare.write(_END)
    bare.seek(0)
    return bare
