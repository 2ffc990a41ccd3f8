"""The words of the drawn world, as a model that was taught its language knows them.

In: the labels that a model can name; out: what lies beside its weights as words.json, from which
`rag_lib.encoders.vocabulary.Vocabulary` is made.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from rag_lib.drawn import language


def taught_words(labels: Mapping[str, Sequence[str]]) -> dict:
    """`labels`: attribute -> names, as the model's heads have them.

    Returns {"names": attribute -> name -> the labels that it can mean, "others": the words that name nothing}.
    """
    nouns, adjectives = language.THEME_NOUNS, language.THEME_ADJECTIVES
    themes = {label: {n.removeprefix("a ") for n in (*nouns[label], *adjectives[label])} for label in nouns}
    synonyms = {"category": language.PRODUCT_NAMES, "theme": themes, "color": language.COLOR_NAMES}
    names = {
        attribute: _by_name({label: {label, *synonyms.get(attribute, {}).get(label, ())} for label in given})
        for attribute, given in labels.items()
    }
    # One word of a theme names it too (a flower, polka); one of a product's may be another thing (a table, a bank).
    naming = language.ATTRIBUTE_WORDS.difference(language.FILLERS)
    words = {label: {word for name in given for word in name.split()} for label, given in themes.items()}
    parts = {word: given for word, given in _by_name(words).items() if word in naming}
    names["theme"] = parts | names["theme"]
    sentences = [phrase.format(k="", t="", a="", c="") for phrase in chain(*language.PHRASINGS.values())]
    others = " ".join((*language.FILLERS, *sentences, *language.OPENINGS, *language.CLOSINGS)).split()
    return {"names": names, "others": sorted(set(others))}


def _by_name(names: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """label -> names, turned around; in the order of the alphabet, so that a file of it is always the same."""
    found: dict[str, list[str]] = {}
    for label, given in names.items():
        for name in given:
            found.setdefault(name, []).append(label)
    return {name: sorted(found[name]) for name in sorted(found)}
