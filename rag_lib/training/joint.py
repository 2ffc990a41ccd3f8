"""A trained joint reranker, to compare with matching attributes.

One BERT reads the query's picture, its words and a candidate's picture at once and says how well they fit: a
cross-encoder (Nogueira and Cho 2019, arXiv 1901.04085). It starts from the pocket encoder, sees the patch tokens of
both pictures, and learns from the pocket's own nearest wrong pictures. In: the pocket model, pictures and a recipe;
out: a `JointScorer`.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from rag_lib.encoders.visualized_bge import VisualizedBGE
from rag_lib.training.loop import optimize
from rag_lib.training.pictures import PictureSet
from rag_lib.training.queries import ANY, QuerySampler
from rag_lib.training.recipe import Recipe
from rag_lib.training.train import patch_tokens

SMALL = Recipe(n_products=12_000, n_query_pictures=4_000, text_steps=500, batch=16, learning_rate=5e-4)
NEGATIVES = 5  # wrong pictures beside each right one
MINED = 24  # of the nearest wrong ones: the first two always, others by chance


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


def _words(tokenizer, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    found = tokenizer(list(texts), padding=True, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]
