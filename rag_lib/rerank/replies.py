"""Replies of models that were paid for once: the whole request in, the body of the reply out.

A request is the endpoint's address, the model, the prompt, the picture's bytes and the schema: whatever would change
the answer changes the key. One small file a reply, under data/replies/ and the model's name, written beside and then
renamed: a kill loses at most one, and any number of processes may share the folder. No key of an endpoint is in it.
The folder may be deleted at any time; the model is then asked again.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rag_lib.paths import replacing, resolve


class Replies:
    """The kept replies of one model, in `folder`; made on first use.

    No fault of the disk is an error here. A damaged file is renamed to `*.damaged`, and the reply is missing; where
    nothing can be written, nothing is kept. Both are told.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._writes = True

    @classmethod
    def of_model(cls, model: str) -> "Replies":
        """The usual place, below the project's home."""
        return cls(resolve("data") / "replies" / re.sub(r"[^\w.-]+|^\.+", "_", model)[:100])

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.glob("*.json"))

    def get(self, request: Mapping[str, Any]) -> str | None:
        """The reply as it was put in, or None if there is none."""
        path = self._path(request)
        try:
            text = path.read_text(encoding="utf-8")
            kept = json.loads(text)
            if kept["checksum"] == _checksum(path.stem, kept["reply"]):
                return kept["reply"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            tqdm.write(f"A kept reply cannot be read ({exc.strerror}): the model is asked again.")
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        self._set_aside(path)
        return None

    def put(self, request: Mapping[str, Any], reply: str) -> None:
        """Keep a reply."""
        if not self._writes:
            return
        path = self._path(request)
        kept = {"checksum": _checksum(path.stem, reply), "reply": reply}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as beside:
                beside.write_text(json.dumps(kept), encoding="utf-8")
        except OSError as exc:
            self._writes = False
            tqdm.write(f"Replies of the model are not kept, because data/replies cannot be written ({exc.strerror}).")

    def _path(self, request: Mapping[str, Any]) -> Path:
        whole = json.dumps(request, sort_keys=True, ensure_ascii=True)
        return self.folder / f"{hashlib.sha256(whole.encode()).hexdigest()[:32]}.json"

    def _set_aside(self, path: Path) -> None:
        try:
            path.replace(path.with_suffix(".damaged"))
        except OSError:
            return  # another process was quicker, or the next good reply takes its place
        tqdm.write(f"A kept reply is damaged: it is set aside as {path.stem}.damaged, and the model is asked again.")


def _checksum(key: str, reply: str) -> str:
    """Of the key too, so that a file cannot answer another request."""
    return hashlib.sha256(f"{key}\n{reply}".encode()).hexdigest()
