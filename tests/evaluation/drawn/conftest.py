"""A small validation benchmark, drawn once for all tests here, and what the pocket answers on it."""

import pytest

from rag_lib.encoders import load_encoder
from rag_lib.evaluation.drawn.benchmark import make_benchmark
from rag_lib.evaluation.drawn.meter import ask


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_HOME", str(tmp_path_factory.mktemp("home")))
        return make_benchmark("validation", galleries=["standard"], n_standard=400, per_family=42)


@pytest.fixture(scope="session")
def asked(benchmark):
    return list(ask(load_encoder("pocket"), benchmark, galleries=["standard"]))
