"""The pocket's own small WordPiece vocabulary, learned from the instructions that it will read."""

import numpy as np

from rag_lib.drawn.drawing import CATEGORIES, COLORS, LOOKS
from rag_lib.drawn.language import FILLERS, PHRASINGS, write_instruction

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_tokenizer(vocab_size: int, *, seed: int = 0, n_texts: int = 30_000):
    """A padding `tokenizers.Tokenizer` of at most `vocab_size` entries: WordPiece, lower case, [CLS] text [SEP]."""
    from tokenizers import models, processors, trainers

    rng = np.random.default_rng(seed)
    texts = list(FILLERS) * 20
    families, colors = list(PHRASINGS), list(COLORS)
    for _ in range(n_texts):
        texts.append(
            write_instruction(
                rng,
                families[int(rng.integers(len(families)))],
                category=CATEGORIES[int(rng.integers(len(CATEGORIES)))],
                theme=LOOKS[int(rng.integers(len(LOOKS)))][0],
                color=colors[int(rng.integers(len(colors)))],
            )
        )
    # The trainer numbers letters in a hash table's order, which is another one each time, and breaks ties by number:
    # named to it beforehand, they give the same vocabulary every time.
    words = {word for text in texts for word in text.split()}
    letters = sorted({letter for word in words for letter in word})
    inner = sorted({f"##{letter}" for word in words for letter in word[1:]})
    learning = _empty(models.WordPiece(unk_token="[UNK]"))
    named = [*SPECIAL_TOKENS, *letters, *inner]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=5, special_tokens=named, show_progress=False
    )
    learning.train_from_iterator(texts, trainer)
    tokenizer = _empty(models.WordPiece(learning.get_vocab(), unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    sep, cls = (("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]")))
    tokenizer.post_processor = processors.BertProcessing(sep, cls)
    tokenizer.enable_padding()
    return tokenizer


def _empty(model):
    """A tokenizer around the model, with BERT's normalizer and its way to part words."""
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer
