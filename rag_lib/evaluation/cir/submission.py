"""Files for the test servers of CIRR and CIRCO, whose targets are not public.

CIRR (github.com/Cuberick-Orion/CIRR, Test-split_server.md): two files, each {"version": "rc2", "metric": "recall" or
"recall_subset", pairid: ids}, with the first 50 of the gallery or the first 3 of the subset, the reference left out.
CIRCO (github.com/miccunifi/CIRCO, README): one file, {query id: the first 50 COCO ids as numbers}.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.evaluation.cir.records import CirBenchmark
from rag_lib.paths import replacing

SERVERS = {"cirr": "cirr.cecs.anu.edu.au", "circo": "circo.micc.unifi.it"}
SUBSET_DEPTH = 3


def write_submissions(
    benchmark: CirBenchmark, rankings: Mapping[str, tuple[list, list]], encoder: str, folder: Path
) -> list[str]:
    """Write every way's rankings (ranked, subsets) into `folder`; returns the files' names."""
    written = []
    for way, (ranked, subsets) in rankings.items():
        stem = re.sub(r"[^\w.-]+", "-", f"{benchmark.name}-{benchmark.split}-{encoder}")
        stem += "" if way == "composed" else "-concept"
        keys = [query.query_id for query in benchmark.queries]
        if benchmark.name == "cirr":
            contents = {
                f"{stem}-recall.json": {"version": "rc2", "metric": "recall"} | dict(zip(keys, ranked, strict=True)),
                f"{stem}-recall_subset.json": {"version": "rc2", "metric": "recall_subset"}
                | {key: ids[:SUBSET_DEPTH] for key, ids in zip(keys, subsets, strict=True)},
            }
        else:
            contents = {
                f"{stem}.json": {key: [int(each) for each in ids] for key, ids in zip(keys, ranked, strict=True)}
            }
        for name, content in contents.items():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with replacing(folder / name) as beside:
                    beside.write_text(json.dumps(content), encoding="utf-8")
            except OSError as error:
                raise RagError(f"{name} cannot be written ({error.strerror}): name another folder.") from None
            written.append(name)
    return written
