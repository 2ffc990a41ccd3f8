"""The recipe of the pocket model, in two stages, each resumable.

1. The image tower learns to name what pictures show (category, theme, color).
2. Its tokens are frozen and kept; BERT learns to compose them with words: InfoNCE over hard batches for composed,
   text-only and image-only queries, with the attribute heads beside it.

In: a `Recipe`, pictures and a folder; out: the weights folder that `rag_lib.encoders.load_encoder("pocket")` reads.
"""

import dataclasses
import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import torch

from rag_lib.drawn.combinations import LABELS
from rag_lib.drawn.words import taught_words
from rag_lib.encoders.device import has_bfloat16
from rag_lib.encoders.pocket.attributes import AttributeHeads
from rag_lib.encoders.pocket.saving import write_pocket
from rag_lib.encoders.preprocess import normalize
from rag_lib.encoders.visualized_bge.model import POCKET, VisualizedBGE, VisualizedBGEConfig
from rag_lib.training import losses
from rag_lib.training.augment import augment, mirror
from rag_lib.training.loop import optimize
from rag_lib.training.minutes import count_minutes
from rag_lib.training.pictures import PictureSet
from rag_lib.training.queries import QuerySampler
from rag_lib.training.recipe import Recipe

# bfloat16 where the processor has it: elsewhere torch emulates it, and a step takes many times as long as in float32.
faster = partial(torch.autocast, "cpu", torch.bfloat16, enabled=has_bfloat16("cpu"))


def train_tower(model: VisualizedBGE, heads: AttributeHeads, pictures: PictureSet, recipe: Recipe, folder: Path):
    """Stage 1. Returns the log: a dict of loss and accuracies at most 50 steps apart."""
    parameters = [*model.tower.parameters(), *heads.image_head.parameters()]
    labels = torch.from_numpy(pictures.labels)
    vary = augment if recipe.augment else mirror

    def step(rng: np.random.Generator):
        rows = rng.integers(0, len(labels), recipe.batch)
        with faster():
            logits = heads.image_logits(model.image_tokens(vary(pictures.images[rows], rng)))
        known = labels[rows]
        # Theme is the attribute that is hardest to read: it counts twice.
        loss = losses.attributes(logits, known) + torch.nn.functional.cross_entropy(logits[1], known[:, 1])
        return loss, dict(zip(LABELS, losses.accuracy(logits, known), strict=True))

    return optimize(
        "tower", step, parameters, model.tower.blocks, recipe.tower_steps, recipe, folder, modules=(model, heads)
    )


def train_text(
    model: VisualizedBGE,
    heads: AttributeHeads,
    pictures: PictureSet,
    tokenizer,
    recipe: Recipe,
    folder: Path,
    *,
    tokens: torch.Tensor | None = None,
) -> list[dict]:
    """Stage 2. `tokens`: of `patch_tokens`, if they are there. Returns the log: losses and in-batch accuracies, at most
    50 steps apart.
    """
    if tokens is None:
        with count_minutes(folder, "patch tokens"):
            tokens = patch_tokens(model, pictures, recipe)
    with torch.no_grad():
        model.visual_proj.weight.mul_(1 / tokens[:1000].float().std())  # bring the tokens to the words' scale
    shown_by = torch.from_numpy(pictures.labels)
    sampler = QuerySampler(pictures.labels, hard=recipe.hard_batches, noise=recipe.word_noise)
    temperature = torch.nn.Parameter(torch.tensor(3.2))  # the scale of the scores is its exponential
    parameters = [
        *model.text_model.parameters(),
        *model.visual_proj.parameters(),
        *heads.query_head.parameters(),
        temperature,
    ]

    def words(texts):
        batch = tokenizer.encode_batch(list(texts))
        return torch.tensor([t.ids for t in batch]), torch.tensor([t.attention_mask for t in batch])

    def step(rng: np.random.Generator):
        batch = sampler.batch(rng, recipe.batch, recipe.twins)
        n, rows = recipe.batch, np.concatenate([batch.sources, batch.targets, batch.twins])
        shown = shown_by[rows]
        wanted, described = torch.from_numpy(batch.wanted), torch.from_numpy(batch.described)
        with faster():
            composed = model(*words(batch.texts), tokens[torch.from_numpy(batch.sources)].float())
            alone = model(*words([""] * len(rows)), tokens[torch.from_numpy(rows)].float())
            named = model(*words(batch.descriptions))
        scale = temperature.clamp(max=4.0).exp()
        targets = torch.arange(n, 2 * n)
        common = dict(candidates=alone, shown=shown, scale=scale, mask_answers=recipe.mask_answers)
        loss_composed, hit_composed = losses.contrastive(composed, positives=targets, wanted=wanted, **common)
        loss_text, hit_text = losses.contrastive(named, positives=targets, wanted=described, **common)
        # A picture alone: a query picture finds a product of its look, a product its twin.
        themes = torch.from_numpy(np.flatnonzero(pictures.labels[batch.sources, 0] < 0))[: 2 * recipe.twins]
        twin_of = torch.from_numpy(batch.twin_of)
        askers = torch.cat([themes, twin_of])
        loss_image, hit_image = losses.contrastive(
            alone[askers],
            positives=torch.cat([n + themes, 2 * n + torch.arange(len(twin_of))]),
            wanted=shown[askers],
            own=askers,
            **common,
        )
        logits = heads.query_logits(torch.cat([composed, named, alone]))
        loss = loss_composed + recipe.single_weight * loss_text + recipe.single_weight * loss_image
        loss = loss + recipe.attribute_weight * losses.attributes(logits, torch.cat([wanted, described, shown]))
        return loss, dict(composed=hit_composed.item(), text=hit_text.item(), image=hit_image.item())

    vocabulary = hashlib.sha256(json.dumps(tokenizer.get_vocab(), sort_keys=True).encode()).hexdigest()
    return optimize(
        "text",
        step,
        parameters,
        model.text_model.encoder,
        recipe.text_steps,
        recipe,
        folder,
        modules=(model, heads),
        about={"vocabulary": vocabulary},
    )


def save_pocket(folder: Path, model: VisualizedBGE, heads: AttributeHeads, tokenizer, recipe: Recipe) -> None:
    """Write the folder that `load_encoder("pocket", weights=folder)` reads; the weights in float16."""
    parts = {"model": model, "heads": heads}
    tensors = {f"{part}.{k}": v.half().contiguous() for part, m in parts.items() for k, v in m.state_dict().items()}
    settings = {"model": model.config.to_dict(), "labels": heads.labels, "recipe": dataclasses.asdict(recipe)}
    write_pocket(folder, tensors, settings, tokenizer.to_str(pretty=True), taught_words(heads.labels))


def new_model(vocab_size: int, seed: int, config: VisualizedBGEConfig = POCKET) -> tuple[VisualizedBGE, AttributeHeads]:
    """A model and its heads, randomly initialized from the seed. `config`: its sizes, but for the vocabulary."""
    torch.manual_seed(seed)
    config = dataclasses.replace(config, text_args=config.text_args | {"vocab_size": vocab_size})
    model = VisualizedBGE(config)
    # On CPUs the backward pass of the fused attention is the slower one.
    model.text_model.set_attn_implementation("eager")
    for block in model.tower.blocks:
        block.attn.fused_attn = False
    return model, AttributeHeads(model.visual_proj.in_features, model.dim, LABELS)


def patch_tokens(model: VisualizedBGE, pictures: PictureSet, recipe: Recipe) -> torch.Tensor:
    """(n, N, d_v) bfloat16 patch tokens of all pictures, half of them augmented if the recipe does that."""
    from tqdm.auto import tqdm

    rows, rng = [], np.random.default_rng([recipe.seed, 99])
    with torch.inference_mode(), faster():
        for start in tqdm(range(0, len(pictures.images), 192), desc="patch tokens", unit="batch"):
            some = pictures.images[start : start + 192]
            pixels = normalize(torch.from_numpy(some))
            if recipe.augment:
                worn = augment(some, rng)
                chosen = torch.from_numpy(rng.random(len(some)) < 0.5)
                pixels = torch.where(chosen[:, None, None, None], worn, pixels)
            rows.append(model.image_tokens(pixels).bfloat16())
    return torch.cat(rows).clone()
