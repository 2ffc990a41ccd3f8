"""Runs the numbered notebooks headless: `python -m rag_lib.run --edition offline --out runs/offline`.

In: an edition, overrides, the notebooks' names; or a sweep's file; or folders of runs to compare. Out: the executed
notebooks and index.html in the output folder.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.paths import home, notebooks

NUMBERS = re.compile(r"\d\d-\d\d")
EPILOG = """examples:
  python -m rag_lib.run                                      all numbered notebooks, offline, into runs/offline
  python -m rag_lib.run 04_search -p query_text "a toaster in this style"
  python -m rag_lib.run --edition tutorial -p milvus_uri http://localhost:19530
  python -m rag_lib.run --edition photos -p catalog my/photos
  python -m rag_lib.run --sweep sweep.yaml                   every combination of values, then a comparing page
  python -m rag_lib.run --compare runs/offline runs/mine     what differs between them
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
    options = make_parser().parse_args(arguments)
    folder = (options.notebooks_from or notebooks()).resolve()
    try:
        family = find_notebooks(folder)
        chosen = choose(family, options.notebooks)
        if options.list:
            _list(chosen)
        elif options.links:
            _link(family)
        else:
            _work(options, family, chosen)
    except RagError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: what was done is kept.", file=sys.stderr)
        return 130
    return 0


def _work(options: argparse.Namespace, family: Sequence[Path], chosen: Sequence[Path]) -> None:
    from rag_lib.run import runs  # papermill takes a second to import; --help should not

    out = options.out.resolve() if options.out else None
    if options.compare:
        from rag_lib.run.comparison import compare

        _alone(options, "--compare takes folders of runs")
        print(compare([Path(name) for name in options.compare], out or home() / "runs" / "compare"))
    elif options.sweep:
        from rag_lib.run.sweep import run_sweep

        _alone(options, "A sweep's file names edition, notebooks and parameters")
        run_sweep(options.sweep, family=family, out=out or home() / "runs" / options.sweep.stem)
    elif options.inplace:
        _check_inplace(options, family[0].parent)
        runs.run_inplace(chosen)
    else:
        edition = options.edition or "offline"
        if not options.notebooks:
            _, named, besides = runs.load_edition(family[0].parent / "editions", edition)
            chosen = choose(family, [*named, *besides])
        out = out or (home() / "runs" / edition).resolve()
        overrides = dict(options.parameters)
        plans = runs.plan_run(chosen, family=family, edition=edition, overrides=overrides, out=out)
        runs.run(plans, edition=edition, out=out)


def find_notebooks(folder: Path) -> list[Path]:
    """The notebooks of the lesson, in order. Raises RagError if there are none."""
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise RagError(
            f"There are no numbered notebooks in {folder}: start from a checkout of the repository, "
            "or name their folder with --notebooks."
        )
    return found


def choose(family: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Those meant by "04_search", "04", "01-04", "04_search.ipynb" or a path, in the lesson's order; all if none."""
    chosen = set()
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        first, last = stem.split("-") if NUMBERS.fullmatch(stem) else (stem, stem)
        matches = [path for path in family if stem == path.stem or first <= path.stem.split("_")[0] <= last]
        if not matches:
            known = ", ".join(path.stem for path in family)
            raise RagError(f"There is no numbered notebook '{name}'. Known: {known}.")
        chosen.update(matches)
    return [path for path in family if not names or path in chosen]


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


def _alone(options: argparse.Namespace, sentence: str) -> None:
    if options.notebooks or options.parameters or options.edition:
        raise RagError(f"{sentence}: leave those of the command line out.")


def _check_inplace(options: argparse.Namespace, folder: Path) -> None:
    if options.parameters or options.out:
        raise RagError("--inplace runs the notebooks with their own defaults: leave -p and --out out.")
    if (folder.parent / "__init__.py").exists():
        raise RagError("--inplace refreshes a checkout's notebooks, not the installed ones: name them by --notebooks.")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rag_lib.run",
        description="Run the numbered notebooks through papermill and leave them, executed, beside an index.html.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "notebooks", nargs="*", metavar="notebook", help="e.g. 04_search, 04 or 01-04 (default: the edition's)"
    )
    parser.add_argument("--edition", help="parameters from notebooks/editions/ (default: offline)")
    parser.add_argument("--out", type=Path, help="folder for the results (default: in runs/)")
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter that goes before the edition's; may be given many times",
    )
    parser.add_argument("--sweep", type=Path, metavar="FILE", help="run every combination of a YAML file's values")
    parser.add_argument("--compare", nargs="+", metavar="FOLDER", help="what differs between runs, as text and a page")
    parser.add_argument("--list", action="store_true", help="show the notebooks and their parameters, run nothing")
    parser.add_argument("--inplace", action="store_true", help="refresh the committed notebooks, with their defaults")
    parser.add_argument("--links", action="store_true", help="write the links and Colab's cell into all, run nothing")
    parser.add_argument("--notebooks", dest="notebooks_from", type=Path, metavar="FOLDER", help="where they lie")
    return parser
