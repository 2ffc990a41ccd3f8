"""JSON files that are whole or not there, whenever a training is stopped."""

import json
from pathlib import Path

from rag_lib.paths import replacing


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, document) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
