"""Files of which the pixels are whole, while Pillow refuses or misreads what stands around them.

In: an open file. Out: the same picture as a file in memory that Pillow reads rightly.
"""

import io
import os
import struct
import zlib
from typing import BinaryIO

_PNG = b"\x89PNG\r\n\x1a\n"
_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_PIXELS = (b"IHDR", b"PLTE", b"IDAT")
_LOOKS = (b"tRNS", b"eXIf")  # transparency and orientation


def bare_png(file: BinaryIO) -> io.BytesIO | None:
    """A PNG's pixels and their looks, without texts, profiles and animation, and with an end; None for other formats.

    So texts that Pillow will not inflate (against bombs), damage beside the pixels and a missing end do not matter.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(8) != _PNG:
        return None
    bare = io.BytesIO(_PNG)
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


def without_literal_runs(file: BinaryIO, start: int) -> io.BytesIO:
    """A BMP of 4-bit run lengths with its literal pixels written as runs of two: Pillow drops the last of an odd row.

    `start`: where the run lengths begin.
    """
    file.seek(0)
    data, at = file.read(), start
    runs = bytearray(data[:start])
    while at + 1 < len(data):
        count, code = data[at : at + 2]
        at += 2
        if count or code < 2:  # a run; the end of a line or of all
            runs += bytes((count, code))
        elif code == 2:  # a step
            runs += data[at - 2 : at + 2]
            at += 2
        else:
            pairs = data[at : at + (code + 1) // 2]
            for place, pair in enumerate(pairs):
                runs += bytes((min(2, code - 2 * place), pair))
            at += len(pairs) + len(pairs) % 2
    return io.BytesIO(bytes(runs))
