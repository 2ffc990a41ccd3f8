"""The app's HTTP API, and what it must not give away."""

import json
import re
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import gradio
import httpx
import pytest
from gradio_client.exceptions import AppError

from rag_lib.collection import Collection

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = {"meta": {"_type": "gradio.FileData"}}  # makes gradio take a "path" for a file
# What `/ask` takes, and what it is if it is not given.
ARGUMENTS = {"image": None, "text": "", "words": 0.5, "without": "", "title": "", "category": None, "price": None}
ARGUMENTS |= {"crop": None, "limit": 3, "rerank": False, "catalog": "", "encoder": "", "reranker": "", "milvus_uri": ""}
REST = ["lamp", *list(ARGUMENTS.values())[2:]]


@pytest.fixture
def leopard(home):
    return home / "pictures" / "query" / "leopard.jpg"


def test_a_composed_query_is_answered_and_reranked(ask, leopard):
    answer = ask(leopard, text="phone case with this image theme", limit=5, rerank=True)
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3, 4, 5]
    assert answer["hits"][0]["title"] == "leopard phone case"
    assert answer["ranking"]["winner"]["title"] == "leopard phone case"
    assert sorted(answer["ranking"]["order"]) == [1, 2, 3, 4, 5]
    assert answer["panorama"].startswith("data:image/jpeg;base64,")
    assert set(answer["alone"]) == {"the picture alone", "the words alone"}
    assert answer["parts"] == {
        "catalog": "pictures", "encoder": "pocket", "reranker": "pocket", "milvus_uri": "data/milvus.db"
    }  # fmt: skip


def test_a_photograph_is_said_to_be_one(ask, home, leopard, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(home))
    cheetah = Path(gradio.__file__).parent / "media_assets" / "images" / "cheetah1.jpg"
    answer = ask(cheetah, text="phone case with this image theme", rerank=True)
    assert "Your picture is a photograph, read as: leopard." in answer["notes"]
    assert answer["hits"][0]["title"] == answer["ranking"]["winner"]["title"] == "leopard phone case"
    for picture, text in ((leopard, "lamp"), (cheetah, "")):  # a drawing; what is like the picture itself
        assert not any("photograph" in note for note in ask(picture, text=text, limit=1)["notes"])


def test_an_answer_names_no_folder_of_the_machine(ask, home, leopard):
    assert str(home) not in json.dumps(ask(leopard, text="lamp", rerank=True))


def test_words_move_the_query_from_the_picture_to_the_words(ask, leopard):
    picture = ask(leopard, text="zebra lamp", words=0, limit=1)
    words = ask(leopard, text="zebra lamp", words=1, limit=1)
    assert picture["hits"][0]["metadata"]["theme"] == "leopard"
    assert words["hits"][0]["title"] == "zebra lamp"


def test_what_is_not_wanted_sinks(ask):
    def themes(**options):
        return [hit["metadata"]["theme"] for hit in ask(text="toaster", limit=20, **options)["hits"]]

    assert themes(without="zebra").index("zebra") > themes().index("zebra")


def test_hybrid_search_finds_the_words_in_titles(ask, leopard):
    def named(**options):
        found = ask(leopard, text="toaster", words=0, limit=3, **options)["hits"]
        return sum("brick" in hit["title"] for hit in found)

    assert named(title="brick") > named()


def test_filters_hold_for_all_that_is_found(ask, leopard):
    answer = ask(leopard, text="lamp", category=["toaster", "lamp"], price=[16, None], limit=20)
    found = [*answer["hits"], *answer["alone"]["the picture alone"]]
    assert {hit["metadata"]["category"] for hit in found} <= {"toaster", "lamp"}
    assert min(hit["metadata"]["price"] for hit in found) >= 16


def test_a_filter_is_a_value_and_never_code(ask):
    with pytest.raises(AppError, match="The catalog has no category 'lamp\" or price"):
        ask(text="lamp", category=['lamp" or price > 0 or title == "'])


def test_one_category_may_stand_alone(ask):
    assert {hit["metadata"]["category"] for hit in ask(text="lamp", category="toaster")["hits"]} == {"toaster"}


def test_a_crop_is_what_is_searched_for(ask, leopard):
    assert ask(leopard, text="lamp", crop=[0, 0.5, 0.5, 1])["query"]["picture"] == [80, 80]


def test_it_says_which_words_it_does_not_know(ask, leopard):
    assert "bicycle" in ask(leopard, text="bicycle in this style")["notes"][0]
    assert ask(leopard, text="lamp in this style", title="lamp")["notes"] == []
    [unfound] = ask(leopard, text="lamp in this style", title="红色手机壳")["notes"]
    assert unfound == "No title that was searched holds a word of '红色手机壳': it changed nothing."
    [cut] = ask(leopard, text="a nice lamp for the kitchen please and " * 12 + "a toaster")["notes"]
    assert 'from "please" on, word 95 of 98, it is not read' in cut


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({}, "The query is empty"),
        ({"text": "  "}, "The query is empty"),
        ({"text": "lamp", "words": 2}, "words is 2"),
        ({"text": "lamp", "words": "many"}, "words is 'many'"),
        ({"text": "lamp", "limit": 0}, "limit is 0"),
        ({"text": "lamp", "limit": 2.5}, "limit is 2.5"),
        ({"text": "lamp", "price": [30, 10]}, "put the lower one first"),
        ({"text": "lamp", "words": float("nan")}, "words is nan: give a number"),
        ({"text": "lamp", "words": 10**400}, "words is 10"),
        ({"text": "lamp", "limit": float("inf")}, "limit is inf: give a whole number"),
        ({"text": "lamp", "limit": 10**400}, "limit is 10"),
        ({"text": "lamp", "limit": True}, "limit is True"),
        ({"text": "lamp", "price": [float("-inf"), 3]}, "price is -inf: give a range"),
        ({"text": "lamp", "price": [None, 10**400]}, "price is 10"),
        ({"text": "lamp", "price": "12"}, "price is '12'"),
        ({"text": "lamp", "crop": [0, 0, 10**400, 1], "image": "leopard"}, "The crop is no box"),
        ({"text": "lamp", "category": "toasterr"}, "no category 'toasterr'. Did you mean 'toaster'?"),
        ({"text": "lamp", "category": ["lamp", 7]}, "category is 7: give a list of the catalog's categories"),
        ({"text": "lamp", "category": {"lamp": 1}}, "category is {'lamp': 1}"),
        ({"text": "half an emoji \ud83d"}, r"text is 'half an emoji \\ud83d': give a text"),
        ({"text": "lamp", "without": "\ud83d"}, r"without is '\\ud83d'"),
        ({"text": "lamp", "category": "\ud83d"}, r"category is '\\ud83d'"),
        ({"text": "lamp", "encoder": "\ud83d"}, r"encoder is '\\ud83d'"),
        ({"text": "lamp", "catalog": ["pictures"]}, r"catalog is \['pictures'\]: give the name of one that is offered"),
        ({"text": "lamp", "rerank": "yes"}, "rerank is 'yes': give true or false"),
        ({"text": "lamp", "image": 7}, "not here any more"),
        ({"text": "lamp", "price": [1]}, r"price is \[1\]: give a range"),
        ({"text": "x" * 501}, "at most 500"),
        ({"text": 7}, "text is 7"),
        ({"text": "lamp", "title": True}, "title is True"),
        ({"text": "lamp", "title": "x" * 501}, "at most 500"),
        ({"text": "lamp", "catalog": "/etc"}, "does not offer the catalog"),
        ({"text": "lamp", "milvus_uri": "http://10.0.0.1:19530"}, "does not offer the milvus_uri"),
        ({"text": "lamp", "encoder": "../weights"}, "does not offer the encoder"),
        ({"text": "lamp", "rerank": True, "reranker": "gpt-5"}, "does not offer the reranker"),
        ({"text": "lamp", "rerank": True, "reranker": "gpt-4o"}, "The reranker cannot be loaded just now"),
    ],
)
def test_a_mistake_is_a_sentence_and_the_next_query_works(url, upload, ask, leopard, options, sentence):
    """As any program may send it: Python's JSON holds infinities, and halves of signs."""
    if options.get("image") == "leopard":
        options = {**options, "image": {"path": upload(url, leopard), **FILE}}
    said = call(url, [options.get(name, value) for name, value in ARGUMENTS.items()])
    assert "event: error" in said and "Something went wrong" not in said
    assert re.search(sentence, json.loads(said.split("data: ")[1])["error"]), said
    assert ask(text="lamp", limit=1)["hits"]


def test_a_file_that_is_no_picture_is_refused(ask, tmp_path):
    bad = tmp_path / "photo.jpg"
    bad.write_bytes(b"\xff\xd8\xff but nothing more")
    with pytest.raises(AppError, match="This picture cannot be used"):
        ask(bad, text="lamp")


def test_a_crop_outside_of_the_picture_is_refused(ask, leopard):
    with pytest.raises(AppError, match="does not lie inside"):
        ask(leopard, text="lamp", crop=[0.5, 0, 0.2, 1])


def test_an_upload_is_asked_about_by_its_path(url, upload, leopard):
    """What the next three tests vary."""
    said = call(url, [{"path": upload(url, leopard), **FILE}, *REST])
    assert "event: complete" in said and "leopard lamp" in said


@pytest.mark.parametrize("marked", [{}, FILE], ids=["unmarked", "marked"])
def test_a_path_of_the_server_is_no_upload(url, leopard, marked):
    """A client that names a file of the server instead of uploading one, as only a hostile one does."""
    said = call(url, [{"path": str(leopard), **marked}, *REST])
    assert "event: error" in said and "not here any more" in said and "hits" not in said


@pytest.fixture
def elsewhere():
    """A web server that must not be asked: (address, what it was asked for)."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/photo.jpg", asked
        server.shutdown()


@pytest.mark.parametrize("place", [0, 1, 5], ids=["image", "text", "category"])
def test_no_address_is_fetched_for_a_visitor(url, elsewhere, place):
    address, asked = elsewhere
    values = [None, *REST]
    values[place] = [{"path": address, **FILE}] if place == 5 else {"path": address, **FILE}
    said = call(url, values)
    assert "Nothing is fetched from an address: upload the picture itself." in said and asked == []


def test_no_address_is_fetched_for_the_page(url, elsewhere):
    """The same by the way that the page's own functions are called."""
    address, asked = elsewhere
    for function in httpx.get(f"{url}config", timeout=60).json()["dependencies"]:
        values = [{"path": address, **FILE} for _ in function["inputs"]]
        session = f"hostile{function['id']}"
        body = {"data": values, "fn_index": function["id"], "session_hash": session}
        if httpx.post(f"{url}gradio_api/queue/join", json=body, timeout=60).is_success and values:
            with httpx.stream("GET", f"{url}gradio_api/queue/data?session_hash={session}", timeout=60) as reply:
                said = reply.read().decode()
            assert "Nothing is fetched" in said, function["id"]
    assert asked == []


@pytest.mark.parametrize("name", ["pictures/query/leopard.jpg", "app.log", ROOT / "pyproject.toml", "/etc/hosts"])
def test_no_file_of_the_server_is_served(url, home, name):
    assert (home / name).is_file()
    assert httpx.get(f"{url}gradio_api/file={home / name}", timeout=60).status_code == 403


def test_an_upload_that_is_too_large_is_refused_by_the_server(ask, tmp_path):
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(11 * 2**20))
    with pytest.raises(Exception, match="(?i)size|large|413"):
        ask(large, text="lamp")
    assert ask(text="lamp", limit=1)["hits"]


def test_a_notebook_gets_the_store_and_meanwhile_visitors_are_told(ask, home):
    """The app gives the folder back when nobody asks; while another process holds it, that is a sentence."""
    ask(text="lamp", limit=1)
    with Collection(home / "data" / "milvus.db", "of_a_notebook", dim=4):
        with pytest.raises(AppError, match="The store cannot be opened just now") as told:
            ask(text="lamp")
    assert str(home) not in str(told.value) and "milvus" not in str(told.value)
    assert "milvus.db is in use" in (home / "app.log").read_text(), "the owner is told which"
    assert ask(text="lamp", limit=1)["hits"]


def test_another_catalog_has_an_index_of_its_own(ask):
    found = ask(text="toaster", catalog="lamps", limit=9)
    assert {hit["metadata"]["category"] for hit in found["hits"]} == {"lamp"}
    assert found["parts"]["catalog"] == "lamps"


def test_many_at_once_get_their_own_answers(ask):
    themes = ["leopard", "zebra", "brick"] * 4
    with ThreadPoolExecutor(6) as visitors:
        answers = list(visitors.map(lambda theme: ask(text=f"{theme} toaster", limit=1), themes))
    assert [answer["hits"][0]["metadata"]["theme"] for answer in answers] == themes


def test_the_page_names_no_other_server_to_load_from(url):
    with urllib.request.urlopen(url, timeout=60) as reply:
        page = reply.read().decode()
    assert "fonts.googleapis" not in page and "cdnjs" not in page


def call(url, values):
    """What `/ask` says, as it is sent: lines of `event:` and `data:`."""
    body, kind = json.dumps({"data": values}), {"Content-Type": "application/json"}
    event = httpx.post(f"{url}gradio_api/call/ask", content=body, headers=kind, timeout=60).json()["event_id"]
    return httpx.get(f"{url}gradio_api/call/ask/{event}", timeout=60).text
