"""Measure an encoder: `python -m rag_lib.evaluation --encoder pocket --out metrics.json`.

The drawn benchmark needs nothing; CIRR, FashionIQ and CIRCO (`--benchmark`) need their data (`--data`), and `captions`
a folder of your own pictures.
"""

import argparse
import json
import sys
from pathlib import Path

from rag_lib.errors import RagError, did_you_mean
from rag_lib.paths import replacing


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage."""

    def error(self, message: str):
        self.exit(2, f"{message[0].upper()}{message[1:]}; see python -m rag_lib.evaluation --help.\n")


def main(words: list[str] | None = None) -> int:
    parser = Parser(prog="python -m rag_lib.evaluation", description=__doc__.split("\n\n")[0])
    parser.add_argument("--encoder", default="pocket", help="an encoder's name (pocket)")
    parser.add_argument("--weights", help="its weights, if not the ones that belong to the name")
    parser.add_argument("--benchmark", default="drawn", help="drawn (default), captions, cirr, fashioniq or circo")
    parser.add_argument("--split", help="drawn: test (default), or validation for choosing; the others: val (default)")
    parser.add_argument("--out", help="a JSON file for all figures")
    drawn = parser.add_argument_group("the drawn benchmark")
    drawn.add_argument("--runs", help="a folder for the runs and qrels as TREC files")
    drawn.add_argument("--reranker", help="a reranker's name: is its order better, and what it explains true?")
    drawn.add_argument("--sample", type=int, help="rerank only so many queries of each family and gallery")
    drawn.add_argument("--against", help="a folder that --runs filled for another model: compare with it")
    parser.add_argument(
        "--data", help="captions: a folder of pictures with titles; CIRR, FashionIQ, CIRCO: the data set's"
    )
    parser.add_argument("--failures", help="captions: a PNG or JPEG file for the worst failures as pictures")
    cir = parser.add_argument_group("CIRR, FashionIQ, CIRCO")
    cir.add_argument("--gallery", help="split (default), all: VISTA's full pool, captions: FashionIQ's smaller one")
    cir.add_argument("--allow-missing", action="store_true", help="go on without pictures that are not there")
    cir.add_argument("--submission", help="a folder for the test server's files, on the test splits")
    try:
        arguments = parser.parse_args(words)
        out = _place_for_file(arguments.out)
        measure = {"drawn": measure_drawn, "captions": measure_captions}.get(arguments.benchmark, measure_cir)
        document = measure(arguments)
        if out:
            with replacing(out) as beside:
                beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except RagError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def measure_cir(arguments: argparse.Namespace) -> dict:
    """One of the world's benchmarks, from a local folder: print its table, return the report."""
    from rag_lib.encoders import load_encoder
    from rag_lib.encoders.cache import EmbeddingCache
    from rag_lib.evaluation.cir import BENCHMARKS, cir_table, evaluate_cir

    name = arguments.benchmark
    _refuse(arguments, "runs", "against", "reranker", "sample", "failures")
    if name not in BENCHMARKS:
        known = ("drawn", "captions", *BENCHMARKS)
        raise RagError(f"Unknown benchmark {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")
    if not arguments.data:
        raise RagError(f"--benchmark {name} needs --data, the folder of the data set in its official layout.")
    encoder = load_encoder(arguments.encoder, weights=arguments.weights)
    with EmbeddingCache.for_encoder(encoder) as cache:
        report = evaluate_cir(
            name,
            Path(arguments.data).absolute(),
            encoder,
            split=arguments.split or "val",
            gallery=arguments.gallery or "split",
            submission=arguments.submission and Path(arguments.submission).absolute(),
            allow_missing=arguments.allow_missing,
            cache=cache,
        )
    print(cir_table(report))
    return report


def measure_captions(arguments: argparse.Namespace) -> dict:
    """Any folder of pictures with titles: print its table, return the report."""
    from rag_lib.encoders import load_encoder
    from rag_lib.encoders.cache import EmbeddingCache
    from rag_lib.evaluation.captions import captions_table, draw_failures, evaluate_captions

    _refuse(arguments, "runs", "against", "reranker", "sample", "split", "gallery", "allow_missing", "submission")
    if not arguments.data:
        raise RagError("--benchmark captions needs --data, a folder of pictures with titles.")
    shown = _place_for_file(arguments.failures)
    folder = Path(arguments.data).absolute()
    encoder = load_encoder(arguments.encoder, weights=arguments.weights)
    with EmbeddingCache.for_encoder(encoder) as cache:
        report = evaluate_captions(folder, encoder, cache=cache)
    print(captions_table(report))
    if shown:
        draw_failures(report, folder).save(shown)
    return report


def measure_drawn(arguments: argparse.Namespace) -> dict:
    """The drawn benchmark: print its tables, write the runs, return all figures."""
    from rag_lib.encoders import load_encoder
    from rag_lib.evaluation.drawn.benchmark import BENCHMARK_VERSION, make_benchmark, make_plan
    from rag_lib.evaluation.drawn.meter import ask
    from rag_lib.evaluation.drawn.report import against, as_json, report
    from rag_lib.evaluation.drawn.tables import against_table, tables
    from rag_lib.evaluation.drawn.wear import WEAR_VERSION
    from rag_lib.rerank import load_reranker

    _refuse(arguments, "data", "gallery", "allow_missing", "submission", "failures")
    split = arguments.split or "test"
    make_plan(split)  # an unknown split ends here
    # Another split, or another version of it, has other queries under the same ids.
    questions = f"drawn-{BENCHMARK_VERSION}-{split}"
    if arguments.sample is not None and (arguments.sample < 1 or not arguments.reranker):
        raise RagError("--sample says how many queries of each family --reranker gets: at least 1.")
    reranker = load_reranker(arguments.reranker) if arguments.reranker else None
    theirs = arguments.against and Path(arguments.against, questions)
    if theirs and not theirs.is_dir():
        raise RagError(
            f"'{arguments.against}' has no folder '{questions}': give one that --runs filled for another model."
        )
    runs = arguments.runs and _folder(Path(arguments.runs, questions))
    encoder = load_encoder(arguments.encoder, weights=arguments.weights)
    benchmark = make_benchmark(split)
    answers = list(ask(encoder, benchmark))
    made = report(answers, runs=runs, tag=encoder.name)
    print(tables(made))
    about = {
        "benchmark": "drawn",
        "version": BENCHMARK_VERSION,
        "wear_version": WEAR_VERSION,
        "split": split,
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
    }
    document = as_json(made, about)
    if reranker:
        document["reranking"] = _rerank(answers, reranker, benchmark, arguments.sample)
    if theirs:
        document["against"] = against(answers, theirs)
        print("\n" + against_table(document["against"]))
    return document


def _rerank(answers, reranker, benchmark, sample: int | None) -> dict:
    """The safety gate: print its tables and its verdict, return both."""
    from rag_lib.evaluation.drawn.reranking import gate, pick_queries, rerank_all
    from rag_lib.evaluation.drawn.tables import gate_tables
    from rag_lib.evaluation.measures import FIRST
    from rag_lib.rerank import cost

    of_one, n = cost(reranker, FIRST), sum(1 for _ in pick_queries(answers, sample))
    if of_one.calls:
        print(f"\n{n:,} queries, each {of_one}.", flush=True)
    found = gate(rerank_all(answers, reranker, benchmark, sample=sample), benchmark)
    print("\n" + gate_tables(found))
    return {"reranker": reranker.name, "top": FIRST, **vars(found)}


def _refuse(arguments: argparse.Namespace, *names: str) -> None:
    """Options of the other benchmarks."""
    for name in names:
        if getattr(arguments, name):
            raise RagError(
                f"--{name.replace('_', '-')} does not go with --benchmark {arguments.benchmark}; see --help."
            )


def _place_for_file(name: str | None) -> Path | None:
    """The path of a file that can be written, checked before minutes are spent on what is to go there."""
    if not name:
        return None
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise RagError(f"'{name}' cannot be written: give a file in a folder that exists.")
    return path


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RagError(f"The folder '{path}' cannot be made ({error.strerror.lower()}): give another one.") from None
    return path


if __name__ == "__main__":
    sys.exit(main())
