"""What to know of an instruction before its answer is trusted: words that a model does not know, or does not reach.

In: the instruction and what its model can say of it; out: warnings that are yet to be given, each of one sentence.
"""

from bisect import bisect_left
from collections.abc import Callable

from rag_lib.encoders.vocabulary import Caution, CutWords, UnknownWords, Vocabulary, clip


def find_cautions(
    text: str | None, vocabulary: Vocabulary | None, model: str, reads_all: Callable[[str], bool]
) -> list[Caution]:
    """`vocabulary`: the words that the model knows; None: it may know any. `reads_all`: whether a text is not cut."""
    found: list[Caution] = []
    if vocabulary and (sentence := vocabulary.sentence(text)):
        found.append(UnknownWords(sentence))
    if not text or reads_all(text):
        return found
    words = text.split()
    read = bisect_left(range(1, len(words) + 1), True, key=lambda count: not reads_all(" ".join(words[:count])))
    if read < len(words):
        found.append(
            CutWords(
                f'The instruction is too long for the {model} model: from "{clip(words[read])}" on, word {read + 1:,} '
                f"of {len(words):,}, it is not read. Write a shorter one."
            )
        )
    return found
