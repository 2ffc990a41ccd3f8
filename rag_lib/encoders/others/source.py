"""Where a model's files are: a hub id or a folder in; a place to load from and an identity of the weights out.

An identity is what the fingerprint is made of: a hash over the files that can change a vector, of a local folder by
their bytes, of a hub repository by the checksums that the hub knows. So a new model card changes nothing. The code that
a model repository brings along is never run.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rag_lib.encoders.device import MARKS
from rag_lib.encoders.sums import hash_file
from rag_lib.errors import RagError
from rag_lib.paths import replacing, resolve

HUB_ID = re.compile(r"(?=.{3,96}$)[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Files that can change a vector: weights, configurations, tokenizers. Not the model card, nor code, which is not run.
SUFFIXES = {".safetensors", ".bin", ".pt", ".pth", ".json", ".txt", ".model", ".jinja"}
ADDRESS = re.compile(r"https?://\S+")
NETWORK = re.compile(r"\b(connect|connection|timed out|offline|http)\b", re.IGNORECASE)  # but not a model's "connector"
IDENTITY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """`name`: the encoder's; `place`: a folder or a hub id; `commit`: of a hub id; `identity`: of the weights."""

    name: str
    place: str
    commit: str | None
    identity: str

    def load(self, loader: Callable, **options):
        """`loader(place, revision=..., **options)`; whatever it raises ends in one sentence."""
        try:
            return loader(self.place, revision=self.commit, **options)
        except Exception as error:  # a damaged file, a missing one, no network: dozens of kinds
            raise RagError(_why_not_loaded(self, error)) from None

    def config(self) -> dict:
        """The settings in config.json; {} where there is none."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        path = Path(self.place, "config.json")
        if self.commit:
            try:
                path = Path(hf_hub_download(self.place, "config.json", revision=self.commit))
            except EntryNotFoundError:
                return {}
            except Exception as error:
                raise RagError(_not_fetched(self.name, error)) from None
        try:
            settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError:
            settings = None
        if not isinstance(settings, dict):
            raise RagError(f"config.json of {self.name!r} is damaged: it is no JSON object. Download it again.")
        return settings

    def fingerprint(self, dtype, version: int) -> str:
        """`version`: raised when the code changes what a model sees or what is made of its output."""
        return f"{self.identity[:12]}v{version}{MARKS[dtype]}"


def find_source(name: str, weights: str | Path | None = None) -> Source:
    """Find the files of `name`, a folder or a hub id. `weights`: the folder that holds them. Raises RagError."""
    folder = resolve(weights or name)
    if os.path.isdir(folder):  # unlike Path.is_dir, False for a name too long to be one
        if not any((folder / file).is_file() for file in ("modules.json", "config.json")):
            raise RagError(
                f"The folder {folder.name!r} holds no model: it has neither modules.json, which sentence-transformers "
                "writes, nor config.json, which transformers writes."
            )
        return Source(str(name) if weights else folder.name, str(folder), None, folder_digest(folder))
    if weights:
        raise RagError(
            f"There is no folder {str(weights)[:200]!r}: weights of {name!r} must be the folder that holds them."
        )
    if not HUB_ID.fullmatch(name):
        raise RagError(f"There is no folder {name[:200]!r}: give a folder that holds a model, or a hub id 'org/model'.")
    commit = _hub_commit(name)
    return Source(name, name, commit, _hub_identity(name, commit))


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and the bytes of the files in `folder` that can change a vector."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in SUFFIXES:
            digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            hash_file(path, digest)
    return digest.hexdigest()


def _hub_identity(name: str, commit: str) -> str:
    """SHA-256 over the names and the checksums of the files at that commit that can change a vector.

    It is noted in data/weights/identities/, so that it is the same without a network. The commit itself stands in where
    it was never asked for and the hub does not say: as long as that lasts, the fingerprint is another one.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    note = resolve("data") / "weights" / "identities" / commit
    with contextlib.suppress(OSError, UnicodeError):
        if IDENTITY.fullmatch(noted := note.read_text(encoding="ascii")):
            return noted
    try:
        tree = HfApi().list_repo_tree(name, recursive=True, revision=commit)
        files = [each for each in tree if isinstance(each, RepoFile) and Path(each.path).suffix in SUFFIXES]
    except Exception:  # no network, or a mirror that has no lists: dozens of kinds
        files = []
    if not files:
        return commit
    content = sorted((file.path, file.blob_id) for file in files)
    identity = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    with contextlib.suppress(OSError):  # it is asked for again, then
        note.parent.mkdir(parents=True, exist_ok=True)
        with replacing(note) as beside:
            beside.write_text(identity, encoding="ascii")
    return identity


def _hub_commit(name: str) -> str:
    """The commit that the hub, or its cache where there is no network, holds now."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    missing, offline = None, False
    for file in ("modules.json", "config.json"):  # every model has one of the two
        try:
            return Path(hf_hub_download(name, file, local_files_only=offline)).parent.name
        except EntryNotFoundError as error:
            missing = error
            offline = isinstance(error, LocalEntryNotFoundError)  # one wait for a network that is not there is enough
        except RepositoryNotFoundError:
            raise RagError(
                f"The hub has no public model {name!r}, and there is no such folder: check the name, or give a folder "
                "that holds the model."
            ) from None
        except Exception as error:
            raise RagError(_not_fetched(name, error)) from None
    raise RagError(_not_fetched(name, missing))


def _not_fetched(name: str, error: Exception) -> str:
    return (
        f"The model {name!r} could not be fetched from the hub ({type(error).__name__}). Check the network, or name a "
        "folder that holds the model; encoder='pocket' needs no download."
    )


def _why_not_loaded(source: Source, error: Exception) -> str:
    name, text = source.name, str(error)
    if "trust_remote_code" in text or "custom code" in text:
        return (
            f"The model {name!r} brings code of its own, which would have to run here with all your rights: that is "
            "never done. Choose a model that transformers knows by itself."
        )
    if source.commit and NETWORK.search(ADDRESS.sub("", text)):  # advice such as "see https://..." is no fault of it
        return _not_fetched(name, error)
    if isinstance(error, ImportError):
        return f"The model {name!r} needs a package that is missing: {text.strip().splitlines()[0]}"
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return f"The model {name!r} does not fit into memory: choose a smaller one, or device='cpu'."
    return (
        f"The model {name!r} could not be loaded ({type(error).__name__}): its files are incomplete or damaged, or "
        "not of a kind that transformers and sentence-transformers know. Download them again."
    )
