"""How fast pictures are embedded: `python tests/benchmarks/encode.py --out encode.json`.

The same weights and the same JPEG files, side by side and in turns: the tutorial's loop (one picture at a time,
float32, no fused attention, as upstream's code computes), `encode_images` in float32 and in bfloat16. Decoding is
included. For each: pictures/s, the ratio to the loop, the share of this machine's measured matrix-multiply rate that
its matrix products reach, and the lowest cosine to the loop's vectors. Weights are random unless `--weights` names the
official checkpoint: the speed is the same. Nothing is asserted.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import BatchEncoding

from rag_lib.drawn.drawing import CATEGORIES, LOOKS, draw_product
from rag_lib.encoders.preprocess import normalize, read_square
from rag_lib.encoders.visualized_bge.checkpoint import load_checkpoint, read_tensors
from rag_lib.encoders.visualized_bge.encoder import ComposedEncoder
from rag_lib.encoders.visualized_bge.inference import InferenceModel
from rag_lib.encoders.visualized_bge.layers import Linear
from rag_lib.encoders.visualized_bge.model import CONFIGS, VisualizedBGE

GIGA = 1e9


def draw_files(folder: Path, n: int) -> list[Path]:
    """JPEG files of about the size of the tutorial's."""
    rng, paths = np.random.default_rng(0), []
    for number in range(n):
        look = LOOKS[int(rng.integers(len(LOOKS)))]
        paths.append(folder / f"{number:04d}.jpg")
        Image.fromarray(draw_product(rng, CATEGORIES[number % len(CATEGORIES)], *look, size=500)).save(paths[-1])
    return paths


def loop_model(name: str, weights: str | None) -> VisualizedBGE:
    torch.manual_seed(0)
    model = VisualizedBGE(CONFIGS[name]).eval()
    if weights:
        load_checkpoint(model, read_tensors(Path(weights)))
    model.text_model.set_attn_implementation("eager")
    for block in model.tower.blocks:
        block.attn.fused_attn = False
    return model


@torch.no_grad()
def tutorials_loop(model: VisualizedBGE, empty: tuple, paths: list[Path], device: str) -> np.ndarray:
    rows = []
    for path in paths:
        square = torch.from_numpy(read_square(path, model.config.image_size))[None]
        rows.append(model(*empty, model.image_tokens(normalize(square.to(device)))).cpu().numpy())
    return np.concatenate(rows)


def multiply_rate(device: str, dtype: torch.dtype) -> float:
    """The best of several products that suit the caches and the units, by both libraries' routines: GFLOP/s."""
    best = 0.0
    for rows, given, made in ((1576, 768, 3072), (2048, 2048, 2048), (6304, 3072, 768), (8192, 8192, 8192)):
        if device == "cpu" and rows == 8192:
            continue
        x, layer = torch.randn(rows, given, device=device).to(dtype), torch.nn.Linear(given, made, device=device)
        packed, weight = Linear(layer, dtype=dtype), layer.weight.detach().to(dtype)
        for _ in range(12):
            for multiply in (lambda x=x, packed=packed: packed(x), lambda x=x, weight=weight: x @ weight.T):
                with torch.inference_mode():
                    best = max(best, 2 * rows * given * made / timed(multiply, device)[1] / GIGA)
    return best


def timed(function, device: str):
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
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", help="a JSON file for the figures")
    options = parser.parse_args()
    device = options.device
    model = loop_model(options.encoder, options.weights).to(device)
    ids = [101, 102] if CONFIGS[options.encoder].text == "bert" else [0, 2]  # a picture alone meets the empty text
    empty = tuple(torch.tensor([row], device=device) for row in (ids, [1, 1]))

    def tokenizer(texts: list[str], **_) -> BatchEncoding:
        return BatchEncoding(
            {"input_ids": empty[0].repeat(len(texts), 1), "attention_mask": empty[1].repeat(len(texts), 1)}
        )

    work = {"loop": gflop_a_picture(model, empty, device)}
    work["ours"] = gflop_a_picture(unpacked(model, device), empty, device)
    encoders = {
        str(dtype).removeprefix("torch."): ComposedEncoder(
            model, tokenizer, name=options.encoder, fingerprint="benchmark", device=device, dtype=dtype
        )
        for dtype in (torch.float32, torch.bfloat16)
    }
    rates = {name: multiply_rate(device, encoder.dtype) for name, encoder in encoders.items()}
    with tempfile.TemporaryDirectory() as folder:
        paths = draw_files(Path(folder), options.pictures)
        ways = {"the tutorial's loop, float32": lambda paths: tutorials_loop(model, empty, paths, device)}
        for name, encoder in encoders.items():
            ways[f"encode_images, {name}"] = lambda paths, encoder=encoder: (
                encoder.encode_images(paths, batch_size=options.batch_size, progress=False).vectors
            )
        seconds, vectors = {way: [] for way in ways}, {}
        for way in ways:
            ways[way](paths[:8])  # warm-up
        for _ in range(options.rounds):
            for way in ways:
                vectors[way], spent = timed(lambda way=way: ways[way](paths), device)
                seconds[way].append(spent)
    report(options, seconds, vectors, work, rates)


def report(options, seconds: dict, vectors: dict, work: dict, rates: dict) -> None:
    loop, rows = next(iter(seconds)), {}
    for way, spent in seconds.items():
        dtype, by = way.split(", ")[1], "loop" if way == loop else "ours"
        pace = options.pictures / statistics.median(spent)
        rows[way] = {
            "pictures/s": pace,
            "ratio": statistics.median(a / b for a, b in zip(seconds[loop], spent, strict=True)),
            "share of the matrix rate": pace * work[by] / rates[dtype],
            "lowest cosine": float((vectors[way] * vectors[loop]).sum(1).min()),
        }
    print(f"{options.encoder}, {options.pictures} pictures, {options.rounds} rounds, {options.device}")
    for name, rate in rates.items():
        print(f"matrix products in {name}: {rate:,.0f} GFLOP/s")
    print(f"a picture is {work['loop']:.1f} GFLOP, {work['ours']:.1f} without the last layer's unread rows\n")
    names = list(next(iter(rows.values())))
    print("| | " + " | ".join(names) + " |\n|---|" + "--:|" * len(names))
    for way, row in rows.items():
        print(f"| {way} | {row[names[0]]:.2f} | {row[names[1]]:.2f} | {row[names[2]]:.0%} | {row[names[3]]:.5f} |")
    if options.out:
        figures = {"options": vars(options), "gflop a picture": work, "matrix GFLOP/s": rates, "rows": rows}
        Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
