"""Words as vectors that were made once: a text in, the mean of its words' vectors out, and which classes it is near to.

A table holds one vector for each word; there is no model to run. It was read from a sentence encoder that saw every
word alone (as in model2vec, Tulkens and van Dongen 2024, github.com/MinishLab/model2vec).
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rag_lib.encoders.vocabulary import Vocabulary


class WordTable:
    """`vectors`: (n_words, d) float32, row i for the tokenizer's id i; a row's length is how much its word counts."""

    def __init__(self, tokenizer, vectors: np.ndarray):
        self.tokenizer, self.vectors = tokenizer, vectors

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """(n, d) float32: unit rows, and zeros for a text without a word that the table has."""
        rows = np.zeros((len(texts), self.vectors.shape[1]), np.float32)
        for row, encoded in zip(rows, self.tokenizer.encode_batch(list(texts), add_special_tokens=False), strict=True):
            row += self.vectors[encoded.ids].sum(axis=0)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, lengths, out=rows, where=lengths > 1e-6)


class ClassReader:
    """How near a text is to each class: a classifier made of classes that are known, by their names.

    A thing that the network was never taught lies between those that it was (Norouzi et al. 2014, arXiv 1312.5650,
    section 3, here from the side of the words; Changpinyo et al. 2016, arXiv 1603.00550).
    `names`: (classes, d), unit rows; `middle`: (d,), their mean before that, which all texts share and so says nothing.
    """

    def __init__(self, words: WordTable, names: np.ndarray, middle: np.ndarray, temperature: float):
        self.words, self.names, self.middle, self.temperature = words, names, middle, temperature

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """(n, classes) float32: centered unit rows, zeros for a text without a word."""
        vectors = self.words(texts)
        known = vectors.any(axis=1, keepdims=True)
        near = unit(vectors - self.middle) @ self.names.T / self.temperature
        shares = np.exp(near - near.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return unit(shares - shares.mean(axis=1, keepdims=True)) * known


class Instruction:
    """Takes a text apart by the words that attributes are named in.

    `names`: attribute -> name -> labels, as `Vocabulary` has them, "category", "theme" and "color" among them;
    `others`: words that name nothing and only ask ("show me", "with this pattern").
    """

    def __init__(self, tokenizer, *, names: Mapping[str, Mapping[str, Iterable[str]]], others: Iterable[str]):
        self._vocabulary = Vocabulary(tokenizer, model="photo", names=names, others=others)
        self._asking = {*others, *names["color"]}
        self._patterns = {word for name in names["theme"] for word in name.split()}

    def __call__(self, text: str) -> tuple[str, dict[str, set[str]]]:
        """What is asked for, in the words that name it, and attribute -> labels.

        "a red leopard" asks for a leopard; "a leopard phone case" for a phone case.
        """
        named = self._vocabulary.named(text)
        left_out = self._asking | (self._patterns if "category" in named else set())
        thing = [word for word in re.findall(r"[^\W_]+", text.lower()) if word not in left_out]
        return " ".join(thing), named


def unit(rows: np.ndarray) -> np.ndarray:
    """(n, d) -> float32 rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows, dtype=np.float32), where=lengths > 1e-6)
