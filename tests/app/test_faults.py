"""What goes wrong has two audiences: a visitor reads what he can mend, the owner's terminal gets the whole."""

import pytest

from rag_lib.app.faults import FAULT, Unavailable, sentence
from rag_lib.errors import QueryError, RagError

INSIDE = ("127.0.0.1", "org-4711", "gpu-host-7", "OPENAI", "/srv", "sk-", "gpt-own")


def chained(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error, told",
    [
        (QueryError("The query is empty."), "The query is empty."),
        (RagError("Set OPENAI_API_KEY, or see /srv/photos."), FAULT),
        (chained(Unavailable("Choose another."), RagError("org-4711 at gpu-host-7 refused")), "Choose another."),
        (Unavailable("Choose another."), "Choose another."),
        (ValueError("/srv/photos/7.jpg"), FAULT),
        (chained(KeyError("x"), RagError("gpu-host-7")), FAULT),
    ],
)
def test_only_what_a_visitor_can_mend_is_told_as_it_is(error, told, caplog):
    assert sentence(error) == told
    cause = error.__cause__ if isinstance(error, Unavailable) and error.__cause__ else error
    assert (str(cause) in caplog.text) == (not isinstance(error, QueryError))


def test_no_key_stands_in_the_log(monkeypatch, caplog):
    monkeypatch.setenv("MILVUS_TOKEN", "root:Milvus-7")
    monkeypatch.setenv("SOME_API_KEY", "abcdefgh-1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    keys = ["root:Milvus-7", "abcdefgh-1"]
    sentence(RagError(f"false: http://me:hush@db {keys}"))
    sentence(ValueError(f"false {keys}"))
    assert "http://***@db" in caplog.text and "false" in caplog.text and "ValueError" in caplog.text
    assert not [key for key in (*keys, "hush") if key in caplog.text]


REFUSAL = "Organization org-4711 on gpu-host-7 may not use this; your key sk-own***6789."


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_what_a_models_server_says_is_for_the_owner(serve, model, visitor, caplog, status):
    model(says=(status, REFUSAL))
    guest = visitor(serve(reranker="gpt-own").url)
    guest.call("search", text="lamp")
    told = str(guest.call("rank"))
    assert "The reranker gives no answer just now" in told
    assert not [word for word in INSIDE if word in told]
    assert "server at 127.0.0.1" in caplog.text and str(status) in caplog.text
    assert "sk-own" not in caplog.text


def test_a_missing_key_is_for_the_owner(serve, visitor, caplog):
    guest = visitor(serve(reranker=["identity", "gpt-own"]).url)
    told = guest.call("search", text="lamp", Reranker="gpt-own")
    assert "The reranker cannot be loaded just now" in told["status"] and "hit" in told["found"]
    assert "OPENAI_API_KEY is not set" in caplog.text


def test_a_server_of_milvus_is_not_named(serve, visitor, caplog, monkeypatch):
    """It answered when the app began, and does not any more."""
    from rag_lib.collection import Collection, MilvusError

    def refuse(self, *_, **__):
        raise MilvusError("Milvus at http://gpu-host-7:19530 refused search: org-4711")

    guest = visitor(serve().url)
    monkeypatch.setattr(Collection, "search", refuse)
    told = str(guest.call("search", text="lamp"))
    assert FAULT in told.replace("&#x27;", "'") and not [word for word in INSIDE if word in told]
    assert "gpu-host-7:19530" in caplog.text
