"""The optimizer's loop of one stage, with checkpoints: a stage that was stopped goes on where it was saved.

In: a function that gives a step's loss and readings; out: the log. Beside it in the folder: <stage>.pt.
"""

import io
import math
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from rag_lib.errors import RagError
from rag_lib.paths import clear_parts, replacing
from rag_lib.training.minutes import add_minutes
from rag_lib.training.recipe import Recipe

SAVE_EVERY = 200  # steps between two checkpoints: what a stop can lose
LOG_EVERY = 50  # steps whose means are a row of the log; a short stage has about 30 rows
WARM_UP = 60  # steps until the full learning rate; a tenth of a short stage


def optimize(
    name: str,
    step: Callable,
    parameters: list,
    matrices,
    steps: int,
    recipe: Recipe,
    folder: Path,
    *,
    modules,
    about: dict | None = None,
) -> list[dict]:
    """Optimize with a cosine schedule: Muon for the matrices of the transformer blocks, AdamW for the rest.

    `step(rng)` -> the loss to descend and a dict of readings. `parameters`: all that are trained; `matrices`: the
    module whose matrices are Muon's; `modules`: what the checkpoint holds; `about`: what it depends on beside the
    recipe. Each step draws from its own generator, so that a resumed stage takes the same batches. Returns rows of
    {"step", "loss", the readings}: means over the steps since the row before. Raises RagError if the folder's
    checkpoint belongs to another recipe.
    """
    from tqdm.auto import tqdm

    optimizers = _optimizers(parameters, matrices, recipe)
    belongs_to = asdict(recipe) | (about or {})
    first, log, path = 0, [], folder / f"{name}.pt"
    clear_parts(folder)  # of a stop while a file was written
    if path.exists():
        first, log = _resume(path, belongs_to, (*modules, *optimizers), parameters)
    log_every, warm_up = min(LOG_EVERY, max(1, steps // 30)), min(WARM_UP, max(1, steps // 10))
    saved, sums = time.monotonic(), []
    for number in (bar := tqdm(range(first, steps), desc=f"train {name}", initial=first, total=steps, unit="step")):
        rate = min(1, (number + 1) / warm_up) * (0.97 * 0.5 * (1 + math.cos(math.pi * number / steps)) + 0.03)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = recipe.learning_rate * rate
        loss, readings = step(np.random.default_rng([recipe.seed, steps, number]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        sums.append({"loss": loss.item(), **readings})
        if (number + 1) % log_every == 0 or number + 1 == steps:
            means = {key: round(float(np.mean([row[key] for row in sums])), 4) for key in sums[0]}
            log.append({"step": number + 1, **means})
            sums = []
            bar.set_postfix(means)
        if (number + 1) % SAVE_EVERY == 0 or number + 1 == steps:
            states = [module.state_dict() for module in (*modules, *optimizers)]
            values = [parameter.data for parameter in parameters]
            whole = io.BytesIO()  # torch's own writing to a full disk says neither disk nor full
            torch.save(dict(recipe=belongs_to, step=number + 1, log=log, states=states, parameters=values), whole)
            with replacing(path) as beside:
                beside.write_bytes(whole.getbuffer())
            add_minutes(folder, name, time.monotonic() - saved, anew=number < SAVE_EVERY)
            saved = time.monotonic()
    return log


def _optimizers(parameters: list, matrices, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    if recipe.muon and not hasattr(torch.optim, "Muon"):
        raise RagError(f"Training needs torch 2.9 or newer for its optimizer Muon; here is {torch.__version__}.")
    blocks = [p for p in matrices.parameters() if p.ndim == 2] if recipe.muon else []
    in_blocks = {id(p) for p in blocks}
    rest = [p for p in parameters if id(p) not in in_blocks]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
    if not recipe.muon:
        return (adamw,)
    muon = torch.optim.Muon(blocks, lr=recipe.learning_rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    return muon, adamw


def _resume(path: Path, belongs_to: dict, modules, parameters: list) -> tuple[int, list[dict]]:
    """Load the checkpoint into modules and parameters: the steps that are done, and their log."""
    shown = f"{path.parent.name}/{path.name}"
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums in it
            whole = archive.testzip() is None
        state = torch.load(path, weights_only=True) if whole else None
    except Exception:  # a dozen kinds, of zip files and of pickles
        whole = False
    if not whole:
        raise RagError(f"{shown} is damaged: delete it, and this stage begins anew.")
    # A part that the recipe got after the checkpoint was made had its default then.
    if asdict(Recipe()) | state["recipe"] != belongs_to:
        raise RagError(f"{shown} belongs to another recipe: give another --out, or delete it.")
    for module, saved in zip(modules, state["states"], strict=True):
        module.load_state_dict(saved)
    for parameter, value in zip(parameters, state["parameters"], strict=True):
        parameter.data.copy_(value)
    return state["step"], state["log"]
