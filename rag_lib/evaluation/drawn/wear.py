"""What users do to their queries: pictures cropped, blurred, noisy or badly saved; words in capitals or mistyped.

In: a random generator and a clean picture or instruction; out: a worn one that asks for the same.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

WEAR_VERSION = 2  # raise it when queries are worn otherwise; 1 left 18 of the 1,260 as they were


def wear_picture(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """One of: a crop to 70-90% of each edge, a blur, grain, a hard JPEG, a screenshot's borders."""
    width, height = image.size
    how = int(rng.integers(5))
    if how == 0:
        wide, high = (round(edge * rng.uniform(0.7, 0.9)) for edge in image.size)
        left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
        return image.crop((left, top, left + wide, top + high))
    if how == 1:
        return image.filter(ImageFilter.GaussianBlur(width * rng.uniform(0.004, 0.01)))
    if how == 2:
        grain = rng.normal(0, rng.uniform(8, 20), (height, width, 3))
        return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
    if how == 3:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(8, 25)))
        return Image.open(buffer).convert("RGB")
    shade = tuple(int(v) for v in np.full(3, rng.integers(0, 256)))
    framed = Image.new("RGB", (round(width * rng.uniform(1.1, 1.3)), round(height * rng.uniform(1.1, 1.3))), shade)
    framed.paste(image, ((framed.width - width) // 2, (framed.height - height) // 2))
    return framed


def wear_text(rng: np.random.Generator, text: str) -> str:
    """Capitals, or one longer word with two letters exchanged or one left out; never the text as it is.

    Of a longer word the first and the last letter stay. What is in capitals already is mistyped if it can be.
    """
    words = text.split()
    long = [place for place, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    shouted = not long or rng.random() < 0.4
    if shouted and not (long and text.isupper()):
        return text.lower() if text.isupper() else text.upper()
    place = long[int(rng.integers(len(long)))]
    word, at = words[place], int(rng.integers(1, len(words[place]) - 2))
    pairs = [i for i in range(1, len(word) - 2) if word[i] != word[i + 1]]
    if rng.random() < 0.5 and pairs:
        at = min(pairs, key=lambda i: (i - at) % len(word))  # equal letters would leave the word as it is
        typo = word[at + 1] + word[at]
    else:
        typo = word[at + 1]
    words[place] = word[:at] + typo + word[at + 2 :]
    return " ".join(words)
