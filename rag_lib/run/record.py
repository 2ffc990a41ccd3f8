"""What a run was, kept in its folder as run.json: parameters, notebooks, seconds, versions, checksums, figures.

In: the folder of a run that has ended, its plans. Out: a dict, which the run's page, a sweep and a comparison read.
It is kept last: a folder with a run.json holds a whole run.
"""

import ast
import contextlib
import hashlib
import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nbformat

from rag_lib.errors import RagError
from rag_lib.paths import home, notebooks, replacing, resolve
from rag_lib.run.folder import MADE_BY
from rag_lib.run.parameters import read_parameters
from rag_lib.run.results import figures, read_results

NAME = "run.json"
FORM = 1
PACKAGES = (
    *("rag_lib", "torch", "transformers", "timm", "sentence-transformers", "pymilvus", "milvus-lite", "openai"),
    *("numpy", "scipy", "opencv-python", "opencv-python-headless", "Pillow", "papermill"),
)
WEIGHTS = (".safetensors", ".pth", ".bin")


def identity(plans: Mapping[Path, Mapping[str, Any]]) -> str:
    """A digest of what would run: parameters, and the cells of the notebooks. Two runs of the same have the same."""
    digest = hashlib.sha256()
    for notebook, values in plans.items():
        cells = [[cell.cell_type, cell.source] for cell in nbformat.read(notebook, as_version=4).cells]
        content = [notebook.stem, {k: v for k, v in values.items() if k != "out"}, cells]
        digest.update(json.dumps(content, sort_keys=True).encode())
    return digest.hexdigest()


def make_record(
    out: Path,
    done: Sequence[tuple[str, float]],
    plans: Mapping[Path, Mapping[str, Any]],
    *,
    edition: str,
    started: str,
    hero: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`out`: with the executed notebooks. `done`: (file name, seconds) of them; `started`: the local time in words;
    `hero`: what `load_hero` found."""
    lines, found = [], {}
    sources = {path.name: path for path in plans}
    for name, seconds in done:
        stem, nb = Path(name).stem, nbformat.read(out / name, as_version=4)
        title = next((cell.source.splitlines()[0] for cell in nb.cells if cell.source.startswith("# ")), stem)
        line = {"name": stem, "title": title.removeprefix("# "), "seconds": round(seconds, 1)}
        lines.append(line | {"parameters": _values(sources[name], plans[sources[name]])})
        found |= {f"{stem}: {label}": value for label, value in figures(read_results(nb)).items()}
    parameters = _merged({line["name"]: line["parameters"] for line in lines})
    return {
        "made_by": MADE_BY,
        "form": FORM,
        "identity": identity(plans),
        "edition": edition,
        "started": started,
        "seconds": round(sum(seconds for _, seconds in done), 1),
        "parameters": parameters,
        "notebooks": lines,
        "winner": hero["winner_title"] if hero else None,
        "figures": found,
        "versions": _versions(),
        "checksums": _checksums([line["parameters"] for line in lines]),
    }


def keep_record(out: Path, record: Mapping[str, Any]) -> None:
    """As `out`/run.json, when all else of the run is there."""
    with replacing(out / NAME) as beside:
        beside.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any]:
    """Raises RagError if `folder` holds no run.json of this form."""
    try:
        record = json.loads((folder / NAME).read_text(encoding="utf-8"))
        whole = record["made_by"] == MADE_BY and record["form"] == FORM
    except FileNotFoundError:
        raise RagError(
            f"{folder.name} holds no run that came to its end (there is no {NAME}): run it again with --out."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise RagError(f"{folder.name}/{NAME} is not as this version writes it: run it again.")
    return record


def _values(notebook: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """All that the notebook declares, given or its own default, but for the folder of the results."""
    values = {}
    for name, entry in read_parameters(notebook).items():
        try:
            values[name] = given[name] if name in given else ast.literal_eval(entry["default"])
        except (ValueError, SyntaxError):  # no literal: as it is written
            values[name] = entry["default"]
    values.pop("out", None)
    return values


def _merged(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """name -> the value of all notebooks, or of more than half; "name (notebook)" -> another one, for each."""
    merged = {}
    for name in dict.fromkeys(name for own in values.values() for name in own):
        each = {stem: own[name] for stem, own in values.items() if name in own}
        [(most, often)] = Counter(map(json.dumps, each.values())).most_common(1)
        if 2 * often > len(each):
            merged[name] = json.loads(most)
            each = {stem: value for stem, value in each.items() if json.dumps(value) != most}
        merged |= {f"{name} ({stem})": value for stem, value in each.items()}
    return merged


@cache
def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    found["cores"] = str(os.cpu_count())
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    if not (notebooks().parent / ".git").exists():  # installed: the commit would be somebody else's
        return found
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        here = {"cwd": notebooks().parent, "capture_output": True, "text": True, "check": True, "timeout": 20}
        commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **here).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], **here).stdout.strip()
        found["commit"] = f"{commit}, changed" if changed else commit
    return found


def _checksums(given: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """SHA-256 of the lock, of each encoder's weights (where they lie here), of each catalog: its content ids and what
    it says of them, and of each query picture."""
    found = {}
    lock = notebooks().parent / "requirements.lock"
    if lock.is_file():
        found["requirements.lock"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    for name in dict.fromkeys(str(values["encoder"]) for values in given if "encoder" in values):
        found |= _weights(name)
    shops = [each for each in given if "catalog" in each]
    names = ("catalog", "seed", "query_image")
    for catalog, seed, picture in dict.fromkeys(tuple(each.get(name) or 0 for name in names) for each in shops):
        found |= _catalog(str(catalog), seed, picture)
    return found


def _weights(name: str) -> dict[str, str]:
    """Of the package's own encoders, of downloaded weights, or of a folder that is named; not of the hub's cache."""
    from rag_lib.encoders.sums import sha256

    package = Path(__file__).resolve().parent.parent
    folders = (package / "weights" / name, home() / "data" / "weights" / name, resolve(name))
    folder = next((each for each in folders if os.path.isdir(each)), None)
    files = sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS) if folder else []
    return {f"{name}, {path.name}": sha256(path) for path in files}


def _catalog(name: str, seed: int, picture: Any) -> dict[str, str]:
    """`picture`: a notebook's `query_image`, if it has one."""
    from rag_lib.catalog import load_catalog, query_picture
    from rag_lib.encoders.sums import sha256

    found = {}
    with contextlib.suppress(RagError, OSError):  # gone since it was read
        shop = load_catalog(name, seed=seed)
        items = sorted(shop.items, key=lambda item: item.image_id)
        content = json.dumps([[item.image_id, item.title, item.metadata] for item in items], default=str)
        found[f"catalog {name}, {len(items)} pictures"] = hashlib.sha256(content.encode()).hexdigest()
        if picture and (path := query_picture(shop, picture)):
            found[f"query picture {Path(path).name}"] = sha256(path)
    return found
