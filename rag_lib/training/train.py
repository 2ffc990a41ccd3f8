"""The recipe of the pocket model, in two stages, each resumable.

1. The image tower learns to name what pictures show (category, theme, color).
2. Its tokens are frozen and kept; BERT learns to compose them with words: InfoNCE over hard batches for composed,
   text-only and image-only queries, with the attribute heads beside it.

In: a `Recipe` and a folder; out: the weights folder that `rag_lib.encoders.load_encoder("pocket")` reads.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from rag_lib.encoders.attributes import AttributeHeads
from rag_lib.encoders.preprocess import normalize
from rag_lib.encoders.visualized_bge import POCKET, VisualizedBGE
from rag_lib.errors import RagError
from rag_lib.training import losses
from rag_lib.training.pictures import LABELS, PictureSet
from rag_lib.training.queries import QuerySampler

SAVE_EVERY = 200  # steps between two checkpoints: what a stop can lose


@dataclass(frozen=True)
class Recipe:
    """Sizes of one training. Steps, not minutes, so that a faster machine makes the same model."""

    n_products: int = 32_000
    n_query_pictures: int = 10_000
    tower_steps: int = 1_400
    text_steps: int = 1_400
    batch: int = 96
    twins: int = 24
    learning_rate: float = 1e-3
    seed: int = 0


def train_tower(model: VisualizedBGE, heads: AttributeHeads, pictures: PictureSet, recipe: Recipe, folder: Path):
    """Stage 1. Returns the log: a dict of loss and accuracies every 50 steps."""
    parameters = [*model.tower.parameters(), *heads.image_head.parameters()]
    labels = torch.from_numpy(pictures.labels)

    def step(rng: np.random.Generator):
        rows = rng.integers(0, len(labels), recipe.batch)
        with torch.autocast("cpu", torch.bfloat16):
            logits = heads.image_logits(model.image_tokens(_augment(pictures.images[rows], rng)))
        known = labels[rows]
        # Theme is the attribute that is hardest to read: it counts twice.
        loss = losses.attributes(logits, known) + torch.nn.functional.cross_entropy(logits[1], known[:, 1])
        return loss, dict(zip(LABELS, losses.accuracy(logits, known), strict=True))

    return _run(
        "tower", step, parameters, model.tower.blocks, recipe.tower_steps, recipe, folder, modules=(model, heads)
    )


def train_text(model: VisualizedBGE, heads: AttributeHeads, pictures: PictureSet, tokenizer, recipe: Recipe, folder):
    """Stage 2. Returns the log: losses and in-batch accuracies every 50 steps."""
    tokens = _tokens_of(model, pictures)
    with torch.no_grad():
        model.visual_proj.weight.mul_(1 / tokens[:1000].float().std())  # bring the tokens to the words' scale
    shown_by = torch.from_numpy(pictures.labels)
    sampler = QuerySampler(pictures.labels)
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
        with torch.autocast("cpu", torch.bfloat16):
            composed = model(*words(batch.texts), tokens[torch.from_numpy(batch.sources)])
            alone = model(*words([""] * len(rows)), tokens[torch.from_numpy(rows)])
            named = model(*words(batch.descriptions))
        scale = temperature.clamp(max=4.0).exp()
        targets = torch.arange(n, 2 * n)
        common = dict(candidates=alone, shown=shown, scale=scale)
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
            **common,
        )
        logits = heads.query_logits(torch.cat([composed, named, alone]))
        loss = loss_composed + 0.4 * loss_text + 0.4 * loss_image
        loss = loss + 0.3 * losses.attributes(logits, torch.cat([wanted, described, shown]))
        return loss, dict(composed=hit_composed.item(), text=hit_text.item(), image=hit_image.item())

    return _run(
        "text", step, parameters, model.text_model.encoder, recipe.text_steps, recipe, folder, modules=(model, heads)
    )


def save_pocket(folder: Path, model: VisualizedBGE, heads: AttributeHeads, tokenizer, recipe: Recipe) -> None:
    """Write config.json, model.safetensors (float16) and tokenizer.json, as `load_encoder` reads them."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    parts = {"model": model, "heads": heads}
    tensors = {f"{part}.{k}": v.half().contiguous() for part, m in parts.items() for k, v in m.state_dict().items()}
    weights = folder / "model.safetensors"
    save_file(tensors, weights)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "model": model.config.to_dict(),
        "labels": heads.labels,
        "recipe": asdict(recipe),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n")


def new_model(vocab_size: int, seed: int) -> tuple[VisualizedBGE, AttributeHeads]:
    """A pocket model and its heads, randomly initialized from the seed."""
    import dataclasses

    torch.manual_seed(seed)
    config = dataclasses.replace(POCKET, text_args=POCKET.text_args | {"vocab_size": vocab_size})
    model = VisualizedBGE(config)
    # On CPUs the backward pass of the fused attention is the slower one.
    model.text_model.set_attn_implementation("eager")
    for block in model.tower.blocks:
        block.attn.fused_attn = False
    return model, AttributeHeads(model.visual_proj.in_features, model.dim, LABELS)


def _augment(images: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Mirror, shift by up to 8 pixels and relight: (n, S, S, 3) uint8 -> (n, 3, S, S) normalized."""
    size = images.shape[1]
    padded = np.pad(images, ((0, 0), (8, 8), (8, 8), (0, 0)), mode="edge")
    out = np.empty_like(images)
    for i, (top, left) in enumerate(rng.integers(0, 17, (len(images), 2))):
        square = padded[i, top : top + size, left : left + size]
        out[i] = square[:, ::-1] if rng.random() < 0.5 else square
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, (len(images), 1, 1, 1)).astype(np.float32))
    return normalize(torch.from_numpy(out)) * gain


def _tokens_of(model: VisualizedBGE, pictures: PictureSet) -> torch.Tensor:
    """(n, N, d_v) bfloat16 patch tokens of all pictures."""
    from tqdm.auto import tqdm

    rows = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in tqdm(range(0, len(pictures.images), 192), desc="patch tokens", unit="batch"):
            some = torch.from_numpy(pictures.images[start : start + 192])
            rows.append(model.image_tokens(normalize(some)).bfloat16())
    return torch.cat(rows).clone()


def _run(
    name: str, step: Callable, parameters: list, matrices, steps: int, recipe: Recipe, folder: Path, *, modules
) -> list[dict]:
    """Optimize: Muon for the matrices of the transformer blocks, AdamW for the rest, cosine schedule, checkpoints.

    Each step draws from its own generator, so that a resumed run takes the same batches.
    """
    from tqdm.auto import tqdm

    if not hasattr(torch.optim, "Muon"):
        raise RagError(f"Training needs torch 2.9 or newer for its optimizer Muon; here is {torch.__version__}.")
    blocks = [p for p in matrices.parameters() if p.ndim == 2]
    in_blocks = {id(p) for p in blocks}
    rest = [p for p in parameters if id(p) not in in_blocks]
    muon = torch.optim.Muon(blocks, lr=recipe.learning_rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
    optimizers, path = (muon, adamw), folder / f"{name}.pt"
    first, log = 0, []
    if path.exists():
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise RagError(f"{folder.name}/{path.name} belongs to another recipe: give another --out, or delete it.")
        first, log = state["step"], state["log"]
        for module, saved in zip((*modules, *optimizers), state["states"], strict=True):
            module.load_state_dict(saved)
        for parameter, value in zip(parameters, state["parameters"], strict=True):
            parameter.data.copy_(value)
    started, sums = time.time(), []
    for number in (bar := tqdm(range(first, steps), desc=f"train {name}", initial=first, total=steps, unit="step")):
        rate = min(1, (number + 1) / 60) * (0.97 * 0.5 * (1 + math.cos(math.pi * number / steps)) + 0.03)
        for group in (*muon.param_groups, *adamw.param_groups):
            group["lr"] = recipe.learning_rate * rate
        loss, readings = step(np.random.default_rng([recipe.seed, steps, number]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        sums.append({"loss": loss.item(), **readings})
        if (number + 1) % 50 == 0 or number + 1 == steps:
            means = {key: round(float(np.mean([row[key] for row in sums])), 4) for key in sums[0]}
            log.append({"step": number + 1, **means})
            sums = []
            bar.set_postfix(means)
        if (number + 1) % SAVE_EVERY == 0 or number + 1 == steps:
            _save(
                path,
                recipe=asdict(recipe),
                step=number + 1,
                log=log,
                states=[module.state_dict() for module in (*modules, *optimizers)],
                parameters=[parameter.data for parameter in parameters],
            )
    if first < steps:
        minutes = (time.time() - started) / 60
        tqdm.write(f"{name}: {steps - first} steps in {minutes:.1f} minutes")
    return log


def _save(path: Path, **state) -> None:
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)
