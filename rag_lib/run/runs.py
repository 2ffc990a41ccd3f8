"""One run: the chosen notebooks executed into a folder, and what is left there of it.

In: notebooks, parameters, a folder. Out: in that folder the executed notebooks, a page of each, run.json, and
index.html, which holds all of it in one file.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag_lib.errors import RagError
from rag_lib.paths import home
from rag_lib.rerank.permutation import clean
from rag_lib.run.execution import NotebookFailed, execute, refresh
from rag_lib.run.folder import clear, hold
from rag_lib.run.lesson_page import write_lesson_page
from rag_lib.run.parameters import load_edition, plan, read_parameters
from rag_lib.run.progress import CellBar, Last, about, last_time
from rag_lib.run.record import keep_record, make_record
from rag_lib.run.result_page import load_hero, write_page


def plan_run(
    chosen: Sequence[Path],
    *,
    family: Sequence[Path],
    edition: str,
    overrides: Mapping[str, str],
    out: Path,
    given: Mapping[str, Any] | None = None,
) -> dict[Path, dict[str, Any]]:
    """The parameters of each chosen notebook, with all names and values checked; nothing is touched.

    `overrides`: as on the command line; `given`: values that a sweep's file sets, of their own types. A notebook that
    declares `out` gets the folder's path (relative to `home()` where it lies below), and may leave there what the page
    shows. Raises RagError.
    """
    from rag_lib.run.command import choose

    if "out" in {**overrides, **(given or {})}:
        raise RagError("The notebooks get 'out' from --out: give the folder there.")
    values, named, _ = load_edition(family[0].parent / "editions", edition)
    foreign = set(chosen) - set(choose(family, named))
    plans = plan(chosen, edition=values, overrides=overrides, given=given or {}, family=family, foreign=foreign)
    for notebook in chosen:
        if "out" in read_parameters(notebook):
            plans[notebook]["out"] = short(out)
    if any((out / path.name).resolve() == path.resolve() for path in family):
        raise RagError(f"{short(out)} holds the notebooks themselves: name another folder, such as runs/mine.")
    _check_reranker(plans)
    return plans


def run(plans: Mapping[Path, Mapping[str, Any]], *, edition: str, out: Path) -> Path:
    """Execute what `plan_run` planned into `out`, and write `out`/index.html, whose path returns.

    Outputs of an earlier run of the same notebooks are replaced, which is said; nobody else's are. Raises RagError; at
    the first failing notebook the later ones do not run.
    """
    started, chosen = time.strftime("%Y-%m-%d %H:%M"), list(plans)
    showing = any("out" in values for values in plans.values())
    with hold(out, shown=short(out), remedy="name another folder with --out"):
        last = {path: last_time(path, out) for path in chosen}
        earlier = clear(out, chosen, shown=short(out), hero=showing)
        replaced = f", replacing an earlier run's {', '.join(earlier)}" if earlier else ""
        print(f"The {edition} edition, into {short(out)}{replaced}")

        def work(path: Path, hooks: Mapping[str, Callable]) -> float:
            seconds = execute(path, out / path.name, plans[path], cwd=home(), hooks=hooks)
            write_lesson_page(out / path.name)
            return seconds

        done = _each(chosen, work, last)
        hero = load_hero(out / "hero") if showing else None
        record = make_record(out, done, plans, edition=edition, started=started, hero=hero)
        page = write_page(out, record, hero=hero)
        keep_record(out, record)
    if hero:  # one line each, and nothing that a terminal obeys
        print(f"\nWinner: {clean(hero['winner_title'])}\n{clean(hero['reason'])}")
    print(f"\nSee {short(page)}")
    return page


def run_inplace(chosen: Sequence[Path]) -> None:
    """Execute the committed notebooks with their own defaults and put the cleaned results in their places."""
    workspace = home() / "runs" / "inplace"
    last = {path: last_time(path, workspace) for path in chosen}
    with hold(workspace, shown=short(workspace), remedy="set RAG_HOME to a folder that can be written"):
        _each(chosen, lambda path, hooks: refresh(path, workspace=workspace, cwd=home(), hooks=hooks), last)


def short(path: Path) -> str:
    """The path below `home()` if it lies there, else whole."""
    return str(path.relative_to(home())) if path.is_relative_to(home()) else str(path)


def _each(
    chosen: Sequence[Path], work: Callable[[Path, Mapping[str, Callable]], float], last: Mapping[Path, Last | None]
) -> list[tuple[str, float]]:
    """Do `work`(notebook, hooks) -> seconds for each, with a line for each. Returns [(file name, seconds)]."""
    done = []
    moving = sys.stdout.isatty() and sys.stderr.isatty()
    if len(chosen) > 1 and all(last.values()):
        print(f"The last time it took {about(sum(each.seconds for each in last.values()))}.")
    for number, notebook in enumerate(chosen, start=1):
        line = f"  {number}/{len(chosen)}  {notebook.stem:<24}"
        print(line, end="", flush=True)
        bar = CellBar(notebook, last[notebook]) if moving else None
        try:
            seconds = work(notebook, bar.hooks() if bar else {})
        except NotebookFailed as exc:
            print(flush=True)
            if not exc.kept:
                raise
            seen = write_lesson_page(exc.kept)
            raise NotebookFailed(f"{exc}\nWhat ran until then: {short(seen)}, and beside it as a notebook.") from exc
        finally:
            if bar:
                bar.close()  # it has wiped the line that it stood on
        before = f"  (last time {last[notebook].seconds:.1f} s)" if last[notebook] else ""
        print(f"\r{line}" if bar else "", f"{seconds:7.1f} s{before}", sep="", flush=True)
        done.append((notebook.name, seconds))
    return done


def _check_reranker(plans: Mapping[Path, Mapping[str, Any]]) -> None:
    """A misspelt name, or a model without its key, is found now, not after the notebooks that need none.

    A text reranker is a model of up to gigabytes: it is loaded where it is used.
    """
    from rag_lib.rerank import load_reranker, reads_titles

    for name in {values["reranker"] for values in plans.values() if "reranker" in values} - {"pocket"}:
        if not reads_titles(name):
            load_reranker(name)
