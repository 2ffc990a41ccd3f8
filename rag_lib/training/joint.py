"""A trained joint reranker, to compare with matching attributes: `python -m rag_lib.training.joint --out runs/joint`.

One BERT reads the query's picture, its words and a candidate's picture at once and says how well they fit: a
cross-encoder (Nogueira and Cho 2019, arXiv 1901.04085). It starts from the pocket encoder, sees the patch tokens of
both pictures, and learns from the pocket's own nearest wrong pictures. Out: joint.md, its safety gate on the validation
split. Stopped at any point, the same command goes on.
"""

import argparse
import copy
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from rag_lib.encoders import load_encoder
from rag_lib.encoders.composed import ComposedEncoder
from rag_lib.encoders.loading import POCKET_FOLDER, read_pocket
from rag_lib.encoders.visualized_bge import VisualizedBGE
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn import Benchmark, make_benchmark
from rag_lib.evaluation.meter import ask
from rag_lib.evaluation.reranking import gate, rerank_all
from rag_lib.evaluation.tables import gate_tables
from rag_lib.paths import resolve
from rag_lib.records import Hit, Query, Ranking
from rag_lib.rerank.base import checked
from rag_lib.rerank.pocket import PocketReranker
from rag_lib.training.loop import optimize
from rag_lib.training.pictures import PictureSet, training_pictures
from rag_lib.training.queries import ANY, QuerySampler
from rag_lib.training.recipe import Recipe, add_arguments, from_arguments
from rag_lib.training.train import patch_tokens

SMALL = Recipe(n_products=12_000, n_query_pictures=4_000, text_steps=500, batch=16, learning_rate=5e-4)
NEGATIVES = 5  # wrong pictures beside each right one
MINED = 24  # of the nearest wrong ones: the first two always, others by chance
WEIGHTS = (None, 0.01, 0.04)  # of the joint score beside the cosine; None: the joint score alone


class JointScorer(nn.Module):
    """`start`: the model whose BERT and projection it takes over, and trains on."""

    def __init__(self, start: VisualizedBGE):
        super().__init__()
        self.text_model, self.visual_proj = start.text_model, start.visual_proj
        self.head = nn.Linear(start.dim, 4)  # fit; whether category, theme and color are as asked

    def forward(self, input_ids, attention_mask, asking: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """`input_ids`, `attention_mask`: (n, length); `asking`, `shown`: (n, N, d_v) patch tokens of the query's and
        the candidates' pictures. Returns (n, 4) float32 logits.

        The candidate's tokens come last, at the positions of the query's and of the other token type, so that the
        query is read as the encoder reads it.
        """
        n, patches = shown.shape[:2]
        embeddings = self.text_model.embeddings
        kinds = embeddings.token_type_embeddings.weight
        words = embeddings.word_embeddings(input_ids)
        asked = (self.visual_proj(asking) - kinds[0]).to(words.dtype)
        candidate = (self.visual_proj(shown) - kinds[0] + kinds[1]).to(words.dtype)
        sequence = torch.cat([words[:, :1], asked, words[:, 1:], candidate], dim=1)
        seen = attention_mask.new_ones(n, patches)
        mask = torch.cat([attention_mask[:, :1], seen, attention_mask[:, 1:], seen], dim=1)
        places = torch.cat([torch.arange(patches + words.shape[1]), torch.arange(1, patches + 1)])
        output = self.text_model(
            inputs_embeds=sequence, attention_mask=mask, position_ids=places.to(shown.device).expand(n, -1)
        )
        return self.head(output.last_hidden_state[:, 0]).float()


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


def train_joint(start: VisualizedBGE, tokenizer, pictures: PictureSet, recipe: Recipe, folder: Path) -> JointScorer:
    """`start`: the pocket model; it mines the negatives and stays as it is. `recipe`: `text_steps` steps of `batch`
    queries with `NEGATIVES` wrong pictures each.
    """
    torch.manual_seed(recipe.seed)
    scorer = JointScorer(copy.deepcopy(start))
    scorer.text_model.set_attn_implementation("eager")  # on CPUs the backward pass of the fused one is the slower
    start = start.eval()
    tokens, labels = patch_tokens(start, pictures, recipe), torch.from_numpy(pictures.labels)

    def embed(texts: list[str], rows: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return start(*_words(tokenizer, texts), tokens[rows])

    gallery = torch.cat([embed([""] * len(rows), rows) for rows in torch.arange(len(labels)).split(256)])
    sampler = QuerySampler(pictures.labels, hard=0.3, noise=recipe.word_noise)

    def step(rng: np.random.Generator):
        batch = sampler.batch(rng, recipe.batch, 1)
        sources, wanted = torch.from_numpy(batch.sources), torch.from_numpy(batch.wanted)
        right = ((wanted[:, None] == labels) | (wanted[:, None] == ANY)).all(-1)
        near = (embed(batch.texts, sources) @ gallery.T).masked_fill(right, -1).topk(MINED).indices.numpy()
        chosen = [
            [target, *row[:2], *rng.choice(row[2:], NEGATIVES - 2, replace=False)]
            for target, row in zip(batch.targets, near, strict=True)
        ]
        candidates = torch.from_numpy(np.array(chosen))
        every = torch.arange(recipe.batch).repeat_interleave(1 + NEGATIVES)
        ids, mask = _words(tokenizer, batch.texts)
        with torch.autocast("cpu", torch.bfloat16):
            logits = scorer(ids[every], mask[every], tokens[sources[every]], tokens[candidates.flatten()])
        fit, *_ = logits.view(recipe.batch, 1 + NEGATIVES, 4).split([1, 3], dim=-1)
        first = torch.zeros(recipe.batch, dtype=torch.long)
        as_asked = (wanted[every] == labels[candidates.flatten()]).float()
        known = wanted[every] != ANY
        loss = F.cross_entropy(fit[..., 0], first)
        loss = loss + F.binary_cross_entropy_with_logits(logits[:, 1:][known], as_asked[known])
        return loss, {"first": (fit[..., 0].argmax(1) == 0).float().mean().item()}

    optimize(
        "joint",
        step,
        list(scorer.parameters()),
        scorer.text_model.encoder,
        recipe.text_steps,
        recipe,
        folder,
        modules=(scorer,),
    )
    return scorer


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


def _words(tokenizer, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    found = tokenizer(list(texts), padding=True, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m rag_lib.training.joint", description=__doc__)
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
