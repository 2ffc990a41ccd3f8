"""A sweep: one run for every combination of values, then a page that compares them.

In: a YAML file with `vary` (name -> list of values) and, if need be, `parameters` (name -> value, the same in all),
`notebooks` and `edition`. Out: in the sweep's folder one folder for each combination, as a run leaves it, and
index.html with runs.csv. A combination that was finished is not run again, so a sweep that was stopped goes on with the
same command.
"""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rag_lib.errors import RagError, did_you_mean
from rag_lib.run.comparison import compare
from rag_lib.run.folder import hold
from rag_lib.run.progress import about
from rag_lib.run.record import identity, read_record
from rag_lib.run.runs import plan_run, run, short

KEYS = ("vary", "parameters", "notebooks", "edition")


@dataclass(frozen=True)
class Sweep:
    """What a file asks for. `vary`: name -> the values it takes; `fixed`: name -> value in all combinations."""

    vary: Mapping[str, Sequence[Any]]
    fixed: Mapping[str, Any]
    notebooks: Sequence[str]
    edition: str

    def combinations(self) -> list[dict[str, Any]]:
        """The last name changes fastest."""
        return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]


def read_sweep(path: Path) -> Sweep:
    """Raises RagError for a file that is missing, no YAML, or of another form."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise RagError(f"The sweep's file {path} cannot be read ({exc.strerror}): check the name.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        where = getattr(exc, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise RagError(f"{path.name}{line} is not valid YAML in UTF-8.") from None
    if not isinstance(content, dict) or not isinstance(content.get("vary"), dict) or not content["vary"]:
        raise RagError(f"{path.name} names nothing to vary: write 'vary:' and below it, say, 'limit: [4, 9]'.")
    for key in content:
        if key not in KEYS:
            raise RagError(f"{path.name} holds '{key}'. Known: {', '.join(KEYS)}.{did_you_mean(key, KEYS)}")
    vary, fixed = content["vary"], content.get("parameters") or {}
    if not isinstance(fixed, dict):
        raise RagError(f"'parameters' of {path.name} is no list of 'name: value' lines.")
    for name, values in vary.items():
        if not isinstance(values, list) or not values:
            raise RagError(f"'{name}' of {path.name} needs a list of values, such as [4, 9].")
        if len({json.dumps(value, default=str) for value in values}) < len(values):
            raise RagError(f"'{name}' of {path.name} names a value twice.")
        if name in fixed:
            raise RagError(f"'{name}' of {path.name} stands under 'vary' and under 'parameters': take one away.")
    wanted = content.get("notebooks") or []
    wanted = wanted if isinstance(wanted, list) else [wanted]
    # YAML reads 04 as a number
    names = [f"{name:02}" if isinstance(name, int) else str(name) for name in wanted]
    return Sweep(vary, fixed, names, str(content.get("edition") or "offline"))


def run_sweep(path: Path, *, family: Sequence[Path], out: Path) -> Path:
    """Run what the file asks for into folders in `out`; returns the comparing page.

    All names and values of all combinations are checked before the first one runs. Raises RagError, at the end and
    after the page is written, if a combination failed.
    """
    from rag_lib.run.command import choose

    sweep = read_sweep(path)
    chosen = choose(family, sweep.notebooks)
    combinations = {}
    for values in sweep.combinations():
        given = {str(name): value for name, value in (sweep.fixed | values).items()}
        folder = out / folder_name(values, given, chosen, sweep.edition)
        plans = plan_run(chosen, family=family, edition=sweep.edition, overrides={}, given=given, out=folder)
        combinations[folder] = (values, plans)

    varied = " × ".join(f"{name} ({len(values)})" for name, values in sweep.vary.items())
    with hold(out, shown=short(out), remedy="name another folder with --out"):
        earlier = {folder: _seconds(folder, plans) for folder, (_, plans) in combinations.items()}
        done = [seconds for seconds in earlier.values() if seconds is not None]
        print(f"{len(combinations)} combinations: {varied}{_ahead(len(combinations), done)}")
        failed = {}
        for number, (folder, (values, plans)) in enumerate(combinations.items(), start=1):
            print(f"\n[{number}/{len(combinations)}] {in_words(values)}")
            if earlier[folder] is not None:
                print(f"  done before, in {about(earlier[folder])}")
                continue
            try:
                run(plans, edition=sweep.edition, out=folder)
            except RagError as exc:
                failed[folder] = str(exc)
                print(f"  failed: {exc}")
        print()
        labels = {folder: in_words(values) for folder, (values, _) in combinations.items()}
        title = f"The sweep of {path.name}"
        print(compare(list(combinations), out, labels=labels, failed=failed, vary=sweep.vary, title=title))
    if failed:
        names = "\n".join(f"  {labels[folder]}" for folder in failed)
        raise RagError(
            f"{len(failed)} of {len(combinations)} combinations failed; the same command tries them again:\n{names}"
        )
    return out / "index.html"


def folder_name(values: Mapping[str, Any], given: Mapping[str, Any], chosen: Sequence[Path], edition: str) -> str:
    """Readable, and another one for other values: "limit-4_query_text-a-lamp-1a2b3c"."""
    words = "_".join(
        f"{name}-{re.sub(r'[^A-Za-z0-9.]+', '-', str(value)).strip('-.')}" for name, value in values.items()
    )
    content = json.dumps([given, [path.stem for path in chosen], edition], sort_keys=True, default=str)
    return f"{words[:60].strip('-_.')}-{hashlib.sha256(content.encode()).hexdigest()[:6]}"


def in_words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value if value != '' else '(empty)'}" for name, value in values.items())


def _seconds(folder: Path, plans: Mapping[Path, Mapping[str, Any]]) -> float | None:
    """How long the combination took, if it was finished, with these parameters and notebooks; else None."""
    try:
        record = read_record(folder)
    except RagError:
        return None
    return record["seconds"] if record["identity"] == identity(plans) else None


def _ahead(n: int, done: Sequence[float]) -> str:
    if not done:
        return ""
    left = math.fsum(done) / len(done) * (n - len(done))
    return f"; {len(done)} done before" + (f", {about(left)} left, as long as those took" if left else "")
