"""The world's benchmarks of composed image retrieval, from a local folder in the official layout.

report = evaluate_cir("cirr", "data/cirr", load_encoder("pocket"))
print(cir_table(report))
"""

from rag_lib.evaluation.cir.evaluate import BENCHMARKS, evaluate_cir
from rag_lib.evaluation.cir.report import cir_table

__all__ = ["BENCHMARKS", "cir_table", "evaluate_cir"]
