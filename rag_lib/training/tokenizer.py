"""The pocket's own small WordPiece vocabulary, learned from the instructions that it will read."""

import numpy as np

from rag_lib.catalog.drawing import CATEGORIES, COLORS, LOOKS
from rag_lib.training.language import FILLERS, PHRASINGS, write_instruction

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_tokenizer(vocab_size: int, *, seed: int = 0, n_texts: int = 30_000):
    """A `tokenizers.Tokenizer` (BERT's normalizer, WordPiece, [CLS] text [SEP]) of at most `vocab_size` entries."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

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
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=5, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    sep, cls = (("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]")))
    tokenizer.post_processor = processors.BertProcessing(sep, cls)
    return tokenizer
