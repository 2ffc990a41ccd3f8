"""The weights that ship keep what the model card promises, on the validation split."""

from rag_lib.encoders import load_encoder
from rag_lib.evaluation.drawn import make_benchmark
from rag_lib.evaluation.report import recall_at_1


def test_composed_theme_transfer_is_found_and_neither_half_finds_it():
    rows = recall_at_1(load_encoder("pocket"), make_benchmark("validation", per_family=60))
    assert rows["theme transfer"]["composed"] >= 0.85
    assert rows["theme transfer"]["image only"] < 0.20 and rows["theme transfer"]["text only"] < 0.20
    assert min(row["composed"] for name, row in rows.items() if "," not in name) >= 0.80
