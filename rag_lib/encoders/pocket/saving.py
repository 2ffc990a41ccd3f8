"""The pocket model's folder, written: what a training made in, the files that `load_pocket` reads out."""

import json
from collections.abc import Mapping
from pathlib import Path

from rag_lib.encoders.pocket.loading import FILES, WORDS
from rag_lib.encoders.sums import SUMS, sha256, write_sums
from rag_lib.paths import replacing


def write_pocket(
    folder: Path, tensors: Mapping, settings: Mapping, tokenizer: str, words: Mapping | None = None
) -> None:
    """Write the model's files and the checksums of all of them; config.json is the last of the files.

    `tensors`: names as `read_pocket` has them -> float16. `settings`: "model" and "labels", and how it was trained.
    `tokenizer`: its JSON. `words`: what it was taught, for `Vocabulary`; None for one that may know any word.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for stale in (SUMS, WORDS):
        (folder / stale).unlink(missing_ok=True)
    weights = folder / "model.safetensors"
    with replacing(weights) as beside:
        save_file(dict(tensors), beside)
    texts = {"tokenizer.json": tokenizer}
    if words is not None:
        texts[WORDS] = json.dumps(words, indent=1) + "\n"
    texts["config.json"] = json.dumps({**settings, "sha256": sha256(weights)}, indent=1) + "\n"
    for name, text in texts.items():
        with replacing(folder / name) as beside:
            beside.write_bytes(text.encode())
    write_sums(folder, {*FILES, *texts})
