"""The names by which a vision-language model knows the candidates of a panorama.

In: how many candidates, or what the model wrote. Out: their labels, or the same words with everyone's own number.
A label says nothing about the rank: models prefer some answers for their name alone, such as the first letter or
the lowest number (Zheng et al. 2024, "Large Language Models Are Not Robust Multiple Choice Selectors", arXiv
2309.03882), and 1 to n in the search's order would turn that into a preference for the search's order.
"""

import re
from collections.abc import Mapping

# Shuffled once by hand. None is another one read backwards, none a round number.
LABELS = (47, 83, 26, 91, 35, 68, 72, 14, 59, 87, 32, 64, 13, 75, 42, 98, 51, 37, 85, 61, 94, 43, 79, 52, 18)

# A product is also described by numbers ("a 64 GB phone", "sizes 32 and 42"), so only those numbers are labels that
# the sentence makes the name of a candidate: one or a list of them, by what stands before it and behind it.
_NUMBER = r"(?<![0-9][.,:])(?<![\w/$€£+-])[0-9]{2}(?![\w%/+-]|[.,:][0-9])"
_LIST = re.compile(rf"{_NUMBER}(?:[\])]?(?: *[,;>&] *(?:(?:and|or) )?| (?:and|or) )[#(\[]?{_NUMBER})*")
_ANNOUNCED = re.compile(
    r"(?:#|\bno\.? ?|\b(?:number|candidate|item|image|picture|photo|tile|option|result|label)s?\b[\s:]*"
    r"|\b(?:unlike|beats?|vs\.?|versus|(?:better|worse|closer|nearer) than) )[(\[]?$",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"(?:^|[.;:,!?(\[] *|\b(?:and|but|both|or|so|then|though|whereas|while) )$", re.IGNORECASE)
_ACTS = re.compile(
    r"['’]s\b|[)\]]| (?:is|are|was|were|has|have|does|do|can|could|would|will|also|best|only|alone|both|shows?|keeps?"
    r"|fits?|match(?:es)?|comes?|looks?|lacks?|wins?|miss(?:es)?|violates?|changes?|ranks?|follows?|beats?)\b",
    re.IGNORECASE,
)
_MEASURES = re.compile(
    r"[ -]?(?:[kmgt]b|mp|[mck]?m|inch(?:es)?|ft|feet|k?g|lbs?|oz|m?l|lit(?:er|re)s?|[km]?w|m?ah|[mgk]?hz|pcs|pieces?"
    r"|packs?|percent|hours?|days?|months?|years?)\b| ?[°″\"”]",
    re.IGNORECASE,
)


def rename(text: str, numbers: Mapping[int, int]) -> str:
    """What a model said, its labels replaced. `numbers`: label -> the number by which the reader knows the candidate.

    >>> rename("47 has the spots of #83, but a screen of 47 inches.", {47: 1, 83: 2})
    '1 has the spots of #2, but a screen of 47 inches.'
    """

    def replace(match: re.Match) -> str:
        before, behind = text[max(0, match.start() - 40) : match.start()], text[match.end() : match.end() + 40]
        announced = _ANNOUNCED.search(before) and not _MEASURES.match(behind)
        if not (announced or _BEGINS.search(before) and _ACTS.match(behind) or match[0] == text.strip()):
            return match[0]
        return re.sub(r"\d+", lambda label: str(numbers.get(int(label[0]), label[0])), match[0])

    return _LIST.sub(replace, text)
