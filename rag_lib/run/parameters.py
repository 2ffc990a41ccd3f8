"""The notebooks' parameters: what each declares, what an edition sets, and the checks before anything runs.

In: notebooks with a cell tagged `parameters`, an edition's YAML file, `-p name value` pairs as text.
Out: for each notebook the values that it declares, of the types that it declares.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import papermill
import yaml

from rag_lib.errors import RagError, did_you_mean

TYPES = {"int": int, "float": float, "str": str, "bool": bool}
SECRET_WORDS = {"key", "apikey", "token", "secret", "password", "passwd", "credential", "credentials"}
# A password inside an address, a key in a query string, or an OpenAI key by its look.
SECRET_VALUE = re.compile(r"//[^/@\s]*:[^/@\s]+@|[?&](api_?key|key|token|password)=|^sk-\w", re.IGNORECASE)


def declared(notebook: Path) -> dict[str, dict[str, str]]:
    """name -> {"type", "default", "help"} as text, from the annotated assignments of the `parameters` cell.

    Raises RagError if the file cannot be read as a notebook.
    """
    try:
        found = papermill.inspect_notebook(str(notebook))
    except Exception as exc:  # nbformat and papermill raise many kinds; the user can only mend the file
        raise RagError(
            f"{notebook.name} cannot be read as a notebook ({type(exc).__name__}): restore it from the repository."
        ) from exc
    return {
        name: {"type": entry["inferred_type_name"], "default": entry["default"], "help": entry["help"]}
        for name, entry in found.items()
    }


def load_edition(folder: Path, name: str) -> dict[str, Any]:
    """The values of `folder`/`name`.yaml. Raises RagError naming the known editions, or the file's mistake."""
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if name not in known:
        raise RagError(f"There is no edition '{name}'. Known: {', '.join(known) or 'none'}.{did_you_mean(name, known)}")
    try:
        values = yaml.safe_load(known[name].read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        where = getattr(exc, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise RagError(f"{name}.yaml{line} is not valid YAML: write one 'name: value' on each line.") from exc
    if not isinstance(values or {}, dict):
        raise RagError(f"{name}.yaml holds a {type(values).__name__}: write one 'name: value' on each line.")
    return {str(key): value for key, value in (values or {}).items()}


def plan(
    chosen: Iterable[Path],
    *,
    edition: Mapping[str, Any],
    overrides: Mapping[str, str],
    family: Iterable[Path] = (),
) -> dict[Path, dict[str, Any]]:
    """The parameters that each chosen notebook gets: the edition's, then the overrides, only those it declares.

    `overrides`: name -> text, read as the declared type. `family`: all notebooks that the edition is for, so that
    it may name a parameter of one that is not run now; an override must be declared by a chosen one.
    Raises RagError for an unknown name, a value of the wrong type, or a secret.
    """
    chosen = list(chosen)
    declarations = {notebook: declared(notebook) for notebook in [*chosen, *family]}
    for name, value in [*edition.items(), *overrides.items()]:
        _refuse_secret(name, value)
    _refuse_unknown(edition, declarations.values(), "The edition")
    _refuse_unknown(overrides, [declarations[notebook] for notebook in chosen], "-p")

    plans = {}
    for notebook in chosen:
        values = {}
        for name, entry in declarations[notebook].items():
            if name in overrides:
                values[name] = from_text(name, overrides[name], entry["type"])
            elif name in edition:
                values[name] = _checked(name, edition[name], entry["type"])
        plans[notebook] = values
    return plans


def from_text(name: str, text: str, kind: str) -> Any:
    """`text` from the command line as a value of the declared `kind`; of no known kind: as YAML reads it."""
    if kind == "str":
        return text
    try:
        if kind in ("int", "float"):
            return TYPES[kind](text)
        value = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        raise _mistyped(name, text, kind) from None
    return _checked(name, value, kind)


def _checked(name: str, value: Any, kind: str) -> Any:
    if kind not in TYPES:
        return value
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is a subclass of int, but `limit: yes` is a mistake
    if not isinstance(value, TYPES[kind]) or (kind != "bool" and isinstance(value, bool)):
        raise _mistyped(name, value, kind)
    return value


def _mistyped(name: str, value: Any, kind: str) -> RagError:
    remedy = {"str": "put it in quotes", "bool": "write true or false"}.get(kind, "write a number such as 9")
    return RagError(f"The parameter '{name}' is {value!r}, but the notebook declares it as {kind}: {remedy}.")


def _refuse_secret(name: str, value: Any) -> None:
    if SECRET_WORDS & set(re.split(r"[_\W]+", name.lower())):
        found = f"'{name}' looks like a secret"
    elif isinstance(value, str) and SECRET_VALUE.search(value):
        found = f"The value of '{name}' seems to hold a secret"
    else:
        return
    raise RagError(
        f"{found}, and parameters are written into the executed notebooks: put it into the environment instead "
        "(`python -m rag_lib.run --help` names the variables)."
    )


def _refuse_unknown(names: Iterable[str], declarations: Iterable[Mapping], source: str) -> None:
    known = sorted({name for declaration in declarations for name in declaration})
    for name in names:
        if name not in known:
            raise RagError(
                f"{source} sets '{name}', which no chosen notebook declares. "
                f"Known: {', '.join(known) or 'none'}.{did_you_mean(name, known)}"
            )
