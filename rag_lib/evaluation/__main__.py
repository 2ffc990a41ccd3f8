"""Measure an encoder on the drawn benchmark: `python -m rag_lib.evaluation --encoder pocket --out metrics.json`."""

import argparse
import json
import sys
from pathlib import Path

from rag_lib.errors import RagError


def main() -> int:
    from rag_lib.encoders import load_encoder
    from rag_lib.evaluation.drawn import make_benchmark
    from rag_lib.evaluation.report import recall_at_1, table

    parser = argparse.ArgumentParser(prog="python -m rag_lib.evaluation", description=__doc__)
    parser.add_argument("--encoder", default="pocket", help="an encoder's name (pocket)")
    parser.add_argument("--weights", help="its weights, if not the ones that belong to the name")
    parser.add_argument("--split", default="test", help="test (default), or validation for choosing between models")
    parser.add_argument("--out", help="a JSON file to write the table to")
    arguments = parser.parse_args()
    try:
        encoder = load_encoder(arguments.encoder, weights=arguments.weights)
        rows = recall_at_1(encoder, make_benchmark(arguments.split))
    except RagError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(rows))
    if arguments.out:
        report = {"encoder": encoder.name, "fingerprint": encoder.fingerprint, "split": arguments.split, "rows": rows}
        Path(arguments.out).write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
