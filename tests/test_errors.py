"""What a user reads of an error: printable, and not longer than a screen."""

import pytest

from rag_lib.errors import LONGEST, RagError
from rag_lib.images import ImageError


@pytest.mark.parametrize("kind", [RagError, ImageError])
def test_a_long_message_keeps_its_beginning_and_its_remedy(kind):
    message = str(kind("Row 2 has no column 'file' (found: " + "x" * 5_000 + "): add it."))
    assert message.startswith("Row 2 has no") and message.endswith("): add it.") and len(message) <= LONGEST


@pytest.mark.parametrize("odd", ["\x1b[31m", "\u202e", "\ud800", "\x00", "\r", "\x9b"])
def test_what_a_terminal_obeys_or_cannot_print_is_replaced(odd):
    message = str(RagError(f"the file {odd}.png"))
    assert message == "the file \N{REPLACEMENT CHARACTER}" + odd[1:] + ".png"
    message.encode()


def test_everything_else_stays():
    for message in ("é 红色手机壳 👩‍👩‍👧 نص", "two\nlines\tand a tab"):
        assert str(RagError(message)) == message
