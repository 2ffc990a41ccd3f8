"""The recipes of the README, their lines run as they are written there, in a folder like a user's.

Addresses are those of servers on this machine, and a run is cut to one notebook by a word at the end of its line.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from rag_lib.catalog.drawn import make_drawn_catalog
from rag_lib.catalog.photographs import load_photographs
from rag_lib.encoders import load_encoder
from rag_lib.rerank import load_reranker
from rag_lib.rerank.loopback import Eye, LocalEndpoint

ROOT = Path(__file__).resolve().parent.parent
SECTION = re.search(r"^## Recipes\n(.*?)^## ", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)[1]
RECIPES = dict(re.findall(r"^\*\*(.*?)\.?\*\*.*?^```\n(.*?)^```", SECTION, re.M | re.S))
SECRETS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MILVUS_TOKEN", "AZURE_OPENAI_ENDPOINT")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Not tested here: the README's recipes, on Windows"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder as `make setup` leaves it, with twenty products in place of nine hundred."""
    folder = tmp_path_factory.mktemp("house")
    (folder / ".venv").symlink_to(sys.prefix)
    make_drawn_catalog(folder / "few", count=20)
    shutil.copy(folder / "few" / "items.jsonl", folder / "few" / "metadata.jsonl")
    return folder


@pytest.fixture
def follow(house):
    """follow(recipe, {"old": "new"}, ...): runs its lines, with these words in place of those -> what the run noted."""

    def follow(recipe, instead, out="offline", **environment):
        lines = RECIPES[recipe]
        for old, new in instead.items():
            assert lines.count(old) == 1, (old, lines)
            lines = lines.replace(old, new)
        theirs = {name: value for name, value in os.environ.items() if name not in SECRETS}
        theirs |= {"RAG_HOME": str(house), "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", **environment}
        run = subprocess.run(["bash", "-e", "-c", lines], cwd=house, env=theirs, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads((house / "runs" / out / "run.json").read_text("utf-8"))

    return follow


@pytest.fixture(scope="module")
def model():
    """A model's server at whose end something looks; `model.asked`: the models' names of the requests."""

    def answer(request):
        server.asked.append(request["model"])
        return eye(request)

    eye = Eye(load_reranker("pocket"), load_encoder("pocket"))
    with LocalEndpoint(answer) as server:
        server.asked = []
        yield server


def test_there_are_five():
    assert len(RECIPES) == 5


def test_my_own_folder(follow, house):
    photos = house / "my" / "photos"
    photos.mkdir(parents=True)
    for item in load_photographs().items[:6]:
        shutil.copy(item.path, photos)
    shutil.copy(item.path, house / "my" / "photo.jpg")
    left = follow("My own folder", {"my/photo.jpg": "my/photo.jpg 12"}, out="photos")
    assert left["parameters"]["catalog"] == "my/photos" and left["parameters"]["encoder"] == "photo"
    assert any("6 pictures first by their titles" in figure for figure in left["figures"].values())


FEW = " -p catalog few"  # at the end of a run's line


def test_gpt_4o(follow, house, model):
    left = follow("GPT-4o", {" 05 06 ": " 05 ", "gpt-4o": "gpt-4o" + FEW}, OPENAI_BASE_URL=model.url)
    assert {*model.asked} == {"gpt-4o"} and left["winner"] and left["parameters"]["reranker"] == "gpt-4o"
    result = json.loads((house / "runs" / "offline" / "hero" / "result.json").read_text("utf-8"))
    assert result["reason"].startswith("Number ")  # so argues who was shown a panorama


def test_a_model_on_my_machine(follow, model):
    model.asked.clear()
    instead = {"http://localhost:11434/v1": model.url, " 05 06 ": " 06 ", "qwen2.5vl": "qwen2.5vl" + FEW}
    left = follow("A vision-language model on my machine", instead)
    assert {*model.asked} == {"qwen2.5vl"} and len(model.asked) > 9
    assert [notebook["name"] for notebook in left["notebooks"]] == ["06_judge"]


def test_a_milvus_server(follow, server):
    """The old one that the tests have: what is new in Milvus since is not in the quickstart."""
    uri, token = server
    with closing(MilvusClient(uri, token=token, timeout=30, dedicated=True)) as admin:
        admin.create_database("recipes")
    place = f"{uri}/recipes"
    try:
        follow("A Milvus server", {"http://localhost:19530": f"{place} 00{FEW}"}, MILVUS_TOKEN=token)
        with closing(MilvusClient(place, token=token, timeout=30, dedicated=True)) as client:
            names = client.list_collections()
            assert names and all(client.get_collection_stats(name)["row_count"] == 20 for name in names)
    finally:
        with closing(MilvusClient(place, token=token, timeout=30, dedicated=True)) as client:
            for name in client.list_collections():
                client.drop_collection(name)
            client.drop_database("recipes")


def test_my_own_weights(follow, house):
    lines = [json.loads(line) for line in (house / "few" / "metadata.jsonl").read_text("utf-8").splitlines()]
    triplets = [{"q_text": each["title"].upper(), "positive_value": f"few/{each['file']}"} for each in lines]
    (house / "my.jsonl").write_text("".join(json.dumps(each) + "\n" for each in triplets), "utf-8")
    follow("My own weights", {"runs/mine/weights": "runs/mine/weights" + FEW})
    mine = load_encoder(house / "runs" / "mine" / "weights")
    assert mine.fingerprint != load_encoder("pocket").fingerprint
    assert any(mine.fingerprint in path.name for path in (house / "data" / "embeddings").iterdir())  # it embedded these
