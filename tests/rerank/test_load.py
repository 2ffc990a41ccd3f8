import subprocess
import sys

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query
from rag_lib.rerank import load_reranker


def test_identity_keeps_the_order_and_says_so(hits):
    reranker = load_reranker("identity")
    ranking = reranker.rank(Query(text="x"), list(reversed(hits)))
    assert reranker.name == "identity"
    assert ranking.hits == tuple(reversed(hits))
    assert "search's order" in ranking.reason


def test_identity_has_nothing_to_rank():
    with pytest.raises(RagError, match="Nothing to rerank"):
        load_reranker("identity").rank(Query(text="x"), [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "no name"),
        ("  ", "no name"),
        (None, "no name"),
        ("pokcet", "Did you mean 'pocket'"),
        ("Pocket", "Did you mean 'pocket'"),
        ("identiy", "Did you mean 'identity'"),
    ],
)
def test_a_wrong_name(name, message):
    with pytest.raises(RagError, match=message):
        load_reranker(name)


def test_any_other_name_is_a_model(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    reranker = load_reranker("gpt-4o", timeout=5, on_failure="keep")
    assert (reranker.name, reranker.timeout, reranker.base_url, reranker.on_failure) == ("gpt-4o", 5, None, "keep")


def test_with_an_endpoint_even_an_odd_name_is_a_model(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert load_reranker("rocket", base_url="http://127.0.0.1:8000/v1").name == "rocket"


def test_loading_identity_is_light():
    code = (
        "import sys; from rag_lib.rerank import load_reranker; load_reranker('identity');"
        "print({'torch', 'openai', 'pymilvus', 'PIL', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
