"""Runs the numbered notebooks headless: `python -m rag_lib.run --edition offline --out runs/offline`.

In: an edition, overrides, the notebooks' names. Out: the executed notebooks and index.html in the output folder.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.paths import home, notebooks

EPILOG = """examples:
  python -m rag_lib.run                                      all numbered notebooks, offline, into runs/offline
  python -m rag_lib.run 04_search -p query_text "a toaster in this style"
  python -m rag_lib.run --edition tutorial -p milvus_uri http://localhost:19530
  python -m rag_lib.run --list                               the notebooks and their parameters
  python -m rag_lib.run --inplace                            refresh the outputs of the committed notebooks

environment variables (secrets are read from nowhere else):
  OPENAI_API_KEY             for a vision-language model such as gpt-4o
  OPENAI_BASE_URL            another server of that form, e.g. http://localhost:11434/v1; a local one needs no key
  AZURE_OPENAI_ENDPOINT      with AZURE_OPENAI_API_KEY and OPENAI_API_VERSION: the same on Azure
  MILVUS_TOKEN               for a Milvus server that asks for one, or Zilliz Cloud
  RAG_HOME                   another folder for data/ and runs/"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 (something failed; the reason is on stderr) or 130 (interrupted)."""
    options = _parser().parse_args(arguments)
    folder = (options.notebooks_from or notebooks()).resolve()
    try:
        family = find_notebooks(folder)
        chosen = choose(family, options.notebooks)
        if options.list:
            _list(chosen)
        elif options.links:
            _link(family)
        elif options.inplace:
            _check_inplace(options, folder)
            run_inplace(chosen)
        else:
            out = (options.out or home() / "runs" / options.edition).resolve()
            run(chosen, family=family, edition=options.edition, overrides=dict(options.parameters), out=out)
    except RagError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: the notebooks that were done are kept.", file=sys.stderr)
        return 130
    return 0


def find_notebooks(folder: Path) -> list[Path]:
    """The notebooks of the lesson, in order. Raises RagError if there are none."""
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise RagError(
            f"There are no numbered notebooks in {_short(folder)}: start from a checkout of the repository, "
            "or name their folder with --notebooks."
        )
    return found


def choose(family: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Those that are meant by "04_search", "04", "04_search.ipynb" or a path, in the lesson's order; all if none."""
    chosen = set()
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        matches = [path for path in family if stem == path.stem or stem == path.stem.split("_")[0]]
        if not matches:
            known = ", ".join(path.stem for path in family)
            raise RagError(f"There is no numbered notebook '{name}'. Known: {known}.")
        chosen.update(matches)
    return [path for path in family if not names or path in chosen]


def run(chosen: Sequence[Path], *, family: Sequence[Path], edition: str, overrides: dict[str, str], out: Path) -> Path:
    """Execute `chosen` with the edition's parameters, each into `out`, where a page to read is made of it, too, and
    write `out`/index.html, whose path returns.

    All names and values are checked before anything is touched. Outputs of an earlier run of the same notebooks are
    replaced, which is said; nobody else's are. A notebook that declares `out` gets the folder's path (relative to
    `home()` where it lies below), and may leave there what the page shows. Raises RagError; at the first failing
    notebook the later ones do not run.
    """
    from rag_lib.rerank.permutation import clean
    from rag_lib.run.execution import execute  # papermill takes a second to import; --help should not
    from rag_lib.run.folder import clear, hold
    from rag_lib.run.lesson_page import write_lesson_page
    from rag_lib.run.parameters import load_edition, plan, read_parameters
    from rag_lib.run.result_page import load_hero, write_page

    if "out" in overrides:
        raise RagError("The notebooks get 'out' from --out: give the folder there.")
    values = load_edition(family[0].parent / "editions", edition)
    plans = plan(chosen, edition=values, overrides=overrides, family=family)
    showing = [notebook for notebook in chosen if "out" in read_parameters(notebook)]
    for notebook in showing:
        plans[notebook]["out"] = _short(out)

    _check_out(out, family)
    _check_reranker(plans)
    with hold(out, shown=_short(out), remedy="name another folder with --out"):
        earlier = clear(out, chosen, shown=_short(out), hero=bool(showing))
        replaced = f", replacing an earlier run's {', '.join(earlier)}" if earlier else ""
        print(f"The {edition} edition, into {_short(out)}{replaced}")

        def work(path: Path, bar: bool) -> float:
            seconds = execute(path, out / path.name, plans[path], cwd=home(), bar=bar)
            write_lesson_page(out / path.name)
            return seconds

        done = _each(chosen, work)
        hero = load_hero(out / "hero") if showing else None
        page = write_page(out, done, edition=edition, hero=hero)
    if hero:  # one line each, and nothing that a terminal obeys
        print(f"\nWinner: {clean(hero['winner_title'])}\n{clean(hero['reason'])}")
    print(f"\nSee {_short(page)}")
    return page


def run_inplace(chosen: Sequence[Path]) -> None:
    """Execute the committed notebooks with their own defaults and put the cleaned results in their places."""
    from rag_lib.run.execution import refresh
    from rag_lib.run.folder import hold

    workspace = home() / "runs" / "inplace"
    with hold(workspace, shown=_short(workspace), remedy="set RAG_HOME to a folder that can be written"):
        _each(chosen, lambda path, bar: refresh(path, workspace=workspace, cwd=home(), bar=bar))


def _each(chosen: Sequence[Path], work: Callable[[Path, bool], float]) -> list[tuple[str, float]]:
    """Do `work`(notebook, bar) -> seconds for each, with a line for each. Returns [(file name, seconds)]."""
    done = []
    bar = sys.stdout.isatty() and sys.stderr.isatty()
    for number, notebook in enumerate(chosen, start=1):
        line = f"  {number}/{len(chosen)}  {notebook.stem:<24}"
        print(line, end="", flush=True)
        seconds = work(notebook, bar)
        # the bar of cells has wiped the line that it stood on
        print(f"\r{line}" if bar else "", f"{seconds:7.1f} s", sep="", flush=True)
        done.append((notebook.name, seconds))
    return done


def _list(chosen: Sequence[Path]) -> None:
    from rag_lib.run.parameters import read_parameters

    for notebook in chosen:
        print(notebook.stem)
        for name, entry in read_parameters(notebook).items():
            kind = "" if entry["inferred_type_name"] == "None" else f": {entry['inferred_type_name']}"
            remark = f"  # {entry['help']}" if entry["help"] else ""
            print(f"    {name}{kind} = {entry['default']}{remark}")


def _link(family: Sequence[Path]) -> None:
    from rag_lib.run.links import repository_address, write_links

    changed = write_links(family, repository_address(notebooks().parent / "pyproject.toml"))
    print("\n".join(f"{path.stem} has new links" for path in changed) or "The links are as they should be.")


def _check_out(out: Path, family: Sequence[Path]) -> None:
    """The results must not take the place of the notebooks that they are made from."""
    if any((out / path.name).resolve() == path.resolve() for path in family):
        raise RagError(f"{_short(out)} holds the notebooks themselves: name another folder, such as runs/mine.")


def _check_reranker(plans: dict[Path, dict]) -> None:
    """A misspelt name, or a model without its key, is found now, not after the notebooks that need none.

    A text reranker is a model of up to gigabytes: it is loaded where it is used.
    """
    from rag_lib.rerank import load_reranker, reads_titles

    for name in {values["reranker"] for values in plans.values() if "reranker" in values} - {"pocket"}:
        if not reads_titles(name):
            load_reranker(name)


def _short(path: Path) -> str:
    """The path below `home()` if it lies there, else whole."""
    return str(path.relative_to(home())) if path.is_relative_to(home()) else str(path)


def _check_inplace(options: argparse.Namespace, folder: Path) -> None:
    if options.parameters or options.out:
        raise RagError("--inplace runs the notebooks with their own defaults: leave -p and --out out.")
    if (folder.parent / "__init__.py").exists():
        raise RagError("--inplace refreshes a checkout's notebooks, not the installed ones: name them by --notebooks.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rag_lib.run",
        description="Run the numbered notebooks through papermill and leave them, executed, beside an index.html.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebooks", nargs="*", metavar="notebook", help="e.g. 04_search or 04 (default: all)")
    parser.add_argument("--edition", default="offline", help="parameters from notebooks/editions/ (default: offline)")
    parser.add_argument("--out", type=Path, help="folder for the results (default: runs/<edition>)")
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter that goes before the edition's; may be given many times",
    )
    parser.add_argument("--list", action="store_true", help="show the notebooks and their parameters, run nothing")
    parser.add_argument("--inplace", action="store_true", help="refresh the committed notebooks, with their defaults")
    parser.add_argument("--links", action="store_true", help="write the links and Colab's cell into all, run nothing")
    parser.add_argument("--notebooks", dest="notebooks_from", type=Path, metavar="FOLDER", help="where they lie")
    return parser
