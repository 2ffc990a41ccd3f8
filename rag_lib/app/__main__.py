"""`python -m rag_lib.app`: serve the demo app on this machine until Ctrl+C."""

import argparse
import os
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rag_lib.app.choices import HARMLESS, PARTS, Choices
from rag_lib.app.server import Server
from rag_lib.app.surroundings import LOOPBACK
from rag_lib.collection import UnfoundWords
from rag_lib.encoders.vocabulary import Caution
from rag_lib.errors import RagError
from rag_lib.paths import notebooks
from rag_lib.run.parameters import from_text, load_edition

NUMBERS = ("limit", "seed", "rankings_per_visitor", "rankings_per_hour")
EPILOG = """examples:
  python -m rag_lib.app                                       the offline edition on http://127.0.0.1:7860
  python -m rag_lib.app --edition tutorial --port 8080
  python -m rag_lib.app -p catalog my/photos -p encoder visualized-bge-base-en-v1.5 -p reranker identity
  python -m rag_lib.app -p encoder pocket -p encoder visualized-bge-m3      both can be chosen in the page
  python -m rag_lib.app -p reranker gpt-4o -p rankings_per_visitor 5 -p rankings_per_hour 50     within an hour

Visitors choose among what is named here, and nothing else. Secrets are read from the environment."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 with the reason on stderr."""
    options = _parser().parse_args(arguments)
    for said in (Caution, UnfoundWords):  # by the page, to the visitor
        warnings.simplefilter("ignore", said)
    stopped = []  # no Event: its lock may be held by the thread that the signal interrupts, which then waits for itself
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.append(True))
    print("Loading ... (Ctrl+C ends it)", flush=True)
    # On a thread of its own, which is not waited for: imports may swallow a KeyboardInterrupt.
    loading = ThreadPoolExecutor(1).submit(_serve, options)
    while not (stopped or loading.done()):
        time.sleep(0.1)
    if not loading.done():
        os._exit(0)
    try:
        with loading.result() as server:
            if options.host != LOOPBACK:
                print(
                    "Whoever can reach this machine can open the page: it asks for no password, and is not encrypted."
                )
            print(f"The app is at {server.url} (Ctrl+C ends it)", flush=True)
            while not stopped:
                time.sleep(0.1)
    except RagError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1
    return 0


def _serve(options: argparse.Namespace) -> Server:
    return Server(_choices(options), host=options.host, port=options.port, root_path=options.root_path)


def _choices(options: argparse.Namespace) -> Choices:
    values = load_edition(notebooks() / "editions", options.edition).values
    given: dict[str, list[str]] = {}
    for name, value in options.parameters:
        given.setdefault(name, []).append(value)
    if "catalog" in given:  # the edition's picture is one of the edition's catalog
        values["query_image"] = ""
    for name, named in given.items():
        values[name] = named if name in PARTS else from_text(name, named[-1], "int" if name in NUMBERS else "str")
    return Choices.of(values, rerankers=() if "reranker" in given else HARMLESS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rag_lib.app",
        description="Serve the demo app: the notebooks' pipeline with a face.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--edition", default="offline", help="parameters from notebooks/editions/ (default: offline)")
    parser.add_argument("--port", type=int, default=7860, help="default: 7860; 0 takes a free one")
    parser.add_argument(
        "--root-path", default="", metavar="PATH", help="below which a web server in front shows the app"
    )
    parser.add_argument("--host", default=LOOPBACK, help=f"default: {LOOPBACK}, this machine only")
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a notebook parameter; catalog, encoder, reranker and milvus_uri may be given many times, to choose from",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
