"""The folder of the photo encoder, read and written. Our own lies in the package; `rag_lib.training.photo` makes it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rag_lib.encoders.device import MARKS
from rag_lib.encoders.photo.encoder import PhotoEncoder
from rag_lib.encoders.photo.looks import Reader
from rag_lib.encoders.photo.tower import load_tower
from rag_lib.encoders.photo.typical import Typical
from rag_lib.encoders.photo.words import ClassReader, Instruction, WordTable
from rag_lib.encoders.sums import check_sums, write_sums
from rag_lib.encoders.vocabulary import Vocabulary
from rag_lib.errors import RagError
from rag_lib.paths import replacing

PHOTO_FOLDER = Path(__file__).resolve().parent.parent.parent / "weights" / "photo"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "words.json")
REMEDY = "Restore it from the repository, or make it anew with `python -m rag_lib.training.photo`."
VERSION = 2  # part of the fingerprint: raise it when the same files would give other vectors


def load_photo(folder: Path, *, device: str, dtype) -> PhotoEncoder:
    """Load a folder that `write_photo` wrote. Raises RagError for one that lacks a file or is damaged."""
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise RagError(f"The photo weights folder {folder.name!r} lacks {', '.join(missing)}. {REMEDY}")
    digests = check_sums(folder, FILES, remedy=REMEDY)
    identity = hashlib.sha256("".join(digests[name] for name in FILES).encode()).hexdigest()
    try:
        return _read(folder, f"{identity[:12]}v{VERSION}{MARKS[dtype]}", device, dtype)
    except Exception as error:  # a dozen kinds for files that do not belong together
        raise RagError(
            f"The photo weights folder {folder.name!r} is damaged: its files cannot be read together "
            f"({type(error).__name__}). {REMEDY}"
        ) from None


def _read(folder: Path, fingerprint: str, device: str, dtype) -> PhotoEncoder:
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    settings, words = (
        json.loads((folder / name).read_text(encoding="utf-8")) for name in ("config.json", "words.json")
    )
    tensors = load_file(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    arrays = {name: tensor.float().numpy() for name, tensor in tensors.items() if not name.startswith("tower.")}
    table = WordTable(tokenizer, arrays["words.rows"] * arrays["words.scale"][:, None])
    entries = [word for word in tokenizer.get_vocab() if word.isalpha()]
    return PhotoEncoder(
        load_tower({k[6:]: v for k, v in tensors.items() if k.startswith("tower.")}, device, dtype),
        ClassReader(table, arrays["classes.names"], arrays["classes.middle"], settings["temperature"]),
        {part: Reader(arrays[f"{part}.weight"], arrays[f"{part}.bias"]) for part in ("category", "theme")},
        labels=settings["labels"],
        shares=settings["shares"],
        softness=settings["softness"],
        kinds=settings["kinds"],
        drawings=Typical(
            *(arrays[f"drawings.{name}"] for name in ("middle", "scale", "axes", "spread")), **settings["drawings_are"]
        ),
        instruction=Instruction(tokenizer, **words),
        vocabulary=Vocabulary(tokenizer, model="photo", names={"thing": {word: [word] for word in entries}}),
        name="photo",
        fingerprint=fingerprint,
        device=device,
        dtype=dtype,
    )


def pack_rows(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """(n, d) float32 -> "rows", int8, and "scale", float16, whose products they are to about one part in 250."""
    scale = np.maximum(np.abs(vectors).max(axis=1), 1e-6) / 127
    return {"rows": np.round(vectors / scale[:, None]).astype(np.int8), "scale": scale.astype(np.float16)}


def write_photo(folder: Path, tensors: Mapping, settings: Mapping, tokenizer: str, words: Mapping) -> None:
    """Write the files of `load_photo` and their checksums.

    `tensors`: names as `load_photo` reads them; `settings`: labels, shares, softness, temperature, kinds,
    drawings_are, and what they were made of; `tokenizer`: its JSON; `words`: the arguments of `Instruction`.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.safetensors") as beside:
        save_file(dict(tensors), beside)
    texts = {
        "config.json": json.dumps(settings, indent=1) + "\n",
        "tokenizer.json": tokenizer,
        "words.json": json.dumps(words, indent=1) + "\n",
    }
    for name, text in texts.items():
        with replacing(folder / name) as beside:
            beside.write_bytes(text.encode())
    write_sums(folder, FILES)
