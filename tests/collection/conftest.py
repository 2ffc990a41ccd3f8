"""Every backend of the collection: Milvus Lite in a folder, and the session's real Milvus server."""

import importlib.util
import itertools
import os
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from rag_lib.collection import Collection
from rag_lib.errors import RagError

VERSION = "2.3.5"  # of the server in tests/conftest.py
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def samples():
    """The module samples.py."""
    spec = importlib.util.spec_from_file_location("collection_samples", Path(__file__).with_name("samples.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Backend:
    """`uri`: empty at the start of each test. `lacks_words`: whether it is too old for BM25 and for 'is null'."""

    def __init__(self, uri, *, lacks_words=False):
        self.uri, self.lacks_words = uri, lacks_words

    def open(self, name="items", **options):
        return Collection(self.uri, name, **options)

    def wanting(self):
        """Around what needs Milvus 2.5: an older server says so, and names itself."""
        if not self.lacks_words:
            return nullcontext()
        return pytest.raises(RagError, match=rf"is Milvus {VERSION}: .*need Milvus 2\.5")


BACKENDS = ["milvus-lite", f"milvus-{VERSION}"]


def _open(kind, request, folder):
    if kind == "milvus-lite":
        yield Backend(folder / "a.db")
        return
    from pymilvus import MilvusClient

    uri, token = request.getfixturevalue("server")
    database = f"test_{next(_numbers)}"
    with closing(MilvusClient(uri, token=token, timeout=30, dedicated=True)) as admin:
        admin.create_database(database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "MILVUS_TOKEN", token)
        yield Backend(f"{uri}/{database}", lacks_words=True)
    with closing(MilvusClient(f"{uri}/{database}", token=token, timeout=30, dedicated=True)) as admin:
        for name in admin.list_collections():
            admin.drop_collection(name)
        admin.drop_database(database)


@pytest.fixture(params=BACKENDS)
def backend(request, tmp_path):
    """Each test runs on each backend, in an empty folder or database."""
    yield from _open(request.param, request, tmp_path)


@pytest.fixture(scope="module", params=BACKENDS)
def filled(request, tmp_path_factory, samples):
    """(collection, backend): 40 items that tests only read."""
    for backend in _open(request.param, request, tmp_path_factory.mktemp("filled")):
        with backend.open(dim=samples.DIM) as collection:
            collection.upsert(samples.items(40), samples.vectors(40), batch_size=16, progress=False)
            yield collection, backend
