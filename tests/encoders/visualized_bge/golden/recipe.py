"""What both sides of the golden test are given: weights, vocabularies, pictures and texts, all made in code.

Nothing depends on torch's random numbers: a weight is a stretch of one block from NumPy's frozen `RandomState`, its
place in the block decided by the tensor's name. `make.py` hands all of it to upstream's class, `test_golden.py` to
ours.

Only pictures that both sides are meant to see alike are drawn. They differ, because upstream leaves the file as Pillow
opens it and converts to RGB after resizing, in these: a picture with an EXIF orientation (ours is turned upright), with
transparency (ours on white; upstream drops the alpha channel), with a palette (upstream resizes it without
interpolation), with 16 bits (upstream clips at 255) and in CMYK (resized before the conversion).
"""

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

BASE, M3 = "visualized-bge-base-en-v1.5", "visualized-bge-m3"
FOLDERS = {BASE: "bge-base-en-v1.5", M3: "bge-m3"}  # upstream reads the edition from its text model's name
# Text tokens, special ones included, that have a position: alone, and beside a picture. Upstream truncates nothing
# and fails beyond: for the cases of long text its tokenizer is told these numbers.
POSITIONS = {BASE: (512, 512 - 196), M3: (8194 - 2, 8194 - 256)}

SENTENCES = (
    "phone case with this image theme",
    "Make the background dark, as if the camera has taken the photo at night",
    "Are there sidewalks on both sides of the Mid-Hudson Bridge?",
    "the same bag in red",
    "café naïve Ångström 42 unheard-of",  # accents, digits and words that are in no vocabulary
)
FOREIGN = ("一匹马牵着这辆车", "la même voiture, mais rouge", "Пёс на снегу")


@dataclass(frozen=True)
class Case:
    """Queries of one kind: `pictures` (files' names or None), `texts` (or None); one batch, or one after another.

    `limit`: tokens of text that are left after truncation, None where nothing is truncated. `layers`: of the text
    model, None for all.
    """

    pictures: tuple[str, ...] | None
    texts: tuple[str, ...] | None
    batch: bool = False
    limit: int | None = None
    layers: int | None = None


def cases(name: str) -> dict[str, Case]:
    """The case's name -> the case."""
    alone, composed = POSITIONS[name]
    if name == BASE:
        return {
            "pictures": Case(tuple(PICTURES), None),
            "texts": Case(None, SENTENCES),
            "composed": Case(("wide.png", "tall.png"), SENTENCES[:2]),
            "batch of texts": Case(None, (*SENTENCES, "a"), batch=True),
            "batch of composed": Case(("exact.png", "gray.png", "tall.png"), ("", *SENTENCES[1::2]), batch=True),
            "long text": Case(None, (long_text(900),), limit=alone),
            "long composed": Case(("wide.png",), (long_text(900),), limit=composed),
        }
    return {
        "pictures": Case(("wide.png", "gray.png"), None),
        "texts": Case(None, (SENTENCES[1], *FOREIGN)),
        "composed": Case(("tall.png",), FOREIGN[:1]),
        "batch of texts": Case(None, (*SENTENCES, *FOREIGN), batch=True),
        "batch of composed": Case(("exact.png", "tall.png"), (SENTENCES[1], FOREIGN[1]), batch=True),
        # 8,000 tokens through 24 layers take minutes, and the last layers teach nothing about truncation.
        "long text": Case(None, (long_text(9000),), limit=alone, layers=2),
        "long composed": Case(("wide.png",), (long_text(9000),), limit=composed, layers=2),
    }


def long_text(words: int) -> str:
    """Sentences over and over, with a number now and then so that no two stretches are alike."""
    text = []
    while len(text) < words:
        text += [*SENTENCES[len(text) % len(SENTENCES)].split(), str(len(text))]
    return " ".join(text[:words])


# --- weights


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Upstream's tensors' names and shapes -> float32 values, lively enough that a mistake in the wiring shows.

    Tables of rotary positions are computed by every implementation for itself and are left out.
    """
    # A prime length: no row of a matrix ever starts where another one did.
    block = np.random.RandomState(0).uniform(-math.sqrt(3), math.sqrt(3), 1_000_003).astype(np.float32)  # std 1
    made = {}
    for name, shape in shapes.items():
        if ".rope." in name:
            continue
        middle, spread = _scale(name, shape)
        scaled = np.roll(block, -zlib.crc32(name.encode()))
        scaled = scaled * np.float32(spread) + np.float32(middle)
        made[name] = torch.from_numpy(np.resize(scaled, shape))
    return made


def _scale(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Mean and standard deviation."""
    if len(shape) < 2:
        return (1, 0.2) if name.endswith("weight") else (0, 0.1)  # norms; biases
    if "embeddings" in name or name.endswith(("pos_embed", "cls_token")):
        return 0, 0.5
    # Larger queries and keys make attention pick rather than average, so that single words and patches matter.
    picky = any(part in name for part in ("query", "key", "q_proj", "k_proj", "qkv"))
    return 0, (2 if picky else 1) / math.sqrt(math.prod(shape[1:]))


# --- vocabularies


def write_text_model(name: str, folder: Path, **sizes: int) -> None:
    """The config and tokenizer files of the text model, as the hub's folder has them, with a vocabulary of ours.

    `sizes`: entries of the config that are to be others than the official ones.
    """
    if name == BASE:
        config = dict(model_type="bert", architectures=["BertModel"], vocab_size=30522)
        tokenizer = dict(tokenizer_class="BertTokenizer", do_lower_case=True)
        (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in _bert_pieces()), encoding="utf-8")
    else:
        config = dict(
            model_type="xlm-roberta", architectures=["XLMRobertaModel"], vocab_size=250_002, hidden_size=1024,
            num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096, max_position_embeddings=8194,
            type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        )  # fmt: skip
        tokenizer = dict(tokenizer_class="XLMRobertaTokenizer", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
        tokenizer |= dict(cls_token="<s>", sep_token="</s>", pad_token="<pad>", mask_token="<mask>")
        _unigram().save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(config | sizes))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def _bert_pieces() -> list[str]:
    """30,522 pieces: the special ones where BERT has them, our words spread over the rest, all letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    known = [*letters, *(f"##{letter}" for letter in letters), *",.?!'-"]
    known += sorted({word.strip(",?").lower() for sentence in SENTENCES[:4] for word in sentence.split()})
    pieces = [f"[unused{i}]" for i in range(30522)]
    pieces[0] = "[PAD]"
    pieces[100:104] = "[UNK]", "[CLS]", "[SEP]", "[MASK]"
    for i, piece in enumerate(known):
        pieces[999 + 211 * i] = piece
    return pieces


def unigram_pieces() -> list[tuple[str, float]]:
    """249,999 pieces of a SentencePiece model with their scores, the special ones left out."""
    texts = [*SENTENCES, *FOREIGN, *"0123456789"]
    known = {f"▁{word}": -8.0 for text in texts for word in text.split()}
    known |= {letter: -12.0 for letter in sorted({*"".join(texts), "▁"} - {" "})}
    pieces = [(f"▁<{i}>", -20.0) for i in range(249_997)]
    for i, (piece, score) in enumerate(sorted(known.items())):
        pieces[1777 * (i + 1)] = piece, score
    return pieces


def _unigram():
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = [*((piece, 0.0) for piece in special), *unigram_pieces(), ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in (*special, "<mask>")])
    return tokenizer


# --- pictures

# Name -> mode, width, height. Of the odd sizes the crop begins between two pixels.
PICTURES = {
    "wide.png": ("RGB", 400, 151),
    "tall.png": ("RGB", 170, 331),
    "exact.png": ("RGB", 224, 224),
    "small.png": ("RGB", 61, 50),
    "gray.png": ("L", 301, 260),
    "opaque.png": ("RGBA", 250, 225),
}


def draw_pictures(folder: Path) -> None:
    """Rings, stripes and checks with noise, in whole numbers only."""
    for number, (name, (mode, width, height)) in enumerate(PICTURES.items(), start=1):
        y, x = np.mgrid[:height, :width].astype(np.int64)
        rings = ((x - width // 3) ** 2 + (y - height // 2) ** 2) // (40 * number)
        stripes = (x * (number + 2) + y * 5) // 3
        checks = (x // 16 + y // 16) % 2 * 90 + (x * 7919 + y * 104729 + x * y) % 61
        planes = np.stack([rings, stripes, checks, np.full_like(x, 255)], axis=-1)
        planes[..., :3] = planes[..., [number % 3, (number + 1) % 3, (number + 2) % 3]] % 256
        channels = {"L": 0, "RGB": slice(3), "RGBA": slice(4)}[mode]
        Image.fromarray(planes[..., channels].astype(np.uint8)).save(folder / name)
