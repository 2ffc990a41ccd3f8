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


def test_any_other_name_is_a_model(bare):
    bare.setenv("OPENAI_API_KEY", "sk-x")
    reranker = load_reranker("gpt-4o", timeout=5, on_failure="keep", window=20, step=10, shuffles=3, seed=7)
    assert (reranker.name, reranker.window, reranker.step) == ("gpt-4o", 20, 10)
    assert (reranker.shuffles, reranker.seed, reranker.on_failure) == (3, 7, "keep")
    assert (reranker.inner.timeout, reranker.inner.endpoint.place) == (5, "OpenAI")


@pytest.mark.parametrize("name", ["rocket", "BAAI/bge-reranker-v2-m3"])
def test_with_an_endpoint_even_an_odd_name_is_a_model(bare, name):
    reranker = load_reranker(name, base_url="http://127.0.0.1:8000/v1")
    assert reranker.name == name and reranker.inner.endpoint.place == "the server at 127.0.0.1:8000"


def test_an_owners_name_alone_is_no_text_reranker(bare):
    bare.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert load_reranker("Qwen/Qwen2.5-VL-7B-Instruct").inner.model == "Qwen/Qwen2.5-VL-7B-Instruct"


def test_loading_identity_is_light():
    code = (
        "import sys; from rag_lib.rerank import load_reranker; load_reranker('identity');"
        "print({'torch', 'openai', 'pymilvus', 'PIL', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
