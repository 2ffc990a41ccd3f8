"""From an official model's name to the loaded model: where its weights, sizes and tokenizer are found.

A checkpoint is a local `.pth` or `.safetensors` file, or a folder that holds it, beside it the text model's config.json
and tokenizer files if there are any; with neither given it is looked for in data/weights/<name>/, and then fetched into
that folder from the hub.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

from rag_lib.encoders.device import MARKS
from rag_lib.encoders.hub import HubFile, fetch
from rag_lib.encoders.preprocess import PREPROCESS_VERSION
from rag_lib.encoders.sums import check_sums
from rag_lib.encoders.visualized_bge.checkpoint import build_empty, load_checkpoint, read_tensors
from rag_lib.encoders.visualized_bge.encoder import ComposedEncoder
from rag_lib.encoders.visualized_bge.model import CONFIGS
from rag_lib.errors import RagError
from rag_lib.paths import data_dir, resolve

VISUALIZED = ("BAAI/bge-visualized", "98db10b10d22620010d06f11733346e1c98c34aa")
CHECKPOINTS = {
    "visualized-bge-base-en-v1.5": HubFile(*VISUALIZED, "Visualized_base_en_v1.5.pth"),
    "visualized-bge-m3": HubFile(*VISUALIZED, "Visualized_m3.pth"),
}
TOKENIZERS = {
    "visualized-bge-base-en-v1.5": ("BAAI/bge-base-en-v1.5", "a5beb1e3e68b9ab74eb54cfd186867f64f240e1a"),
    "visualized-bge-m3": ("BAAI/bge-m3", "5617a9f61b028005a4858fdac845db406aefb181"),
}
FETCHED_TOKENIZER = ("tokenizer_config.json", "special_tokens_map.json", "tokenizer.json")  # the last makes it whole
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model")  # any of them is a tokenizer
REMEDY = "Delete it: what came from the hub is fetched anew. Or delete SHA256SUMS, if you put another in its place."
TEXT_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "pad_token_id",
)


def load_official(name: str, weights: str | Path | None, *, device: str, dtype) -> ComposedEncoder:
    """Load an official checkpoint strictly: a key too many, too few or of another shape is an error."""
    path = find_checkpoint(name, weights)
    model, tokenizer, digest = read_official(name, path)
    fingerprint = fingerprint_of(digest, tokenizer, dtype) + _mark(read_sizes(name, path.parent))
    return ComposedEncoder(model, tokenizer, name=name, fingerprint=fingerprint, device=device, dtype=dtype)


def read_official(name: str, path: Path) -> tuple:
    """The model in a checkpoint, the tokenizer beside it or the hub's, and the sha256 of the checkpoint."""
    changes = read_sizes(name, path.parent)
    try:
        digest = check_sums(path.parent, [path.name], remedy=REMEDY)[path.name]
    except OSError as error:
        raise RagError(
            f"The checkpoint {path.name} cannot be read ({error.strerror}): see to its permissions and its disk."
        ) from None
    tensors = read_tensors(path)
    config = dataclasses.replace(CONFIGS[name], text_args=CONFIGS[name].text_args | changes)
    try:
        model = build_empty(config)
    except Exception as error:  # sizes that contradict each other, found anywhere in transformers
        if not changes:
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RagError(
            f"No text model can be built with the sizes in config.json beside {path.name} ({reason}). "
            "Restore that file, or remove it to use the official sizes."
        ) from None
    load_checkpoint(model, tensors)
    return model, load_tokenizer(name, path.parent, model.text_model.config.vocab_size), digest


def fingerprint_of(digest: str, tokenizer, dtype) -> str:
    """Of the weights, of the words' way to ids and places, of the preprocessing and of the precision."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    del rules["padding"], rules["truncation"]  # a state: of the last call
    rules["call"] = tokenizer.padding_side, tokenizer.truncation_side, tokenizer.pad_token_id
    return f"{digest[:12]}t{_short_hash(rules)}p{PREPROCESS_VERSION}{MARKS[dtype]}"


def _short_hash(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:6]


def _mark(changes: dict) -> str:
    """Sizes that are not the official ones, in a fingerprint: the same weights then give other vectors."""
    return f"c{_short_hash(changes)}" if changes else ""


def find_checkpoint(name: str, weights: str | Path | None) -> Path:
    official = CHECKPOINTS[name]
    path = data_dir() / "weights" / name if weights is None else resolve(weights)
    if path.is_file():
        return path
    if path.is_dir():
        if (path / official.name).is_file():  # beside the text model's own weights, perhaps
            return path / official.name
        found = sorted([*path.glob("*.safetensors"), *path.glob("*.pth")])
        if len(found) == 1:
            return found[0]
        if found or weights is not None:
            raise RagError(
                f"The weights folder {path.name!r} holds {len(found)} checkpoints; expected exactly one .pth or "
                f".safetensors file, such as {official.name}."
            )
    if weights is None:
        return fetch(official, path)
    raise RagError(f"There are no weights at {str(weights)!r}: give the checkpoint {official.name} or its folder.")


def read_sizes(name: str, folder: Path) -> dict:
    """What config.json in the checkpoint's folder, the text model's own, says otherwise than the official sizes."""
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        kind = given.get("model_type")
    except (ValueError, AttributeError):
        raise RagError(
            "config.json beside the checkpoint is not a model's settings in JSON: restore it from "
            f"{TOKENIZERS[name][0]}, or remove it to use the official sizes."
        ) from None
    wanted = CONFIGS[name].text
    if kind != wanted:
        raise RagError(
            f"config.json beside the checkpoint describes a model of type {kind!r}; {name} reads {wanted!r}. Give the "
            "checkpoint a folder of its own, with the config.json of its text model or none."
        )
    official = _official_sizes(name)
    return {size: given[size] for size in TEXT_SIZES if size in given and given[size] != official[size]}


def _official_sizes(name: str) -> dict:
    from transformers import BertConfig, XLMRobertaConfig

    kind = BertConfig if CONFIGS[name].text == "bert" else XLMRobertaConfig
    return kind(**CONFIGS[name].text_args).to_dict()


def load_tokenizer(name: str, folder: Path, vocabulary: int):
    """The tokenizer in the folder, or the hub's; `vocabulary`: how many ids the model has."""
    from transformers import AutoTokenizer

    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        folder = data_dir() / "weights" / name
        for file in FETCHED_TOKENIZER:
            fetch(HubFile(*TOKENIZERS[name], file), folder)
    check_sums(folder, FETCHED_TOKENIZER, remedy=REMEDY)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)  # without it: a question to the hub
        tokenizer.backend_tokenizer  # noqa: B018  one in Python alone has none
    except Exception as error:  # a dozen kinds for files that are damaged or do not belong together
        problem = f"cannot be read ({type(error).__name__})"
    else:
        lacking = [kind for kind in ("cls", "sep", "pad") if getattr(tokenizer, f"{kind}_token") is None]
        ids = max(tokenizer.get_vocab().values(), default=-1) + 1
        if not lacking and ids <= vocabulary:
            return tokenizer
        problem = (
            f"names no {', '.join(lacking)} token: one of its files is missing"
            if lacking
            else f"has {ids:,} entries, the model {vocabulary:,}: it is another model's"
        )
    raise RagError(
        f"The tokenizer beside the checkpoint {problem}. Replace its files ({', '.join(FETCHED_TOKENIZER)}) by those "
        f"of {TOKENIZERS[name][0]}."
    )
