import subprocess
import sys

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query
from rag_lib.rerank import load_reranker, reads_titles


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


SERVED = ["rocket", "Pocket", "jinaai/jina-reranker-m0", "Qwen/Qwen2.5-VL-7B-Instruct", "ours/reranker"]


@pytest.mark.parametrize("name", [*SERVED, "BAAI/bge-reranker-v2-m3"])
def test_with_a_base_url_any_name_is_a_model(bare, name):
    reranker = load_reranker(name, base_url="http://127.0.0.1:8000/v1")
    assert reranker.name == name and reranker.inner.endpoint.place == "the server at 127.0.0.1:8000"


@pytest.mark.parametrize("name", SERVED)
def test_with_an_endpoint_in_the_environment_too(bare, name):
    bare.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert load_reranker(name).inner.model == name and not reads_titles(name)


def test_a_folders_path_is_the_id_of_the_model_that_is_served_from_it(bare, tmp_path):
    folder = tmp_path / "Qwen-VL"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert reads_titles(str(folder))
    bare.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert load_reranker(str(folder)).inner.model == str(folder)
    with pytest.raises(RagError, match="could not be loaded"):  # it holds no weights, but is looked for there
        load_reranker(f"titles:{folder}")


def test_a_deployment_of_azure_may_have_any_name(bare):
    for name, value in {"ENDPOINT": "https://x.openai.azure.com", "API_KEY": "azure-123456"}.items():
        bare.setenv(f"AZURE_OPENAI_{name}", value)
    bare.setenv("OPENAI_API_VERSION", "2024-10-21")
    assert load_reranker("rocket").inner.model == "rocket"


@pytest.mark.parametrize(
    ("name", "base_url", "titles"),
    [
        ("BAAI/bge-reranker-v2-m3", "", True),
        ("jinaai/jina-reranker-v2", "", True),
        ("gpt-4o", "", False),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "", False),
        ("titles:any/name", "", True),
        ("BAAI/bge-reranker-v2-m3", "http://127.0.0.1:8000/v1", True),
        ("titles:jinaai/jina-reranker-v2", "http://127.0.0.1:8000/v1", True),
        ("jinaai/jina-reranker-v2", "http://127.0.0.1:8000/v1", False),
    ],
)
def test_which_names_are_text_rerankers(bare, name, base_url, titles):
    bare.setenv("OPENAI_BASE_URL", base_url)
    assert reads_titles(name) is titles


def test_loading_identity_is_light():
    code = (
        "import sys; from rag_lib.rerank import load_reranker; load_reranker('identity');"
        "print({'torch', 'openai', 'pymilvus', 'PIL', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
