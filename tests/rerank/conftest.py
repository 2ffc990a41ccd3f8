"""Small real parts for the reranker's tests: pictures on disk, and an endpoint on loopback."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from rag_lib.records import Hit, Item

COLORS = {"red": (220, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 220)}


@pytest.fixture(scope="session")
def server():
    """What server.py holds: Endpoint, completion, structured, read_request."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("server.py"))))


@pytest.fixture
def picture(tmp_path):
    """Make a picture of one color on disk: picture("red") -> its path."""

    def make(color, size=(48, 32)):
        path = tmp_path / f"{color}-{len(list(tmp_path.iterdir()))}.png"
        Image.new("RGB", size, COLORS[color]).save(path)
        return path

    return make


@pytest.fixture
def hits(picture):
    """Three hits: red, green, blue, in the search's order."""
    return [
        Hit(rank, 1 - rank / 10, Item(f"id-{color}", picture(color), title=f"A {color} thing"))
        for rank, color in enumerate(COLORS, 1)
    ]


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """An environment that names no endpoint and no key, and a home of its own."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))
    return monkeypatch


@pytest.fixture
def endpoint(server, bare):
    """An Endpoint that OPENAI_BASE_URL names, with a key in the environment."""
    endpoint = server.Endpoint()
    bare.setenv("OPENAI_BASE_URL", endpoint.url)
    bare.setenv("OPENAI_API_KEY", "sk-test-VERYSECRET0123456789")
    yield endpoint
    endpoint.stop()
