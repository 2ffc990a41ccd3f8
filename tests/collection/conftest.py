"""Every backend of the collection: Milvus Lite in a folder, and a real Milvus server started for the session."""

import importlib.util
import itertools
import os
import select
import subprocess
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from rag_lib.collection import Collection
from rag_lib.errors import RagError

START_S = 180  # a server that takes longer to start does not start
VERSION = "2.3.5"
NOT_HERE = f"Not tested here: a real Milvus server (the package milvus=={VERSION}, for Linux on x86_64, is missing)"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def samples():
    """The module samples.py."""
    spec = importlib.util.spec_from_file_location("collection_samples", Path(__file__).with_name("samples.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def server(tmp_path_factory, pytestconfig, in_turn):
    """(uri, token) of a real server that ends with this session."""
    if not importlib.util.find_spec("milvus"):
        pytest.skip(NOT_HERE)
    folder = tmp_path_factory.mktemp("milvus")
    (folder / "bin").symlink_to(pytestconfig.cache.mkdir("milvus"))  # unpacked once: 250 MB, a third of a minute
    with in_turn("milvus"):  # the first worker unpacks it for all
        keeper = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("milvus_server.py")), str(folder)],
            stdin=subprocess.PIPE,  # its end, also by a crash, stops the server
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,  # Ctrl-C reaches pytest alone
        )
        started, _, _ = select.select([keeper.stdout], [], [], START_S)
    try:
        line = keeper.stdout.readline() if started else ""
        if not line:
            raise RuntimeError(f"The Milvus server did not start within {START_S} s; its logs are in {folder}/logs.")
        port, token = line.split()
        yield f"http://127.0.0.1:{port}", token
    finally:
        keeper.stdin.close()
        keeper.wait(30)


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
