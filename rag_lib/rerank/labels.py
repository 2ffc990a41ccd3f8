"""The names by which a vision-language model knows the candidates of a panorama.

In: how many candidates, or what the model wrote. Out: their labels, or the same words with everyone's own number.
A label says nothing about the rank: models prefer some answers for their name alone, such as the first letter or
the lowest number (Zheng et al. 2024, "Large Language Models Are Not Robust Multiple Choice Selectors", arXiv
2309.03882), and 1 to n in the search's order would turn that into a preference for the search's order. Two digits,
so that a label is not taken for a count ("3 stripes") when it is found in a sentence.
"""

import re
from collections.abc import Mapping

# Shuffled once by hand. None is another one read backwards, none a round number.
LABELS = (47, 83, 26, 91, 35, 68, 72, 14, 59, 87, 32, 64, 13, 75, 42, 98, 51, 37, 85, 61, 94, 43, 79, 52, 18)

# A number that stands alone: no part of a word, a decimal, a date, a share ("47%") or a measure ("47-inch").
_ALONE = re.compile(r"(?<![0-9][.,:])(?<![\w/$€£+-])([0-9]{2})(?![\w%/+-]|[.,:][0-9])")


def spoken(text: str, numbers: Mapping[int, int]) -> str:
    """What a model said, its labels replaced. `numbers`: label -> the number by which the reader knows the candidate.

    >>> spoken("47 has the spots of 83, but a 47-inch screen.", {47: 1, 83: 2})
    '1 has the spots of 2, but a 47-inch screen.'
    """
    return _ALONE.sub(lambda match: str(numbers.get(int(match[1]), match[1])), text)
