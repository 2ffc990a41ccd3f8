"""The weights that ship keep what the model card promises, on a small validation benchmark."""

from rag_lib.evaluation.drawn.plan import COMPOSED
from rag_lib.evaluation.drawn.report import ALL, report


def test_composed_queries_find_what_neither_half_finds(asked):
    made = report(asked)
    assert made.find("standard", ALL)["Recall@1"]["mean"] >= 0.93
    assert made.find("standard", ALL, way="image only")["Recall@1"]["mean"] < 0.20
    assert made.find("standard", ALL, way="text only")["Recall@1"]["mean"] < 0.20
    assert min(made.find("standard", family)["Recall@1"]["mean"] for family in COMPOSED) >= 0.86
