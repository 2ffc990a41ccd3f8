"""A Ray cluster of two workers on this machine, started once; a folder of pictures with all that can be wrong."""

import importlib.util
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from rag_lib.catalog import load_folder
from rag_lib.encoders import load_encoder

N = 48
# Ray's workers stand back behind everything else that runs; on a busy machine they would not come to their turn.
os.environ |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Its address."""
    import ray

    given = os.environ.get("RAY_ADDRESS", "local")
    own = {} if given != "local" else {"num_cpus": 3, "include_dashboard": False, "object_store_memory": 200 * 2**20}
    for attempt in range(3):
        try:
            ray.init(given, logging_level="ERROR", **own)
            break
        except Exception:  # Ray waits half a minute for its own processes, which a busy machine takes longer to start
            ray.shutdown()
            if attempt == 2:
                raise
            time.sleep(5)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of pictures, copies, query pictures, damaged files, other formats, texts and metadata."""
    folder, numbers = tmp_path_factory.mktemp("given") / "photos", np.random.default_rng(0)
    (folder / "sub").mkdir(parents=True)
    (folder / "query").mkdir()
    for number in range(N):
        pixels = numbers.integers(0, 255, (4, 4, 3), np.uint8)
        picture = Image.fromarray(pixels).resize((96, 80), Image.Resampling.BICUBIC)
        picture.save(folder / "sub" / f"blue_lamp-{number:02}.{'png' if number % 2 else 'jpg'}")
    one = (folder / "sub" / "blue_lamp-00.jpg").read_bytes()
    for name in ("copy.jpg", "query/leopard.jpg", "odd.dat"):
        (folder / name).write_bytes(one)
    (folder / "cut.jpg").write_bytes(one[: len(one) // 2])
    (folder / "empty.png").touch()
    (folder / "words.png").write_text("no picture")
    (folder / "raw.heic").write_text("x")
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.jpg").write_bytes(one)
    lines = ["file,title,category,price", "sub/blue_lamp-00.jpg,A lamp,lamp,3.5", "gone.jpg,Gone,lamp,1"]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def alone(photos):
    """What one process makes of the folder: `catalog`, `skipped`, `vectors` (id -> row), `encoder`."""
    catalog, encoder = load_folder(photos), load_encoder("pocket")
    found = encoder.encode_images([item.path for item in catalog.items], progress=False)
    return SimpleNamespace(
        catalog=catalog,
        encoder=encoder,
        skipped=(*catalog.skipped, *found.skipped),
        vectors=dict(zip(found.ids, found.vectors, strict=True)),
    )


@pytest.fixture
def pictures(photos, tmp_path):
    """A copy of one's own."""
    return Path(shutil.copytree(photos, tmp_path / "photos"))


@pytest.fixture(scope="session")
def bucket():
    """The module s3_server.py."""
    spec = importlib.util.spec_from_file_location("s3_server", Path(__file__).with_name("s3_server.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
