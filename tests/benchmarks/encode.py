"""How fast pictures are embedded: `python tests/benchmarks/encode.py --out encode.json`.

The same weights and the same JPEG files, side by side and in turns: the tutorial's loop (one picture at a time,
float32, no fused attention, as upstream's code computes), the same model in batches, and `encode_images` in each
precision that the machine computes with. Reading is included; alone it is timed beside them, and on a GPU the model
alone too, as it is and compiled. For each: pictures/s, the ratio to the loop, the share of this machine's measured
matrix-multiply rate that its matrix products reach, and the lowest cosine to the loop's vectors. Weights are random
unless `--weights` names the official checkpoint: the speed is the same. Nothing is asserted.
"""

import argparse
import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import BatchEncoding

from rag_lib.drawn.drawing import CATEGORIES, LOOKS, draw_product
from rag_lib.encoders.base import READERS
from rag_lib.encoders.device import has_bfloat16, has_int8
from rag_lib.encoders.preprocess import normalize, read_square
from rag_lib.encoders.visualized_bge.checkpoint import load_checkpoint, read_tensors
from rag_lib.encoders.visualized_bge.encoder import ComposedEncoder
from rag_lib.encoders.visualized_bge.inference import MICRO_BATCH, InferenceModel
from rag_lib.encoders.visualized_bge.layers import Linear, carried
from rag_lib.encoders.visualized_bge.model import CONFIGS, VisualizedBGE

GIGA = 1e9
DRAWN = 64  # pictures; of more files each is one of these with other bytes at its end
LOOP = "the tutorial's loop, float32"
# Pictures for the loop and for the others, and a batch of theirs.
SIZES = {"cpu": (24, 24, 24), "cuda": (128, 2048, 256), "mps": (32, 128, 64)}


def draw_files(folder: Path, n: int) -> list[Path]:
    """JPEG files of about the size of the tutorial's, each of its own content."""
    rng, paths, drawn = np.random.default_rng(0), [], []
    for number in range(n):
        path = folder / f"{number:05d}.jpg"
        if number < DRAWN:
            look = LOOKS[int(rng.integers(len(LOOKS)))]
            Image.fromarray(draw_product(rng, CATEGORIES[number % len(CATEGORIES)], *look, size=500)).save(path)
            drawn.append(path.read_bytes())
        else:
            path.write_bytes(drawn[number % DRAWN] + number.to_bytes(4))
        paths.append(path)
    return paths


def loop_model(name: str, weights: str | None) -> VisualizedBGE:
    torch.manual_seed(0)
    model = VisualizedBGE(CONFIGS[name]).eval().requires_grad_(False)
    if weights:
        load_checkpoint(model, read_tensors(Path(weights)))
    model.text_model.set_attn_implementation("eager")
    for block in model.tower.blocks:
        block.attn.fused_attn = False
    return model


@torch.no_grad()
def tutorials_loop(model: VisualizedBGE, empty: tuple, paths: Sequence[Path], device: str) -> np.ndarray:
    rows = []
    for path in paths:
        square = torch.from_numpy(read_square(path, model.config.image_size))[None]
        rows.append(model(*empty, model.image_tokens(normalize(square.to(device)))).cpu().numpy())
    return np.concatenate(rows)


class Plain:
    """timm's and transformers' own layers behind `ComposedEncoder`, with fused attention."""

    def __init__(self, model: VisualizedBGE, device: str, dtype: torch.dtype):
        self.model, self.device, self.dtype = copy.deepcopy(model).to(dtype), device, dtype
        self.config, self.max_text_tokens = model.config, model.max_text_tokens
        self.model.text_model.set_attn_implementation("sdpa")
        for block in self.model.tower.blocks:
            block.attn.fused_attn = True

    @torch.inference_mode()
    def image_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.model.image_tokens(pixels.to(self.dtype))

    @torch.inference_mode()
    def __call__(self, input_ids, attention_mask, tokens: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids.to(self.device), attention_mask.to(self.device), tokens)


def multiply_rate(device: str, dtype: torch.dtype) -> float:
    """The best of several products that suit the caches and the units, by both libraries' routines: GFLOP/s."""
    best = 0.0
    for rows, given, made in ((1576, 768, 3072), (2048, 2048, 2048), (6304, 3072, 768), (8192, 8192, 8192)):
        if device == "cpu" and rows == 8192:
            continue
        x = torch.randn(rows, given, device=device).to(carried(dtype))
        layer = torch.nn.Linear(given, made, device=device).requires_grad_(False)
        packed, weight = Linear(layer, dtype=dtype), layer.weight.to(x.dtype)
        ways = [lambda x=x, packed=packed: packed(x), lambda x=x, weight=weight: x @ weight.T]
        for _ in range(12):
            for multiply in ways[:1] if dtype == torch.int8 else ways:
                with torch.inference_mode():
                    best = max(best, 2 * rows * given * made / timed(multiply, device)[1] / GIGA)
    return best


def timed(function: Callable, device: str) -> tuple:
    """What it returns, and the seconds."""
    started = time.perf_counter()
    result = function()
    if device == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - started


def gflop_a_picture(model, empty: tuple, device: str) -> float:
    """In matrix products, attention included."""
    pixels = torch.zeros(1, 3, model.config.image_size, model.config.image_size, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*empty, model.image_tokens(pixels))
    return counter.get_total_flops() / GIGA


def unpacked(model: VisualizedBGE, device: str) -> InferenceModel:
    """Ours from torch's own operations, which the counter knows."""
    available, torch.backends.mkldnn.is_available = torch.backends.mkldnn.is_available, lambda: False
    try:
        return InferenceModel(model, device=device, dtype=torch.float32)
    finally:
        torch.backends.mkldnn.is_available = available


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", default="visualized-bge-base-en-v1.5", choices=list(CONFIGS)[:2])
    parser.add_argument("--weights", help="the official checkpoint; random weights without it")
    parser.add_argument("--loop", type=int, help="pictures for the tutorial's loop")
    parser.add_argument("--pictures", type=int, help="pictures for the others")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=list(SIZES))
    parser.add_argument("--out", help="a JSON file for the figures")
    options = parser.parse_args()
    device = options.device
    for name, usual in zip(("loop", "pictures", "batch_size"), SIZES[device], strict=True):
        setattr(options, name, getattr(options, name) or usual)
    model = loop_model(options.encoder, options.weights).to(device)
    ids = [101, 102] if CONFIGS[options.encoder].text == "bert" else [0, 2]  # a picture alone meets the empty text
    empty = tuple(torch.tensor([row]) for row in (ids, [1, 1]))

    def tokenizer(texts: list[str], **_) -> BatchEncoding:
        return BatchEncoding(
            {"input_ids": empty[0].repeat(len(texts), 1), "attention_mask": empty[1].repeat(len(texts), 1)}
        )

    def encoder(dtype: torch.dtype, plain: bool = False) -> ComposedEncoder:
        made = ComposedEncoder(
            model, tokenizer, name=options.encoder, fingerprint="benchmark", device=device, dtype=dtype
        )
        if plain:
            made.model = Plain(model, device, dtype)
        return made

    there = tuple(part.to(device) for part in empty)
    work = {"whole": gflop_a_picture(model, there, device)}
    work["ours"] = gflop_a_picture(unpacked(model, device), there, device)
    dtypes = [torch.float32, *[torch.bfloat16] * has_bfloat16(device)]
    dtypes += [torch.int8] * (device == "cpu" and has_int8())
    rates = {mark(dtype): multiply_rate(device, dtype) for dtype in dtypes}
    with tempfile.TemporaryDirectory() as folder:
        paths = draw_files(Path(folder), max(options.pictures, options.loop))
        ways = {LOOP: (lambda paths: tutorials_loop(model, there, paths, device), paths[: options.loop])}
        for dtype in dtypes:
            ours, size = encoder(dtype), min(options.batch_size, MICRO_BATCH) if device == "cpu" else options.batch_size
            if dtype != torch.int8:
                plain = embed(encoder(dtype, plain=True), size)
                ways[f"the same model in batches, {mark(dtype)}"] = plain, paths[: options.pictures]
            ways[f"encode_images, {mark(dtype)}"] = embed(ours, options.batch_size), paths[: options.pictures]
        if device != "cpu":
            squares = [ours.prepare(path) for path in paths[: options.batch_size]]
            ways[f"the model alone, {mark(dtype)}"] = ours.embed_images, squares
            compiled = encoder(dtype)
            compiled.model.compile()
            ways[f"the model alone, compiled, {mark(dtype)}"] = compiled.embed_images, squares
            ways[f"encode_images, compiled, {mark(dtype)}"] = (
                embed(compiled, options.batch_size),
                paths[: options.pictures],
            )
        seconds, vectors, failed = {way: [] for way in ways}, {}, []
        for way, (function, given) in ways.items():
            try:
                function(given[: 8 if device == "cpu" else options.batch_size])  # warm-up
            except Exception as error:  # a machine without a compiler, or with too little memory
                print(f"{way} failed: {type(error).__name__}: {str(error)[:200]}")
                failed.append(way)
        for _ in range(options.rounds):
            read = timed(lambda: list(ours._read_ahead(paths, 2 * options.batch_size, None)), "cpu")[1]
            for way, (function, given) in ways.items():
                if way not in failed:
                    vectors[way], spent = timed(lambda f=function, given=given: f(given), device)
                    seconds[way].append(spent / len(given))
    report(options, seconds, vectors, work, rates, len(paths) / read)


def embed(encoder: ComposedEncoder, batch_size: int) -> Callable[[Sequence[Path]], np.ndarray]:
    return lambda paths: encoder.encode_images(paths, batch_size=batch_size, progress=False).vectors


def mark(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def report(options, seconds: dict, vectors: dict, work: dict, rates: dict, reading: float) -> None:
    rows = {}
    for way, spent in seconds.items():
        if not spent:
            continue
        dtype, by = way.split(", ")[-1], "whole" if way == LOOP or "same model" in way else "ours"
        pace = 1 / statistics.median(spent)
        both = min(len(vectors[way]), len(vectors[LOOP]))
        rows[way] = {
            "pictures/s": pace,
            "ratio": statistics.median(a / b for a, b in zip(seconds[LOOP], spent, strict=True)),
            "share of the matrix rate": pace * work[by] / rates[dtype],
            "lowest cosine": float((vectors[way][:both] * vectors[LOOP][:both]).sum(1).min()),
        }
    machine = torch.cuda.get_device_name() if options.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(
        f"{options.encoder} on {options.device} ({machine}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f})"
    )
    print(f"{options.pictures} pictures in batches of {options.batch_size}, {options.rounds} rounds")
    for name, rate in rates.items():
        print(f"matrix products in {name}: {rate:,.0f} GFLOP/s")
    print(f"a picture is {work['whole']:.1f} GFLOP, {work['ours']:.1f} without the last layer's unread rows")
    print(f"reading alone, by {READERS} threads: {reading:,.0f} pictures/s\n")
    names = list(next(iter(rows.values())))
    print("| | " + " | ".join(names) + " |\n|---|" + "--:|" * len(names))
    for way, row in rows.items():
        print(f"| {way} | {row[names[0]]:,.2f} | {row[names[1]]:.2f} | {row[names[2]]:.0%} | {row[names[3]]:.5f} |")
    if options.out:
        figures = dict(options=vars(options), gflop=work, matrix_rate=rates, reading=reading, rows=rows)
        Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
