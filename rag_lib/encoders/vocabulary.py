"""The words of a model that knows a small world only: which of an instruction's it was never taught.

In: an instruction; out: its unknown words, the labels that its known ones name (and the labels that were meant where a
word is only mistyped), and what to expect in one sentence.
WordPiece has pieces for any word, so the tokenizer alone does not tell: "tea", where "teal" begins, is an entry like
any other. Known is a word that was taught and that the tokenizer leaves whole, and a plural of one that names a thing.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import groupby

JOINERS = "'’-"  # belong to a word that goes on behind them: don't, t-shirt
ENDING = re.compile(r"['’](?:s|t|d|m|ll|re|ve)$", re.IGNORECASE)  # of it's and i'd: it carries no meaning of its own
NEAR = 0.8  # similarity (difflib's ratio) from which a known word is suggested
CLIPPED = 40  # letters of a word that a sentence shows; a longer one has no suggestion
LISTED = 5  # words that a sentence lists

Names = Mapping[str, Iterable[str]]


class Caution(UserWarning):
    """Something about an instruction on account of which the answer may not follow it."""


class UnknownWords(Caution):
    """It has words that the model was never taught."""


class CutWords(Caution):
    """It is longer than the model reads."""


class Vocabulary:
    """`tokenizer`: the model's own (a `tokenizers.Tokenizer`); `model`: its name, for sentences.

    `names`: attribute -> what the model was taught for it, of one word or more ("phone case", "tv set") -> the labels
    that it can mean; `others`: the words besides. What is no entry of the tokenizer does not count.
    """

    def __init__(self, tokenizer, *, model: str, names: Mapping[str, Names], others: Iterable[str] = ()):
        self.model, self._tokenizer = model, tokenizer
        entries = set(tokenizer.get_vocab())
        others = entries.intersection(others)
        self.attributes = tuple(names)
        self._labels: dict[tuple[str, ...], dict[str, set[str]]] = {}  # words -> attribute -> labels
        for attribute, given in names.items():
            for name, labels in given.items():
                if entries.issuperset(words := tuple(name.split())):
                    self._labels.setdefault(words, {})[attribute] = set(labels)
        self._longest = max(map(len, self._labels), default=0)
        self._naming = {word for words in self._labels for word in words} - others
        self._known = self._naming | others

    def unknown(self, text: str | None) -> list[str]:
        """The words that mean nothing to the model, as they are written, each once. Numbers and punctuation pass."""
        found: dict[str, str] = {}
        for word in _words(text or ""):
            if word.lower() not in found and not self._known.issuperset(self._pieces(word)):
                found[word.lower()] = word
        return list(found.values())

    def named(self, text: str | None) -> dict[str, set[str]]:
        """The labels that the text names in known words, by attribute, more than one where it leaves that open:
        {"category": {"toaster"}, "theme": {"leopard", "giraffe"}} for "a toaster with spots".
        """
        return self._read([piece for word in _words(text or "") for piece in self._pieces(word)])

    def meant(self, text: str | None) -> dict[str, set[str]]:
        """The same, and an unknown word counts as the only name that is one slip of the fingers away."""
        return self._read([self._mend(piece) for word in _words(text or "") for piece in self._pieces(word)])

    def lack(self, text: str | None) -> str:
        """'The pocket model does not know "tosater" (did you mean "toaster"?)', or "" if it knows all the words."""
        unknown = self.unknown(text)
        shown = [f'"{clip(word)}"{self._suggestion(word)}' for word in unknown[:LISTED]]
        if len(unknown) > LISTED:
            shown.append(f"{len(unknown) - LISTED} more")
        return f"The {self.model} model does not know {_join(shown, 'and')}" if shown else ""

    def sentence(self, text: str | None) -> str:
        """What to expect of an instruction that the model does not know wholly; "" where there is nothing to say."""
        lack = self.lack(text)
        if not lack:
            wordless = bool(text and text.strip()) and not _words(text)
            return f"The instruction has no word that the {self.model} model could follow." if wordless else ""
        if self.named(text):
            return f"{lack}: it may misread what it does not know, or read past it."
        return (
            f"{lack}, and no other word names a {_join([*self.attributes], 'or')} that it knows: do not expect the "
            "answer to follow the words."
        )

    def _pieces(self, word: str) -> list[str]:
        """A word as the tokenizer cuts it before it looks up entries, plurals of names in the singular."""
        backend = self._tokenizer
        cut = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(ENDING.sub("", word)))
        return [self._singular(piece) for piece, _ in cut if _has_meaning(piece)]

    def _read(self, pieces: list[str]) -> dict[str, set[str]]:
        """Labels by attribute; the longest names first, since wavy lines are no stripes."""
        found: dict[str, list[set[str]]] = {}
        place = 0
        while place < len(pieces):
            lengths = range(min(self._longest, len(pieces) - place), 0, -1)
            length = next((n for n in lengths if tuple(pieces[place : place + n]) in self._labels), 0)
            for attribute, labels in self._labels.get(tuple(pieces[place : place + length]), {}).items():
                found.setdefault(attribute, []).append(labels)
            place += max(1, length)
        return {name: set.intersection(*some) or set.union(*some) for name, some in found.items()}

    def _mend(self, piece: str) -> str:
        if piece in self._known:
            return piece
        long = [name for name in self._naming if len(name) > 4]  # of a shorter one too little is left
        near = [name for name in long if _is_a_slip_of(piece, name)]
        near = near or [name for name in long if piece != "s" and _is_a_slip_of(piece.removesuffix("s"), name)]
        return near[0] if len(near) == 1 else piece

    def _singular(self, piece: str) -> str:
        if piece in self._known:
            return piece
        singulars = [piece.removesuffix(ending) for ending in ("s", "es") if piece.endswith(ending)]
        return next((word for word in singulars if word in self._naming), piece)

    def _suggestion(self, word: str) -> str:
        if len(word) > CLIPPED:
            return ""
        near = difflib.get_close_matches(word.lower(), sorted(self._naming), n=1, cutoff=NEAR)
        return f' (did you mean "{near[0]}"?)' if near else ""


def _words(text: str) -> list[str]:
    """Runs of anything but spaces and punctuation, those without a letter or a pictorial sign left out."""
    runs = ("".join(run).strip(JOINERS) for inside, run in groupby(text, _belongs) if inside)
    return [run for run in runs if _has_meaning(run)]


def _is_a_slip_of(word: str, name: str) -> bool:
    """Whether `word` is `name` with one letter behind the first left out, typed twice, or exchanged with the next.

    Another letter in its place is more often another word: a house is no mouse.
    """
    if word[0] != name[0]:
        return False
    start = next((n for n, (a, b) in enumerate(zip(word, name, strict=False)) if a != b), min(len(word), len(name)))
    left_out = word == name[:start] + name[start + 1 :]
    twice = word[:start] + word[start + 1 :] == name and word[start] == word[start - 1]
    exchanged = word == name[:start] + name[start : start + 2][::-1] + name[start + 2 :]
    return left_out or twice or exchanged


def _belongs(sign: str) -> bool:
    ascii_sign = sign.isascii() and not sign.isalnum()  # BERT's rule: all of them are punctuation
    return sign in JOINERS or not (ascii_sign or sign.isspace() or unicodedata.category(sign)[0] in "PZ")


def _has_meaning(run: str) -> bool:
    """Whether there is a letter or a pictorial sign, such as an emoji."""
    return any(unicodedata.category(sign)[0] == "L" or unicodedata.category(sign) == "So" for sign in run)


def _join(parts: list[str], link: str) -> str:
    """["a", "b", "c"] -> "a, b and c" """
    return f" {link} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def clip(word: str) -> str:
    """A word as a sentence shows it."""
    word = "".join(sign for sign in word if sign.isprintable())
    return word if len(word) <= CLIPPED else f"{word[:CLIPPED]}…"
