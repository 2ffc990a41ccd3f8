"""The job: pictures are read, embedded by a pool of actors, and kept in parts, by Ray Data.

In: a place, an encoder's name and how many workers; out: an `Embedded` with all of them. What Ray does for it: it
starts a killed worker again and gives its pictures to another, keeps the readers no further ahead than memory allows,
and runs on the cores of this machine, or on a cluster by its address.
"""

import logging
import math
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from rag_lib.catalog.folder import candidates, is_query
from rag_lib.distributed.parts import Embedded, keep
from rag_lib.distributed.place import Place
from rag_lib.errors import RagError, how_to_get
from rag_lib.images import ImageError, check_header, content_id

MISSING = f"Ray is not installed: {how_to_get('ray')}"


@dataclass(frozen=True)
class Settings:
    """`encoder`, `weights`, `device`, `dtype`: as of `load_encoder`. `workers`: actors, each with `cpus` and `gpus`.

    `batch`: pictures that a worker has in memory; `part`: in a file, and so what a kill can lose for each worker.
    """

    encoder: str
    weights: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    workers: int = 2
    cpus: float = 1
    gpus: float = 0
    batch: int = 64
    part: int = 256


class Model(NamedTuple):
    """What names a collection and fills it: of the encoder that the workers load."""

    name: str
    fingerprint: str
    dim: int


def describe(settings: Settings) -> Model:
    """The workers' encoder. With GPUs a worker is asked: where vectors are made decides what they are called."""
    if not settings.gpus:
        encoder = _load(settings)
        return Model(encoder.name, encoder.fingerprint, encoder.dim)
    import ray

    there = ray.remote(num_cpus=settings.cpus, num_gpus=settings.gpus)(describe)
    return _told(lambda: ray.get(there.remote(replace(settings, gpus=0))))


def connect(settings: Settings, address: str | None = None) -> None:
    """To the cluster of `address` ("auto": the one that runs here) or `RAY_ADDRESS`, else to one of its own."""
    try:
        import ray
    except ImportError:
        raise RagError(MISSING) from None
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to Ray's makers
    address = address or os.environ.get("RAY_ADDRESS") or "local"  # without a word Ray would take any that runs here
    own = (
        {}
        if address != "local"
        else {"num_cpus": int(settings.workers * settings.cpus) + 1, "include_dashboard": False}
    )
    try:
        ray.init(address, logging_level=logging.WARNING, **own)
    except ConnectionError as exc:
        raise RagError(f"No Ray cluster answers at {address!r} ({str(exc).splitlines()[0]}).") from None
    except Exception as exc:  # a bare one, where its own processes did not start in time
        if not own:
            raise
        said = str(exc).partition("\n")[0].rstrip(".")
        raise RagError(
            f"Ray did not start here ({said}). It waits 15 seconds for its processes, which a busy machine takes "
            f"longer to start: run this again when less runs, or give --ray-address of a cluster."
        ) from None


def embed(place: Place, work: Place, model: Model, settings: Settings, *, progress: Any = True) -> Embedded:
    """Embed what no part in `work` knows yet. `work`: a folder or url that every worker reaches.

    Run it again after whatever stopped it. RagError for what the user can mend.
    """
    import ray

    marks = place.marks()
    done = Embedded(work, marks)
    todo = done.todo()
    if not todo:
        return done
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False  # one bar, ours, counts files
    for logger in ("ray.data", "ray.data._internal.execution.streaming_executor"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    pictures = (
        ray.data.from_items([{"name": name, "mark": marks[name]} for name in todo])
        .map_batches(Read(place), batch_size=settings.batch, num_cpus=0.5)
        .map_batches(
            Embed,
            fn_constructor_args=(settings, model),
            batch_size=settings.batch,
            compute=ray.data.ActorPoolStrategy(size=min(settings.workers, math.ceil(len(todo) / settings.batch))),
            num_cpus=settings.cpus,
            num_gpus=settings.gpus or None,
        )
        .map_batches(keep, fn_args=(work,), batch_size=settings.part, batch_format="pyarrow", num_cpus=0.5)
    )
    with tqdm(total=len(marks), initial=len(marks) - len(todo), desc="embed", unit="file", disable=not progress) as bar:
        _told(lambda: [bar.update(int(kept["files"])) for kept in pictures.iter_rows()])
    return Embedded(work, marks)


class Read:
    """Names -> the bytes of pictures, or why a file is none; neither for a file that is no picture by name or content.

    As `load_folder` sees them: the same names are left out, for the same reasons.
    """

    def __init__(self, place: Place):
        self.place = place

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        names, data, reasons = batch["name"].tolist(), [], []
        with self.place.at_hand(names) as (folder, failed):
            # All at once, so that its own checks of odd files are not mixed with ours.
            named = dict(candidates(folder, [folder / name for name in names if name not in failed]))
            for name in names:
                content, reason = b"", failed.get(name) or named.get(folder / name) or ""
                if not reason and folder / name in named:
                    content, reason = _read(folder / name)
                data.append(content)
                reasons.append(reason)
        return {"name": names, "mark": batch["mark"], "reason": reasons, "data": _column(data)}


class Embed:
    """An actor: bytes of pictures -> their ids and vectors, by `Encoder.encode_images`, as one process does it."""

    def __init__(self, settings: Settings, model: Model):
        self.encoder, self.batch = _load(settings), settings.batch
        if self.encoder.fingerprint != model.fingerprint:
            raise RagError(
                f"A worker's {model.name} is {self.encoder.fingerprint}, and {model.fingerprint} was expected: the "
                "machines have other weights or another dtype. Name --dtype, and give all the same weights."
            )
        print(f"ready: {self.encoder!r}", flush=True)  # Ray shows it with the process: a worker that was killed is seen

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        names = batch["name"].tolist()
        ids, faults, vectors = ([empty] * len(names) for empty in ("", "", b""))
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for number, (name, data) in enumerate(zip(names, batch["data"], strict=True)):
                if data:
                    file = Path(folder, f"{number}{PurePosixPath(name).suffix}")
                    file.write_bytes(data)
                    files[file], ids[number] = number, content_id(file)
            asked = [file for file, number in files.items() if not is_query(names[number])]
            found = self.encoder.encode_images(asked, batch_size=self.batch, progress=False)
        for file, vector in zip(found.kept, found.vectors, strict=True):
            vectors[files[file]] = vector.astype("<f4").tobytes()
        for file, reason in found.skipped:
            faults[files[file]] = reason
        kept = {"name": names, "mark": batch["mark"], "reason": batch["reason"]}
        return {**kept, "image_id": ids, "fault": faults, "vector": _column(vectors)}


def _read(file: Path) -> tuple[bytes, str]:
    try:
        check_header(file)
        return file.read_bytes(), ""
    except ImageError as exc:
        return b"", exc.reason
    except OSError as exc:
        return b"", f"it cannot be read ({exc.strerror.lower()})"


def _column(values: Sequence[bytes]) -> np.ndarray:
    """As objects: NumPy's own type for bytes drops zeros at the end."""
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _load(settings: Settings):
    from rag_lib.encoders import load_encoder

    return load_encoder(settings.encoder, settings.weights, settings.device, settings.dtype)


def _told(work):
    """What `work` returns; of Ray's long errors the one sentence that a worker raised."""
    try:
        return work()
    except Exception as exc:  # of a worker that could not begin, the text alone has the cause
        if sentences := re.findall(r"^rag_lib\.[\w.]+Error: (.+)$", str(exc), re.MULTILINE):
            raise RagError(sentences[-1]) from None
        raise
