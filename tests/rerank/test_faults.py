"""Every way in which a model or the way to it can fail, over real HTTP: each ends in a permutation or one sentence.

Three candidates are shown, red, green and blue, labelled 47, 83 and 26; a good answer here puts blue first.
"""

import base64
import html
import json
import re
import runpy
import socket
import time
import unicodedata
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query
from rag_lib.rerank import load_reranker, sending
from rag_lib.rerank.openai import OpenAIReranker
from rag_lib.rerank.replies import Replies
from rag_lib.rerank.secrets import conceal

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


UNKNOWN = (422, {"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs are not permitted"}]})
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
        "400 knows no bound": Fault(
            [failing(400, "no max_completion_tokens"), failing(400, "max_tokens is too large: 4096"), GOOD],
            BLUE_FIRST,
            3,
        ),
        "400 no structured outputs": Fault([failing(400, "Structured outputs are not supported"), GOOD], BLUE_FIRST, 2),
        "400 no guided decoding": Fault([failing(400, "Guided decoding is off"), GOOD], BLUE_FIRST, 2),
        "400 no grammar": Fault([failing(400, "failed to parse grammar"), GOOD], BLUE_FIRST, 2),
        "422 an unknown field": Fault([UNKNOWN, GOOD], BLUE_FIRST, 2),
        "500 no grammar": Fault([failing(500, "xgrammar: unsupported")] * 2 + [GOOD], BLUE_FIRST, 3),
        "400 for ever": Fault([failing(400, "response_format, max_completion_tokens")], r"status 400", 3),
        "400 in all words for ever": Fault([failing(400, "json_schema, max_completion_tokens, max_tokens")], "400", 4),
        "400 of FastAPI": Fault(
            [(400, {"detail": "The queue is full"})], r"It said: The queue is full\. Change that, choose another model"
        ),
        "422 of FastAPI": Fault(
            [(422, {"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]})], "messages: Field required"
        ),
        "400 without words": Fault([(400, "")], r"\(status 400\)\. Choose a model that takes pictures"),
        "400 too small a context": Fault(
            [failing(400, "This model's maximum context length is 1024 tokens, you requested 5201.")],
            r"^The context of gpt-4o at the server.*too small.*5201\. Start the server with a larger context, lower",
        ),
        "500 too small a context": Fault(
            [failing(500, "the request exceeds the available context size")], "too small.*status 500.*larger context", 2
        ),
        "408 once": Fault([failing(408, "too slow"), GOOD], BLUE_FIRST, 2),
        "408 for ever": Fault([failing(408, "too slow")], r"\(status 408\).*too slow", 2),
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
        "FastAPI's error with status 200": Fault([(200, {"detail": "busy"})], "answered with an error: busy"),
        "an error with status 200": Fault([(200, {"error": {"message": f"no {SECRET}"}})], r"error: no \*\*\*"),
        "choices of words": Fault([(200, {**completion("x"), "choices": ["x"]})], "empty answer"),
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
        "a call of the older form": Fault(
            saying(None, "function_call", function_call={"name": "rank"}), "called a tool"
        ),
        "a tool call": Fault(saying(None, "tool_calls", **TOOL), "called a tool instead of answering"),
        "truncated before the ranking": Fault(saying('{"ranking": [26, 4', "length"), "cut off before"),
        "truncated behind the ranking": Fault(saying('{"ranking": [26, 47, 83], "reason": "It', "length"), BLUE_FIRST),
        "cut off in a thought": Fault(saying("<think>47 is red", "length"), "in the midst of its thoughts.*max_tokens"),
        "ended in a thought": Fault(saying("<think>[26, 47, 83]?"), "in the midst of its thoughts.*effort"),
        "cut off in a thought apart": Fault(saying(None, "length", reasoning_content="Hm"), "midst of its thoughts"),
        "cut off in a thought of another name": Fault(saying(None, "length", reasoning="Hm"), "midst of its thoughts"),
        "thought, then cut off before": Fault(saying("Well,", "length", reasoning_content="Hm"), "cut off before"),
        "thought, then cut off behind": Fault(
            saying('{"ranking": [26, 47, 83], "rea', "length", reasoning_content="Hm"), BLUE_FIRST
        ),
        "a thought and a draft": Fault(
            saying('<think>{"ranking": [47, 83, 26]}</think>{"ranking": [26, 47, 83], "reason": "Blue."}'), BLUE_FIRST
        ),
        "only chatter": Fault(saying("What lovely pictures!"), "no ranking of the 3.*: What lovely pictures! Try"),
        "prose around the list": Fault(saying("Sure! [26, 47, 83] it is, as 26 is blue."), BLUE_FIRST),
        "prose around the JSON": Fault(saying('Sure! {"ranking": ["26", "#47", 83]} Anything else?'), BLUE_FIRST),
        "fenced JSON": Fault(saying('```json\n{"ranking": [26, 47, 83], "reason": "Blue."}\n```'), BLUE_FIRST),
        "malformed JSON": Fault(saying("{'ranking': [26, 47, 83], 'reason': 'Blue'"), BLUE_FIRST),
        "the text form": Fault(saying("Ranked list: [26, 47, 83]  Reasons: Blue."), BLUE_FIRST),
        "content in parts": Fault(saying([{"type": "text", "text": "Ranked list: [26, 47, 83]"}]), BLUE_FIRST),
        "content in odd parts": Fault(saying(["Sure", 3, None, {"text": "Ranked list: [26, 47, 83]"}]), BLUE_FIRST),
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
    """What waits as the server asked, longer than the whole question may take, must not ask on."""
    monkeypatch.setattr(sending, "SLACK", -0.6)
    endpoint.script = [failing(429, "wait", {"Retry-After": "1.2"}), GOOD]
    with pytest.raises(RagError, match="had not finished its answer after 0.8 s"):
        OpenAIReranker("gpt-4o", timeout=1, max_retries=1).rank(query, hits)
    time.sleep(0.8)  # beyond the server's 1.2 s
    assert len(endpoint.requests) == 1


def test_a_refused_connection(query, hits, bare):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    reranker = OpenAIReranker("gpt-4o", base_url=f"http://me:hidden@127.0.0.1:{port}/v1", max_retries=0)
    with pytest.raises(RagError, match=f"127.0.0.1:{port} cannot be reached") as caught:
        reranker.rank(query, hits)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("400 knows no option", ["response_format max_completion_tokens", "max_completion_tokens", "max_tokens"]),
        (
            "400 knows no bound",
            ["response_format max_completion_tokens", "response_format max_tokens", "response_format"],
        ),
        ("422 an unknown field", ["response_format max_completion_tokens", "max_completion_tokens"]),
        (
            "400 in all words for ever",
            ["response_format max_completion_tokens", "max_completion_tokens", "max_tokens", ""],
        ),
    ],
)
def test_a_refused_option_is_left_out_or_sent_by_its_older_name(endpoint, query, hits, name, sent):
    endpoint.script = CASES[name].script
    try:
        OpenAIReranker("gpt-4o").rank(query, hits)
    except RagError:
        pass
    options = ("response_format", "max_completion_tokens", "max_tokens")
    bodies = [request["json"] for request in endpoint.requests]
    assert [" ".join(option for option in options if option in body) for body in bodies] == sent
    assert {body.get(option, 4096) for body in bodies for option in options[1:]} == {4096}


def test_what_a_failure_took_is_counted(endpoint, query, hits):
    """A reasoning model that thought until its tokens were used up is paid all the same."""
    counts = {"prompt_tokens": 900, "completion_tokens": 4096, "total_tokens": 4996}
    details = {"completion_tokens_details": {"reasoning_tokens": 4096}}
    endpoint.script = [(200, {**completion("", "length"), "usage": {**counts, **details}})]
    with pytest.raises(RagError, match="midst of its thoughts, so raise max_tokens or lower effort") as caught:
        OpenAIReranker("gpt-4o").rank(query, hits)
    assert caught.value.usage == {"attempts": 1, "reasoning_tokens": 4096, **counts}
    kept = load_reranker("gpt-4o", on_failure="keep", window=2, step=1).rank(query, hits)
    assert kept.usage["total_tokens"] == 4996 and kept.usage["reasoning_tokens"] == 4096


def test_a_failure_of_the_second_window_counts_the_first(endpoint, query, hits):
    endpoint.script = [(200, structured([47, 83])), (200, completion("no idea"))]
    with pytest.raises(RagError, match="no ranking of the 2") as caught:
        load_reranker("gpt-4o", window=2, step=1).rank(query, hits)
    assert caught.value.usage["attempts"] == 2 and caught.value.usage["total_tokens"] == 2 * 940


def test_a_truncated_reason_says_so(endpoint, query, hits):
    endpoint.script = CASES["truncated behind the ranking"].script
    assert OpenAIReranker("gpt-4o").rank(query, hits).reason == "It … (cut off)"


DISGUISES = {
    "plain": SECRET,
    "escaped": "".join(f"\\u{ord(letter):04x}" for letter in SECRET),
    "escaped in part": SECRET.replace("s", "\\u0073").replace("V", "\\U0056"),
    "its dashes spaced": SECRET.replace("-", " - "),
    "other dashes": SECRET.replace("-", "\u2011"),
    "every letter spaced": " ".join(SECRET),
    "letters with nothing between": "\u200b".join(SECRET),
    "without its beginning": SECRET.removeprefix("sk-"),
    "its end alone": SECRET[-12:],
    "its beginning, masked": f"{SECRET[:14]}******",
    "coded for an address": "".join(f"%{ord(letter):02X}" for letter in SECRET),
    "coded twice": "".join(f"%25{ord(letter):02x}" for letter in SECRET),
    "as of a web page": "".join(f"&#{ord(letter)};" for letter in SECRET),
    "in hex": SECRET.encode().hex(),
    "in other letters": SECRET.swapcase(),
    "in wide letters": "".join(chr(ord(letter) + 0xFEE0) if letter.isalnum() else letter for letter in SECRET),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 of a header": base64.b64encode(f"Bearer {SECRET}\n".encode()).decode(),
    "base64 with a user": base64.urlsafe_b64encode(f"me:{SECRET}".encode()).decode(),
}


def holds_the_key(text):
    """Whether a reader could put the key, or half of it, together again."""
    text = unicodedata.normalize("NFKC", html.unescape(urllib.parse.unquote(urllib.parse.unquote(text))))
    text = re.sub(r"\\+[uU]00([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)
    readable = [text]
    for word in re.findall(r"[A-Za-z0-9+/_-]{12,}", text):
        for start in range(4):
            whole = word[start : start + (len(word) - start) // 4 * 4]
            readable.append(base64.b64decode(whole, "-_").decode("latin-1"))
    readable += [bytes.fromhex(word).decode("latin-1") for word in re.findall(r"\b(?:[0-9a-f]{2}){6,}\b", text)]
    halves = ("verysecret", "123456789", "testvery")
    return any(half in "".join(filter(str.isalnum, each)).lower() for each in readable for half in halves)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_key_is_found_in_every_disguise_before_a_reply_is_decoded_and_after(disguise):
    told = f"Your key is {DISGUISES[disguise]}"
    assert holds_the_key(told)
    reply = json.dumps(structured([26, 47, 83], told))
    escaped = reply.replace("sk-test", "\\u0073k-test").replace("VERY", "\\u0056ERY")
    for text in (told, reply, escaped, json.dumps(structured([26], told), ensure_ascii=False)):
        hidden = conceal(text, SECRET)
        assert "***" in hidden and not holds_the_key(hidden)
    assert conceal(told, SECRET).startswith("Your key is ")


@pytest.mark.parametrize("disguise", ["plain", "escaped in part", "base64 of a header"])
def test_a_key_that_the_server_repeats_is_not_passed_on(endpoint, query, hits, tmp_path, disguise):
    told = f"Your key is {DISGUISES[disguise]}"
    assert holds_the_key(told)
    reply = structured([26, 47, 83], told, [{"number": 26, "keeps": [told]}])
    escaped = json.dumps(reply).replace("sk-test", "\\u0073k-test").replace("VERY", "\\u0056ERY")
    for body in (reply, escaped, json.dumps(reply, ensure_ascii=False)):
        endpoint.script, replies = [(200, body)], Replies(tmp_path / "replies")
        ranking = OpenAIReranker("gpt-4o", replies=replies).rank(query, hits)
        for text in (ranking.reason, *ranking.evidence["id-blue"].keeps):
            assert text.startswith("Your key is ") and "***" in text and not holds_the_key(text)
        (kept,) = replies.folder.iterdir()
        assert "***" in kept.read_text() and not holds_the_key(kept.read_text())
        kept.unlink()
    told = told.replace("'", "")
    for step in (
        failing(500, told),
        (422, {"detail": told}),
        (200, completion(told)),
        (200, completion([{"text": told}])),
    ):
        endpoint.script = [step]
        with pytest.raises(RagError, match="Your key is") as caught:
            OpenAIReranker("gpt-4o", max_retries=0).rank(query, hits)
        assert not holds_the_key(str(caught.value))


def test_a_key_in_pieces_is_found_where_they_are_put_together(endpoint, query, hits):
    pieces = [{"type": "text", "text": text} for text in ('{"ranking": [26, 47, 83], "reason": "sk-test', 'VERYSEC"}')]
    endpoint.script = [(200, completion(pieces))]
    assert OpenAIReranker("gpt-4o").rank(query, hits).reason == "***"
    endpoint.script = [(200, completion([{"text": text} for text in ("Your key: sk-test", "VERYSEC")]))]
    with pytest.raises(RagError, match=r"Your key: \*\*\*") as caught:
        OpenAIReranker("gpt-4o").rank(query, hits)
    assert "VERYSEC" not in str(caught.value)


def test_words_that_are_like_no_key_stay(endpoint, query, hits, monkeypatch):
    told = "A test of a very good phone case: 26 is blue \u2013 as asked. C:\\new, 100%25, \u0073o."
    for key in (SECRET, "none", "EMPTY", "phone"):  # what is short is a word
        monkeypatch.setenv("OPENAI_API_KEY", key)
        endpoint.script = [(200, structured([26, 47, 83], told))]
        assert OpenAIReranker("gpt-4o").rank(query, hits).reason == told.replace("26 is", "3 is")
