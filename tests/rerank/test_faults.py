"""Every way in which a model or the way to it can fail, over real HTTP: each ends in a permutation or one sentence.

Three candidates are shown, red, green and blue, labelled 47, 83 and 26; a good answer here puts blue first.
"""

import json
import runpy
import socket
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query
from rag_lib.rerank import sending
from rag_lib.rerank.openai import OpenAIReranker

SERVER = runpy.run_path(str(Path(__file__).with_name("server.py")))
completion, structured = SERVER["completion"], SERVER["structured"]

SECRET = "sk-test-VERYSECRET0123456789"
NOW = {"Retry-After": "0.01"}  # so that retries do not slow the tests down
GOOD = (200, structured([26, 47, 83]))
BLUE_FIRST = "blue red green"
TIMEOUT = 10  # seconds, of one attempt; where a fault hangs, less


class Fault(NamedTuple):
    """`script`: what the server does. `ends`: the order, or what the one sentence must hold. `requests`: it takes."""

    script: list[Any]
    ends: str
    requests: int = 1
    timeout: float = TIMEOUT
    repairs: dict[str, int] = {}


def failing(status, message, headers=NOW, **fields):
    return (status, {"error": {"message": message, **fields}}, headers)


def saying(content, finish="stop", **message):
    return [(200, completion(content, finish, **message))]


def ranked(numbers):
    return [(200, structured(numbers))]


TOOL = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "rank", "arguments": "[26, 47, 83]"}}]}
FAULTS = {
    "network": {
        "connection reset": Fault(["reset"], "cannot be reached, tried 2 times", 2),
        "connection reset once": Fault(["reset", GOOD], BLUE_FIRST, 2),
        "hang": Fault(["hang"], r"no answer within 0\.3 s, asked 2 times", 2, 0.3),
        "hang once": Fault(["hang", GOOD], BLUE_FIRST, 2, 1),
        "slow drip": Fault(["drip"], r"had not finished its answer after 0\.8 s", 1, 1),
    },
    "server": {
        "401 wrong key": Fault(
            [failing(401, f"Incorrect API key {SECRET}")], r"refused the key \(401\).*OPENAI_API_KEY"
        ),
        "403 no access": Fault([failing(403, "no access")], "may not use gpt-4o.*no access"),
        "404 no such model": Fault([failing(404, "The model does not exist")], r"no model 'gpt-4o' \(404\)"),
        "400 takes no pictures": Fault([failing(400, "Image input is not supported")], "not supported.*takes pictures"),
        "400 content filter": Fault([failing(400, "Flagged", code="content_filter")], "content filter.*Flagged"),
        "400 knows no schema": Fault([failing(400, "unknown: response_format"), GOOD], BLUE_FIRST, 2),
        "400 knows no option": Fault(
            [failing(400, "bad response_format"), failing(422, "bad max_completion_tokens"), GOOD], BLUE_FIRST, 3
        ),
        "400 for ever": Fault([failing(400, "response_format, max_completion_tokens")], r"status 400", 3),
        "429 with Retry-After": Fault([failing(429, "slow down"), GOOD], BLUE_FIRST, 2),
        "429 with Retry-After for ever": Fault([failing(429, "Quota")], r"asked 2 times.*\(429\).*Quota", 2),
        "429 without Retry-After": Fault([failing(429, "slow down", {}), GOOD], BLUE_FIRST, 2),
        "429 with hours of Retry-After": Fault([failing(429, "no", {"Retry-After": "7200"})], "asks to wait 7200 s"),
        "429 with an odd Retry-After": Fault([failing(429, "no", {"Retry-After": "soon"}), GOOD], BLUE_FIRST, 2),
        "500 once": Fault([failing(500, "boom"), GOOD], BLUE_FIRST, 2),
        "500 for ever": Fault([failing(500, "boom")], r"failed, asked 2 times \(status 500\).*boom", 2),
        "502 with a page": Fault([(502, "<html>Bad gateway</html>", NOW)], r"\(status 502\)\. Try later", 2),
        "503 with the key in it": Fault([failing(503, f"upstream got 'Bearer {SECRET}'")], "status 503", 2),
    },
    "body": {
        "HTML with status 200": Fault(
            [(200, "<html>Welcome</html>", {"Content-Type": "text/html"})], "not JSON.*BASE_URL"
        ),
        "HTML called JSON": Fault([(200, "<html>Welcome</html>")], "not JSON.*BASE_URL"),
        "an empty body": Fault([(200, "")], "not JSON"),
        "half a body": Fault([(200, '{"choices": [{"mess')], "not JSON"),
        "endless nesting": Fault([(200, "[" * 100_000)], "not JSON"),
        "a list": Fault([(200, "[1, 2, 3]")], "empty answer"),
        "an error with status 200": Fault([(200, {"error": {"message": f"no {SECRET}"}})], r"error: no \*\*\*"),
        "empty choices": Fault([(200, {**completion("x"), "choices": []})], "empty answer"),
        "null choices": Fault([(200, {**completion("x"), "choices": None})], "empty answer"),
        "odd shapes": Fault(
            [(200, {"choices": [{"message": "x", "finish_reason": 3}], "usage": "many"})], "empty answer"
        ),
    },
    "answer": {
        "refusal": Fault(saying(None, refusal="I can't help with that."), r"refused: I can't help with that\. Try"),
        "content filter": Fault(saying("", "content_filter"), "content filter"),
        "no content": Fault(saying(None), "empty answer"),
        "blank content": Fault(saying("  \n"), "empty answer"),
        "a tool call": Fault(saying(None, "tool_calls", **TOOL), "called a tool instead of answering"),
        "truncated before the ranking": Fault(saying('{"ranking": [26, 4', "length"), "cut off before"),
        "truncated behind the ranking": Fault(saying('{"ranking": [26, 47, 83], "reason": "It', "length"), BLUE_FIRST),
        "only chatter": Fault(saying("What lovely pictures!"), "no ranking of the 3.*: What lovely pictures! Try"),
        "prose around the list": Fault(saying("Sure! [26, 47, 83] it is, as 26 is blue."), BLUE_FIRST),
        "prose around the JSON": Fault(saying('Sure! {"ranking": ["26", "#47", 83]} Anything else?'), BLUE_FIRST),
        "fenced JSON": Fault(saying('```json\n{"ranking": [26, 47, 83], "reason": "Blue."}\n```'), BLUE_FIRST),
        "malformed JSON": Fault(saying("{'ranking': [26, 47, 83], 'reason': 'Blue'"), BLUE_FIRST),
        "the text form": Fault(saying("Ranked list: [26, 47, 83]  Reasons: Blue."), BLUE_FIRST),
        "content in parts": Fault(saying([{"type": "text", "text": "Ranked list: [26, 47, 83]"}]), BLUE_FIRST),
        "places for labels": Fault(ranked([3, 1, 2]), "no ranking of the 3"),
    },
    "ranking": {
        "missing numbers": Fault(ranked([26]), BLUE_FIRST, repairs={"missing": 2}),
        "invented numbers": Fault(ranked([99, 26, 0]), BLUE_FIRST, repairs={"unknown": 2, "missing": 2}),
        "repeated numbers": Fault(ranked([26, 26, 47]), BLUE_FIRST, repairs={"duplicate": 1, "missing": 1}),
        "words for numbers": Fault(ranked(["best", 26, None]), BLUE_FIRST, repairs={"wrong form": 2, "missing": 2}),
    },
}
CASES = {name: fault for faults in FAULTS.values() for name, fault in faults.items()}


@pytest.fixture
def query(picture):
    return Query(picture("red"), "the same in blue")


def colors(ranking):
    return " ".join(hit.item.image_id.removeprefix("id-") for hit in ranking.hits)


@pytest.mark.parametrize("name", CASES)
def test_every_fault_ends_in_a_permutation_or_one_sentence(endpoint, query, hits, monkeypatch, name):
    fault = CASES[name]
    if name == "slow drip":
        monkeypatch.setattr(sending, "SLACK", -0.6)  # the whole question ends before an attempt does: 0.8 s
    endpoint.script = fault.script
    reranker = OpenAIReranker("gpt-4o", timeout=fault.timeout, max_retries=1)
    if fault.ends == BLUE_FIRST:
        ranking = reranker.rank(query, hits)
        assert colors(ranking) == BLUE_FIRST and ranking.repairs == fault.repairs
        assert ranking.usage["attempts"] == fault.requests
    else:
        with pytest.raises(RagError, match=fault.ends) as caught:
            reranker.rank(query, hits)
        text = str(caught.value)
        assert "VERYSECRET" not in text and "pocket" in text and len(text) < 600 and "\n" not in text
        assert caught.value.usage["attempts"] == fault.requests
        # A notebook shows the cause too if there is one, and the client's own exceptions can hold anything.
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert len(endpoint.requests) == fault.requests


def test_after_the_last_word_nothing_more_is_sent(endpoint, query, hits, monkeypatch):
    """A worker that waits as the server asked, longer than the whole question may take, must not ask on."""
    monkeypatch.setattr(sending, "SLACK", -0.6)
    endpoint.script = [failing(429, "wait", {"Retry-After": "1.2"}), GOOD]
    with pytest.raises(RagError, match="had not finished its answer after 0.8 s"):
        OpenAIReranker("gpt-4o", timeout=1, max_retries=1).rank(query, hits)
    for thread in threading.enumerate():
        if "(work)" in thread.name:  # the function that asks
            thread.join(10)
            assert not thread.is_alive()
    assert len(endpoint.requests) == 1


def test_a_refused_connection(query, hits, bare):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    reranker = OpenAIReranker("gpt-4o", base_url=f"http://me:hidden@127.0.0.1:{port}/v1", max_retries=0)
    with pytest.raises(RagError, match=f"127.0.0.1:{port} cannot be reached") as caught:
        reranker.rank(query, hits)
    assert "hidden" not in str(caught.value)


def test_what_an_option_is_refused_for_is_left_out(endpoint, query, hits):
    endpoint.script = CASES["400 knows no option"].script
    OpenAIReranker("gpt-4o").rank(query, hits)
    options = {"response_format", "max_completion_tokens"}
    assert [set(request["json"]) & options for request in endpoint.requests] == [
        options,
        {"max_completion_tokens"},
        set(),
    ]


def test_a_truncated_reason_says_so(endpoint, query, hits):
    endpoint.script = CASES["truncated behind the ranking"].script
    assert OpenAIReranker("gpt-4o").rank(query, hits).reason == "It … (cut off)"


def test_a_key_that_the_server_repeats_is_not_passed_on(endpoint, query, hits):
    endpoint.script = [(200, structured([26, 47, 83], f"Your key is {SECRET}."))]
    ranking = OpenAIReranker("gpt-4o").rank(query, hits)
    assert ranking.reason == "Your key is ***." and SECRET not in json.dumps(dict(ranking.usage))
