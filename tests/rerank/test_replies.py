import json
import os
import subprocess
import sys
import threading

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query
from rag_lib.rerank import load_reranker
from rag_lib.rerank.openai import OpenAIReranker
from rag_lib.rerank.replies import Replies

SECRET = "sk-test-VERYSECRET0123456789"
REQUEST = {"model": "m", "messages": ["é"]}


@pytest.fixture
def query(picture):
    return Query(picture("red"), "the same in blue")


@pytest.fixture
def replies(tmp_path):
    return Replies(tmp_path / "replies")


@pytest.fixture
def good(server):
    return 200, server.structured([26, 47, 83], "26 is blue.")


def files(replies):
    return sorted(path.name for path in replies.folder.iterdir())


def first(ranking):
    return ranking.best.item.image_id


def test_a_reply_comes_back_as_it_was(replies):
    assert not replies and replies.get(REQUEST) is None
    replies.put(REQUEST, 'é "x"\n')
    assert Replies(replies.folder).get(dict(reversed(REQUEST.items()))) == 'é "x"\n'
    assert len(replies) == 1 and replies.get(REQUEST | {"model": "n"}) is None


def test_the_second_run_asks_nobody_and_needs_no_key(endpoint, good, query, hits, bare):
    endpoint.script = [good]
    asked = load_reranker("gpt-4o").rank(query, hits)
    bare.delenv("OPENAI_API_KEY")
    again = load_reranker("gpt-4o").rank(query, hits)
    assert len(endpoint.requests) == 1
    assert (again.hits, again.reason, again.evidence) == (asked.hits, asked.reason, asked.evidence)
    assert asked.usage["attempts"] == 1 and "cached" not in asked.usage
    assert again.usage["attempts"] == 0 and again.usage["cached"] == 1 and "total_tokens" not in again.usage


def test_the_raw_reply_can_be_looked_at_for_nothing(endpoint, good, query, hits):
    endpoint.script = [good]
    reranker = load_reranker("gpt-4o")
    reranker.rank(query, hits)
    assert json.loads(reranker.inner.reply(query, hits)) == good[1] and len(endpoint.requests) == 1


def test_openai_itself_needs_no_key_while_the_reply_is_kept(good, server, query, hits, bare, replies):
    bare.setenv("OPENAI_API_KEY", SECRET)
    reranker = OpenAIReranker("gpt-4o", replies=replies)
    key = reranker.request(query, hits)
    key |= {"response_format": key["response_format"].model_json_schema(), "endpoint": "https://api.openai.com/v1"}
    replies.put(key, json.dumps(good[1]))
    bare.delenv("OPENAI_API_KEY")
    assert first(OpenAIReranker("gpt-4o", replies=replies).rank(query, hits)) == "id-blue"
    with pytest.raises(RagError, match="OPENAI_API_KEY is not set"):  # another question
        OpenAIReranker("gpt-4o", replies=replies).rank(Query(text="another"), hits)


def test_without_a_kept_reply_a_missing_key_is_told_at_once(bare):
    with pytest.raises(RagError, match="OPENAI_API_KEY is not set"):
        load_reranker("gpt-4o")


def test_whatever_changes_the_answer_is_asked_anew(endpoint, good, query, hits, picture, bare):
    endpoint.script = [good]

    def ask(query, hits, model="gpt-4o", **options):
        load_reranker(model, **options).rank(query, hits)
        return len(endpoint.requests)

    assert ask(query, hits) == 1
    assert ask(Query(query.image, "the same in red"), hits) == 2
    assert ask(Query(picture("blue"), query.text), hits) == 3
    assert ask(query, hits[::-1]) == 4
    assert ask(query, hits, model="gpt-5") == 5
    assert ask(query, hits, base_url=f"{endpoint.root}/other") == 6
    assert ask(query, hits, cache=False) == 7
    assert ask(query, hits) == 7


@pytest.mark.parametrize(
    "bad",
    [
        {"content": "no idea"},
        {"content": None, "refusal": "no"},
        {"content": '{"ranking": [26, 47, 83], "reason": "It', "finish": "length"},
        {"content": '{"ranking": [26], "reason": "It is blue."}'},
        {"content": '{"ranking": [26, 26, 47], "reason": "It is blue."}'},
        {"content": "Ranked list: [26, 83] Reasons: It is blue."},
        {"content": '<think>{"ranking": [26, 47, 83], "reason": "It'},
    ],
)
def test_only_whole_answers_are_kept(endpoint, server, good, query, hits, replies, bad):
    endpoint.script = [(200, server.completion(**bad)), (500, "boom", {"Retry-After": "0.01"}), good]
    for _ in range(2):
        try:
            OpenAIReranker("gpt-4o", replies=replies, max_retries=0).rank(query, hits)
        except RagError:
            pass
        assert not replies
    assert first(OpenAIReranker("gpt-4o", replies=replies).rank(query, hits)) == "id-blue"
    assert len(replies) == 1 and len(endpoint.requests) == 3


def test_what_an_earlier_version_kept_in_part_is_asked_anew(endpoint, server, good, query, hits, replies):
    reranker = OpenAIReranker("gpt-4o", replies=replies)
    key = reranker.request(query, hits) | {"endpoint": endpoint.url}
    key["response_format"] = key["response_format"].model_json_schema()
    replies.put(key, json.dumps(server.structured([47])))
    endpoint.script = [good]
    assert first(reranker.rank(query, hits)) == "id-blue" and json.loads(replies.get(key)) == good[1]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_who_may_read_the_folder_may_read_its_replies(replies, mask, mode):
    before = os.umask(mask)
    try:
        replies.put(REQUEST, "one")
    finally:
        os.umask(before)
    (path,) = replies.folder.iterdir()
    assert path.stat().st_mode & 0o777 == mode


def test_nothing_secret_is_kept(endpoint, server, query, hits, replies, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url.replace("//", "//me:hidden@"))
    endpoint.script = [(200, server.structured([26, 47, 83], f"You are {SECRET}."))]
    OpenAIReranker("gpt-4o", replies=replies).rank(query, hits)
    (kept,) = replies.folder.iterdir()
    assert "VERYSECRET" not in kept.read_text() and "hidden" not in kept.read_text() and "***" in kept.read_text()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data.replace(b"blue", b"best"),
        lambda data: b"\xff\xfe\x00",
        lambda data: b"[1, 2]",
        lambda data: b"[" * 100_000,
        lambda data: b'{"checksum": 1, "reply": 2}',
    ],
)
def test_a_damaged_reply_is_set_aside_and_asked_again(endpoint, good, query, hits, replies, capsys, damage):
    endpoint.script = [good]
    OpenAIReranker("gpt-4o", replies=replies).rank(query, hits)
    (path,) = replies.folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert first(OpenAIReranker("gpt-4o", replies=replies).rank(query, hits)) == "id-blue"
    assert len(endpoint.requests) == 2 and path.read_bytes() == whole
    assert files(replies) == [path.with_suffix(".damaged").name, path.name]
    assert "damaged: it is set aside" in capsys.readouterr().out


def test_what_can_neither_be_read_nor_set_aside_is_asked_again(replies, capsys):
    replies.put(REQUEST, "one")
    (path,) = replies.folder.iterdir()
    path.write_text("damaged")
    (path.with_suffix(".damaged") / "full").mkdir(parents=True)
    assert replies.get(REQUEST) is None and path.read_text() == "damaged" and capsys.readouterr().out == ""
    replies.put(REQUEST, "two")
    assert replies.get(REQUEST) == "two"
    path.unlink()
    path.mkdir()
    assert replies.get(REQUEST) is None and "cannot be read (Is a directory)" in capsys.readouterr().out


def test_a_reply_cannot_answer_another_request(replies):
    replies.put(REQUEST, "one")
    (path,) = replies.folder.iterdir()
    replies.put(REQUEST | {"model": "n"}, "two")
    (other,) = (each for each in replies.folder.iterdir() if each != path)
    path.write_bytes(other.read_bytes())
    assert replies.get(REQUEST) is None


def test_where_nothing_can_be_written_it_is_told_once(endpoint, good, query, hits, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    endpoint.script = [good]
    reranker = OpenAIReranker("gpt-4o", replies=Replies(tmp_path / "file" / "replies"))
    for _ in range(2):
        assert first(reranker.rank(query, hits)) == "id-blue"
    assert capsys.readouterr().out.count("are not kept") == 1 and len(endpoint.requests) == 2


def test_a_full_disk_leaves_no_half_file(replies, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    replies.put(REQUEST, "old")
    monkeypatch.setattr(os, "replace", full)
    replies.put(REQUEST, "new")
    assert replies.get(REQUEST) == "old" and len(files(replies)) == 1
    assert "No space left on device" in capsys.readouterr().out


WRITER = """
import sys
from rag_lib.rerank.replies import Replies
replies = Replies(sys.argv[1])
print("ready", flush=True)
for turn in range(5000):  # ends by itself if the test is killed
    replies.put({"turn": turn % 3}, f"{turn % 3} " * 20_000)
"""


def test_killed_writers_leave_whole_replies(replies):
    """Two processes write the same three replies over and over and are killed in the midst of it, with readers."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(replies.folder)], stdout=subprocess.PIPE) for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"ready\n"
        deadline = threading.Event()
        while len(replies) < 3 and not deadline.wait(0.01):
            pass
        for turn in range(60):
            assert replies.get({"turn": turn % 3}) == f"{turn % 3} " * 20_000
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()
    assert [replies.get({"turn": turn}) for turn in range(3)] == [f"{turn} " * 20_000 for turn in range(3)]


@pytest.mark.parametrize("model", ["../../etc/x", "a/b:c", ".hidden", "x" * 300, "gpt 4o"])
def test_a_models_name_is_no_path(model, bare, tmp_path):
    replies = Replies.of_model(model)
    replies.put(REQUEST, "x")
    assert replies.folder.resolve().parent == (tmp_path / "home" / "data" / "replies").resolve()
    assert replies.get(REQUEST) == "x"
