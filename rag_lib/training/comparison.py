"""Two rerankers side by side: `python -m rag_lib.training.comparison --out runs/joint`.

A joint model is trained as `joint.py` says, and both it and the pocket reranker, which matches attributes, go through
the safety gate on the validation split. Out: joint.md. Stopped at any point, the same command goes on.
"""

import argparse
import sys
import time

import numpy as np
import torch

from rag_lib.encoders import load_encoder
from rag_lib.encoders.composed import ComposedEncoder
from rag_lib.encoders.loading import POCKET_FOLDER, read_pocket
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn import Benchmark, make_benchmark
from rag_lib.evaluation.meter import ask
from rag_lib.evaluation.reranking import gate, rerank_all
from rag_lib.evaluation.tables import gate_tables
from rag_lib.paths import resolve
from rag_lib.records import Hit, Query, Ranking
from rag_lib.rerank.base import checked
from rag_lib.rerank.pocket import PocketReranker
from rag_lib.training.joint import SMALL, JointScorer, train_joint
from rag_lib.training.pictures import training_pictures
from rag_lib.training.recipe import add_arguments, from_arguments

WEIGHTS = (None, 0.01, 0.04)  # of the joint score beside the cosine; None: the joint score alone


class JointReranker:
    """Ranks by the scorer, beside the cosine if it has a `weight`; without explanations. Composed queries only: others
    keep the search's order.
    """

    name = "joint"

    def __init__(self, scorer: JointScorer, encoder: ComposedEncoder):
        self.scorer, self.encoder, self.weight = scorer.eval(), encoder, None
        self._scores: dict[tuple, np.ndarray] = {}  # so that another weight costs nothing

    def rank(self, query: Query, hits) -> Ranking:
        started, hits = time.perf_counter(), checked(hits)
        cosines = np.array([hit.score for hit in hits])
        scores = cosines
        if query.image is not None and query.text:
            key = (query.image, query.text, *(hit.item.path for hit in hits))
            if key not in self._scores:
                self._scores[key] = self._fit(query, hits)
            scores = self._scores[key] if self.weight is None else cosines + self.weight * self._scores[key]
        order = np.argsort(-scores, kind="stable")
        return Ranking(tuple(hits[i] for i in order), usage={"seconds": time.perf_counter() - started, "attempts": 1})

    def _fit(self, query: Query, hits: tuple[Hit, ...]) -> np.ndarray:
        n = len(hits)
        words = self.encoder.tokenizer([query.text], return_tensors="pt", truncation=True, max_length=32)
        with torch.inference_mode():
            asking, *shown = self.encoder.image_tokens([query.image, *(hit.item.path for hit in hits)]).float()
            ids, mask = (words[name].expand(n, -1) for name in ("input_ids", "attention_mask"))
            return self.scorer(ids, mask, asking.expand(n, -1, -1), torch.stack(shown))[:, 0].numpy()


def compare(scorer: JointScorer, encoder: ComposedEncoder, benchmark: Benchmark) -> str:
    """The safety gates of the joint reranker, at every weight, and of matching attributes, as Markdown."""
    answers = list(ask(encoder, benchmark))
    joint, parts = JointReranker(scorer, encoder), []
    for weight in WEIGHTS:
        joint.weight = weight
        title = "The joint score alone" if weight is None else f"The cosine and {weight} of the joint score"
        parts += [f"## {title}", gate_tables(gate(rerank_all(answers, joint, benchmark), benchmark))]
    matching = gate(rerank_all(answers, PocketReranker(encoder.reader()), benchmark), benchmark)
    parts += ["## Matching attributes (the pocket reranker)", gate_tables(matching)]
    return "\n\n".join([f"# Two rerankers on the {benchmark.plan.split} split", *parts])


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m rag_lib.training.comparison", description=__doc__)
    parser.add_argument("--out", default="runs/joint", help="folder of the checkpoint and the report (runs/joint)")
    add_arguments(parser, SMALL)
    arguments = parser.parse_args(words)
    folder, recipe = resolve(arguments.out), from_arguments(arguments)
    folder.mkdir(parents=True, exist_ok=True)
    model, _, tokenizer, _ = read_pocket(POCKET_FOLDER)
    pictures = training_pictures(recipe, model.config.image_size)
    scorer = train_joint(model, tokenizer, pictures, recipe, folder)
    report = compare(scorer, load_encoder("pocket", device="cpu"), make_benchmark("validation"))
    (folder / "joint.md").write_text(report + "\n", encoding="utf-8")
    print(report)


if __name__ == "__main__":
    try:
        main()
    except RagError as error:
        sys.exit(str(error))
