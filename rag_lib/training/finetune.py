"""Fine-tune an encoder on your own triplets: `python -m rag_lib.training.finetune --triplets my.jsonl --out runs/mine`.

In: a JSONL file (its fields: rag_lib/training/triplets.py) and an encoder's name; out: a folder with weights/, which
`load_encoder(name, weights=...)` reads, log.json, and a checkpoint from which the same command goes on after a stop.

The loss is InfoNCE as in the second stage of VISTA's training (Zhou et al. 2024, arXiv 2406.04292, section 3; the
temperature is that of its scripts), over the wanted pictures of the batch, the wrong ones that are given, and the
queries' own pictures, since the nearest mistake is to find what one has. A picture that also answers a query is none of
its negatives. The image tower stays as it is unless told otherwise: its patch tokens are computed once. The pocket's
attribute heads are not trained along: they go on reading pictures as they did, but queries less well.
"""

import argparse
import hashlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from rag_lib.encoders.device import choose_device
from rag_lib.errors import RagError
from rag_lib.paths import resolve
from rag_lib.records import Skipped
from rag_lib.training.embedder import Embedder
from rag_lib.training.files import read_json, run_folder, write_json
from rag_lib.training.loop import optimize
from rag_lib.training.recipe import Recipe
from rag_lib.training.trainable import load_trainable
from rag_lib.training.triplets import Pictures, Triplet, load_pictures, read_triplets

TEMPERATURE = 0.02
WRONG = 4  # given wrong pictures of a query in one step, as in VISTA's groups of five
RATES = {"pocket": 2e-4}  # learning rates; of the official models VISTA's 2e-5


@dataclass(frozen=True)
class Example:
    """A triplet as rows of `Pictures`; `source`: -1 without a picture. `query`: the same for the same query."""

    query: str
    source: int
    text: str
    wanted: int
    wrong: tuple[int, ...]

    @property
    def held_out(self) -> bool:
        """Whether training leaves it out: one query in ten, by its hash, so that it stays the same one."""
        return hashlib.sha256(self.query.encode()).digest()[0] % 10 == 0


@dataclass(frozen=True)
class Outcome:
    """`weights`: the folder for `load_encoder`. `before`, `after`: Recall@1 and @5 of the held-out queries."""

    weights: Path
    n_train: int
    n_held_out: int
    before: dict[str, float]
    after: dict[str, float]
    log: list[dict]
    skipped: list[Skipped]


def finetune(
    triplets: str | Path,
    out: str | Path,
    *,
    encoder: str = "pocket",
    weights: str | Path | None = None,
    epochs: int = 10,
    steps: int | None = None,
    batch: int = 32,
    learning_rate: float | None = None,
    seed: int = 0,
    device: str = "auto",
    freeze_tower: bool = True,
) -> Outcome:
    """Train on nine tenths of the triplets, measure on the rest, before and after, and save.

    `steps` goes before `epochs`. Raises RagError for triplets, weights or a checkpoint that cannot be used.
    """
    for name, value in {"epochs": epochs, "steps": 1 if steps is None else steps, "batch": batch - 1}.items():
        if value < 1:
            raise RagError(f"{name} is too small: give at least {2 if name == 'batch' else 1}.")
    device = choose_device(device)
    given = read_triplets(triplets)
    start = load_trainable(encoder, weights)
    left, pictures, skipped = load_pictures(given, start.model.config.image_size)
    examples = [_example(triplet, pictures) for triplet in left]
    train = [example for example in examples if not example.held_out]
    held_out = [example for example in examples if example.held_out]
    if len(train) < 2:
        raise RagError(
            f"Of {len(given)} triplets {len(train)} can be trained on, expected at least 2: one query in ten is held "
            "out, and those whose pictures cannot be opened are left out. Give more of them."
        )
    settings = {
        "encoder": encoder,
        "start": start.digest[:12],
        "triplets": _digest(examples, pictures),
        "steps": steps or math.ceil(epochs * len(train) / batch),
        "batch": batch,
        "learning_rate": learning_rate or RATES.get(encoder, 2e-5),
        "seed": seed,
        "freeze_tower": freeze_tower,
    }
    folder = resolve(out)
    with run_folder(folder):
        embedder = Embedder(start, pictures.squares, device=device, freeze_tower=freeze_tower)
        answers = {}
        for example in examples:
            answers.setdefault(example.query, set()).add(example.wanted)
        before = measure_recall(embedder, held_out, answers)
        _note(folder, settings)
        log = _train(embedder, train, answers, settings, folder)
        after = measure_recall(embedder, held_out, answers)
        start.save(folder / "weights", settings)
        outcome = Outcome(folder / "weights", len(train), len(held_out), before, after, log, skipped)
        summary = {"train": len(train), "held out": len(held_out), "before": before, "after": after, "log": log}
        write_json(folder / "log.json", summary)
    return outcome


def _note(folder: Path, settings: dict) -> None:
    """Keep in the folder what is being trained. Raises RagError if its checkpoint belongs to something else."""
    note = folder / "settings.json"
    if (folder / "triplets.pt").exists() and (not note.exists() or read_json(note) != settings):
        raise RagError(
            f"The folder {folder.name} holds the checkpoint of another fine-tuning (other triplets, weights or "
            "numbers): give another --out, or delete it."
        )
    write_json(note, settings)


def _train(embedder: Embedder, examples: list[Example], answers: dict, settings: dict, folder: Path) -> list[dict]:
    """The log: rows of step, loss and hit, the share of queries whose wanted picture is the nearest of its batch."""
    recipe = Recipe(batch=settings["batch"], learning_rate=settings["learning_rate"], seed=settings["seed"], muon=False)
    embedder.train()

    def step(rng: np.random.Generator):
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout: a resumed training drops the same
        chosen = rng.permutation(len(examples))[: recipe.batch]
        loss, hit = loss_of(embedder, [examples[i] for i in chosen], answers, rng)
        return loss, {"hit": hit.item()}

    parameters = [parameter for parameter in embedder.model.parameters() if parameter.requires_grad]
    return optimize("triplets", step, parameters, embedder.model, settings["steps"], recipe, folder, modules=())


def _example(triplet: Triplet, pictures: Pictures) -> Example:
    source = pictures.row[triplet.image] if triplet.image else -1
    query = f"{pictures.ids[source] if triplet.image else ''}|{triplet.text}"
    wrong = tuple(pictures.row[path] for path in triplet.wrong)
    return Example(query, source, triplet.text, pictures.row[triplet.wanted], wrong)


def _digest(examples: Sequence[Example], pictures: Pictures) -> str:
    content = [(e.query, pictures.ids[e.wanted], [pictures.ids[row] for row in e.wrong]) for e in examples]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:12]


def _queries(embedder: Embedder, examples: Sequence[Example]) -> torch.Tensor:
    return embedder.queries([example.source for example in examples], [example.text for example in examples])


def loss_of(embedder: Embedder, batch: Sequence[Example], answers: dict[str, set[int]], rng: np.random.Generator):
    """InfoNCE of the batch, and the share of queries whose wanted picture scores highest."""
    wrong = [row for e in batch for row in rng.permutation(np.array(e.wrong, dtype=int))[:WRONG].tolist()]
    # A picture is one candidate however often it is named, by its content.
    rows = sorted({*wrong, *(e.wanted for e in batch), *(e.source for e in batch if e.source >= 0)})
    place = {row: i for i, row in enumerate(rows)}
    scores = _queries(embedder, batch) @ embedder.composed(rows, [""] * len(rows)).T / TEMPERATURE
    hidden = torch.zeros(scores.shape, dtype=torch.bool)
    for i, example in enumerate(batch):
        # A picture alone is nearest to itself, whatever is learned.
        for row in answers[example.query] | ({example.source} if not example.text else set()):
            if row in place and row != example.wanted:
                hidden[i, place[row]] = True
    scores = scores.masked_fill(hidden.to(scores.device), -torch.inf)
    wanted = torch.tensor([place[e.wanted] for e in batch], device=scores.device)
    return F.cross_entropy(scores, wanted), (scores.argmax(1) == wanted).float().mean()


def measure_recall(
    embedder: Embedder, examples: Sequence[Example], answers: dict[str, set[int]], portion: int = 32
) -> dict:
    """Recall@1 and @5 of queries among the wanted pictures of all, their own picture left out. {} without queries."""
    from tqdm.auto import tqdm

    if not examples:
        return {}
    rows = sorted(set().union(*answers.values()))
    asked = list({example.query: example for example in examples}.values())
    embedder.model.eval()
    with torch.no_grad():
        shown = [rows[i : i + portion] for i in range(0, len(rows), portion)]
        gallery = [embedder.composed(some, [""] * len(some)) for some in tqdm(shown, desc="measure", unit="batch")]
        queries = [_queries(embedder, asked[i : i + portion]) for i in range(0, len(asked), portion)]
    scores = (torch.cat(queries) @ torch.cat(gallery).T).float().cpu().numpy()
    place, ranks = {row: i for i, row in enumerate(rows)}, []
    for example, row in zip(asked, scores, strict=True):
        right = answers[example.query]
        if example.source in place and example.source not in right:
            row[place[example.source]] = -np.inf
        ranks.append(1 + np.sum(row > max(row[place[answer]] for answer in right)))
    return {f"Recall@{k}": round(float(np.mean(np.array(ranks) <= k)), 4) for k in (1, 5)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m rag_lib.training.finetune", description=__doc__.splitlines()[0])
    parser.add_argument("--triplets", required=True, help="a JSONL file; its fields: rag_lib/training/triplets.py")
    parser.add_argument("--out", required=True, help="folder of the checkpoint and the weights, such as runs/mine")
    parser.add_argument("--encoder", default="pocket", help="what to start from (pocket)")
    parser.add_argument("--weights", help="its weights, if they are not the encoder's own")
    parser.add_argument("--epochs", type=int, default=10, help="times that a triplet is seen on average (10)")
    parser.add_argument("--steps", type=int, help="batches, in place of --epochs")
    parser.add_argument("--batch", type=int, default=32, help="queries a step (32)")
    parser.add_argument("--learning-rate", type=float, help="(2e-4 for the pocket, 2e-5 for the official models)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")
    parser.add_argument("--freeze-tower", action=argparse.BooleanOptionalAction, default=True, help="(True)")
    options = vars(parser.parse_args(arguments))
    out = Path(options.pop("out")).absolute()  # below the current folder, as everywhere in a shell
    outcome = finetune(options.pop("triplets"), out, **options)
    for path, reason in outcome.skipped:
        print(f"skipped {path.name}: {reason}")
    print(f"{outcome.n_train} triplets trained on, {outcome.n_held_out} held out")
    for name, value in outcome.before.items():
        print(f"{name} of those held out: {value:.2f} before, {outcome.after[name]:.2f} after")
    print(f"Use them: load_encoder({options['encoder']!r}, weights={(out / 'weights').as_posix()!r})")


if __name__ == "__main__":
    try:
        main()
    except RagError as error:
        sys.exit(str(error))
