"""A key that a server repeats must reach no reason, no error and no kept reply, whatever it is dressed as.

In: untrusted text and the key. Out: the text with *** wherever the key or a longer part of it stood. Pure.
"""

import base64
import re
import unicodedata
from functools import cache

PART = 8  # letters and digits of the key, one after another, from which a part of it is taken out

# A character as JSON, an address or a web page may write it, also several times over; else the next one as it is.
_CHARACTER = re.compile(
    r"\\+u([0-9a-f]{4})|\\+x([0-9a-f]{2})|%(?:25)*([0-9a-f]{2})|&#x([0-9a-f]{1,5});|&#([0-9]{1,6});|\\+[nrt]|.",
    re.IGNORECASE | re.DOTALL,
)


def conceal(text: str, secret: str) -> str:
    """The text without the key: plain, escaped, spaced, in part, in base64 or in hex. What has fewer than 8 letters
    and digits is no key: a local server's "none".

    >>> conceal("Your key is \\u0073k - test0123 - 456789.", "sk-test0123-456789")
    'Your key is ***.'
    """
    forms = _list_forms(secret)
    if len(forms[0]) < PART:
        return text
    parts = {form[start : start + PART] for form in forms for start in range(len(form) - PART + 1)}
    letters, spans = "", []
    for match in _CHARACTER.finditer(text):
        *hexes, decimal = match.groups()
        code = next((int(digits, 16) for digits in hexes if digits), int(decimal) if decimal else None)
        character = match[0] if code is None else chr(code)
        if len(character) == 1 and (letter := _simplify(character)):
            letters += letter
            spans.append(match.span())
    found: list[tuple[int, int]] = []
    for start in range(len(letters) - PART + 1):
        if letters[start : start + PART] in parts:
            first, last = spans[start][0], spans[start + PART - 1][1]
            if found and first <= found[-1][1]:
                first = found.pop()[0]
            found.append((first, last))
    for first, last in reversed(found):
        text = f"{text[:first]}***{text[last:]}"
    return text


@cache
def _simplify(character: str) -> str:
    """A letter or digit without its case and width; "" for what may stand within a key; a line's end for the rest."""
    character = unicodedata.normalize("NFKC", character).lower()[:1]
    if character.isalnum():
        return character
    within = character in "-_.*+/=" or character.isspace() or unicodedata.category(character) in ("Cf", "Pd")
    return "" if within else "\n"


def _list_forms(secret: str) -> list[str]:
    """The letters and digits of the key: as it is, in hex, and in base64 at each of the three places it may start."""
    data = secret.encode()
    forms = [secret, data.hex()]
    for ahead, blurred in enumerate((0, 2, 3)):  # characters that hold bits of what stands before
        coded = base64.b64encode(bytes(ahead) + data).decode()
        forms.append(coded.rstrip("=")[blurred : -1 if coded.endswith("=") else None])
    return ["".join(filter(str.isalnum, form)).lower() for form in forms]
