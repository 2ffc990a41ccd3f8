"""The notebooks' parameters: what each declares, what an edition sets, and the checks before anything runs.

In: notebooks with a cell tagged `parameters`, an edition's YAML file, `-p name value` pairs as text.
Out: for each notebook the values that it declares, of the types that it declares.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import papermill
import yaml
from pydantic import TypeAdapter, ValidationError

from rag_lib.catalog import NAMES as CATALOGS
from rag_lib.errors import RagError, did_you_mean
from rag_lib.records import as_text

TYPES = {"int": int, "float": float, "str": str, "bool": bool}
SECRET_WORDS = {"key", "apikey", "token", "secret", "password", "passwd", "credential", "credentials"}
# Keys by their look: a service's prefix with a long run behind it, or a long run of large and small letters and digits.
# File names, the hub's names and hosts have neither; what a path goes through or ends with is none.
SECRET_VALUE = re.compile(
    r"""//[^/@\s]*:(?!\d*(?:/|$))[^@\s]+@              # a password inside an address, which a port is not
    | (?i:[?&](?:api_?key|key|token|password)=)
    | (?i:\bbearer\s+[\w.=-]{16,})
    | -----BEGIN[ ]
    | (?<![\w./-])(?:
        sk-(?=[\w-]*\d)[\w-]{6,}                     # OpenAI and those who do as it does
      | (?:gsk|hf|gh[opsur]|r8|jina|tgp|fw)_[A-Za-z0-9]{16,}
      | (?:github_pat_|glpat-|nvapi-|pplx-|xai-|csk-|pa-|xox[a-z]-|AIza|eyJ)(?=[\w-]*\d)[\w-]{20,}
      | (?:AKIA|ASIA)[A-Z0-9]{16}
      | (?=\w*[a-z])(?=\w*[A-Z])(?=\w*\d)[A-Za-z0-9]{24,}(?![\w./-])
    )""",
    re.VERBOSE,
)


def read_parameters(notebook: Path) -> dict[str, dict[str, str]]:
    """name -> {"inferred_type_name", "default", "help"}, as text, from the assignments of the `parameters` cell.

    Raises RagError if the file cannot be read as a notebook.
    """
    try:
        return papermill.inspect_notebook(str(notebook))
    except Exception as exc:  # nbformat and papermill raise many kinds; the user can only mend the file
        raise RagError(
            f"{notebook.name} cannot be read as a notebook ({type(exc).__name__}): restore it from the repository."
        ) from exc


class Edition(NamedTuple):
    """`values`: of parameters; `notebooks`: those that it is for, as the command names them; none if it is for all.

    `besides`: others that a run of it takes along, with their own values.
    """

    values: dict[str, Any]
    notebooks: list[str]
    besides: list[str]


def load_edition(folder: Path, name: str) -> Edition:
    """What `folder`/`name`.yaml sets. Raises RagError naming the known editions, or the file's mistake."""
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if name not in known:
        raise RagError(f"There is no edition '{name}'. Known: {', '.join(known) or 'none'}.{did_you_mean(name, known)}")
    try:
        values = yaml.safe_load(known[name].read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        where = getattr(exc, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise RagError(f"{name}.yaml{line} is not valid YAML in UTF-8: write one 'name: value' on each line.") from exc
    if not isinstance(values or {}, dict):
        raise RagError(f"{name}.yaml holds a {type(values).__name__}: write one 'name: value' on each line.")
    values = {str(key): value for key, value in (values or {}).items()}
    named = {key: values.pop(key, "") for key in ("notebooks", "besides")}
    for key, names in named.items():
        if not isinstance(names, str):
            raise RagError(f"{name}.yaml's {key} are {names!r}: write numbers in quotes, such as '01-04 12'.")
    return Edition(values, *(names.split() for names in named.values()))


def plan(
    chosen: Iterable[Path],
    *,
    edition: Mapping[str, Any],
    overrides: Mapping[str, str],
    given: Mapping[str, Any] | None = None,
    family: Iterable[Path] = (),
    foreign: Iterable[Path] = (),
) -> dict[Path, dict[str, Any]]:
    """The parameters that each chosen notebook gets: the edition's, then the overrides, only those it declares.

    `overrides`: name -> text, read as the declared type; with a folder as catalog and no `query_image`, that is "": the
    edition's is one of the edition's catalog. `given`: name -> value, as a sweep's file sets it. `family`: all
    notebooks that the edition may name parameters of; an override and a given value must be declared by a chosen one.
    `foreign`: those of the chosen that the edition is not for, which keep their own values.
    Raises RagError for an unknown name, a value of the wrong type, or a secret.
    """
    given = given or {}
    chosen, foreign = list(chosen), set(foreign)
    declarations = {notebook: read_parameters(notebook) for notebook in [*chosen, *family]}
    for name, value in [*edition.items(), *given.items(), *overrides.items()]:
        _refuse_secret(name, value)
    _refuse_unknown(edition, declarations.values(), "The edition")
    _refuse_unknown(given, [declarations[notebook] for notebook in chosen], "The sweep")
    _refuse_unknown(overrides, [declarations[notebook] for notebook in chosen], "-p")

    plans = {}
    for notebook in chosen:
        values = {}
        for name, entry in declarations[notebook].items():
            if name in overrides:
                values[name] = from_text(name, overrides[name], entry["inferred_type_name"])
            elif name in given:
                values[name] = _check(name, given[name], entry["inferred_type_name"])
            elif name == "query_image" and overrides.get("catalog", CATALOGS[0]) not in CATALOGS:
                values[name] = ""
            elif name in edition and notebook not in foreign:
                values[name] = _check(name, edition[name], entry["inferred_type_name"])
        plans[notebook] = values
    return plans


def from_text(name: str, text: str, kind: str) -> Any:
    """`text` from the command line as a value of the declared `kind`; of no known kind: as YAML reads it."""
    try:
        value = TYPES[kind](text) if kind in ("int", "float", "str") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        raise _mistyped(name, text, kind) from None
    return _check(name, value, kind)


def _check(name: str, value: Any, kind: str) -> Any:
    """`value` as it is, but a whole number as float where that is declared. No kind gives way to another."""
    try:
        value = TypeAdapter(TYPES.get(kind, Any)).validate_python(value, strict=True)
    except ValidationError:
        raise _mistyped(name, value, kind) from None
    return as_text(value, f"The parameter '{name}'") if kind == "str" else value


def _mistyped(name: str, value: Any, kind: str) -> RagError:
    remedy = {"str": "put it in quotes", "bool": "write true or false"}.get(kind, "write a number such as 9")
    return RagError(f"The parameter '{name}' is {value!r}, but the notebook declares it as {kind}: {remedy}.")


def _refuse_secret(name: str, value: Any) -> None:
    if SECRET_WORDS & set(re.split(r"[_\W]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())):
        found = f"'{name}' looks like a secret"
    elif SECRET_VALUE.search(str(value)):
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
