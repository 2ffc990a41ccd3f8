"""The weights that ship keep what the model card promises, on a small validation benchmark."""

import pytest

from rag_lib.encoders import load_encoder
from rag_lib.evaluation.drawn.benchmark import make_benchmark
from rag_lib.evaluation.drawn.meter import ask
from rag_lib.evaluation.drawn.plan import COMPOSED
from rag_lib.evaluation.drawn.report import ALL, report


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_HOME", str(tmp_path_factory.mktemp("home")))
        benchmark = make_benchmark("validation", galleries=["standard"], n_standard=400, per_family=42)
    return report(ask(load_encoder("pocket"), benchmark, galleries=["standard"]))


def test_composed_queries_find_what_neither_half_finds(made):
    assert made.find("standard", ALL)["Recall@1"]["mean"] >= 0.93
    assert made.find("standard", ALL, way="image only")["Recall@1"]["mean"] < 0.20
    assert made.find("standard", ALL, way="text only")["Recall@1"]["mean"] < 0.20
    assert min(made.find("standard", family)["Recall@1"]["mean"] for family in COMPOSED) >= 0.86
