"""The whole path of picture, base64, HTTP, schema and parse, with a model at its end that really looks."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from rag_lib.drawn.drawing import draw_product, draw_query_picture
from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError
from rag_lib.records import Hit, Item, Query
from rag_lib.rerank import load_reranker
from rag_lib.rerank.labels import LABELS
from rag_lib.rerank.loopback import Eye, LocalEndpoint, read_request
from rag_lib.rerank.openai import OpenAIReranker

LOOKS = [
    ("phone case", "leopard", "natural"),
    ("phone case", "zebra", "natural"),
    ("phone case", "plain", "red"),
    ("toaster", "leopard", "natural"),
    ("lamp", "leopard", "natural"),
    ("camera", "plain", "blue"),
    ("kettle", "leopard", "natural"),
    ("phone case", "plain", "green"),
    ("toaster", "plain", "red"),
]


def test_what_the_model_sees_over_the_wire_is_what_the_pocket_reranker_sees_here(bare, tmp_path):
    model, pocket = load_encoder("pocket"), load_reranker("pocket")
    paths = []
    for place, look in enumerate(LOOKS):
        paths.append(tmp_path / f"{place}.jpg")
        Image.fromarray(draw_product(np.random.default_rng(place), *look)).save(paths[-1], quality=90)
    query = Query(
        Image.fromarray(draw_query_picture(np.random.default_rng(7), "leopard", "natural", "animal")),
        "phone case with this image theme",
    )
    cosines = model.encode_images(paths, progress=False).vectors @ model.encode_query(query.image, query.text)
    # The nearest is put last, where a model that repeats the order of the panorama would never find it.
    hits = [
        Hit(rank, float(cosines[place]), Item(" ".join(LOOKS[place]), paths[place]))
        for rank, place in enumerate(np.argsort(-cosines).tolist(), 1)
    ][::-1]

    here = pocket.rank(query, hits)
    with LocalEndpoint(Eye(pocket, model)) as local:
        there = load_reranker("pocket-eye", base_url=local.url).rank(query, hits)

    assert here.best.item.image_id == "phone case leopard natural"
    assert there.best == here.best and there.repairs == {}
    assert there.reason.startswith(f"Number {here.best.rank} fits best: ")
    assert there.evidence[here.best.item.image_id] == here.evidence[here.best.item.image_id]
    assert len(there.evidence) == 9 and there.usage["attempts"] == 1
    places = {hit.rank: place for place, hit in enumerate(here.hits)}
    moved = [abs(places[hit.rank] - place) for place, hit in enumerate(there.hits)]
    assert np.mean(moved) < 1.5, "a labelled thumbnail should read much like the picture itself"


def first_is_last(request):
    """An answer that turns the panorama's order around."""
    return json.dumps({"ranking": list(read_request(request).tiles)[::-1], "reason": "", "evidence": []})


def test_a_request_is_cut_up_into_what_was_put_in(bare, hits):
    query = Query(hits[0].item.path, 'the "same" in blue')
    request = OpenAIReranker("m", base_url="http://127.0.0.1:9").request(query, hits)
    text, image, tiles = read_request(request)
    assert text == 'the "same" in blue' and list(tiles) == list(LABELS[:3])
    for picture, channel in zip((image, *tiles.values()), (0, 0, 1, 2), strict=True):
        pixel = picture.getpixel((picture.width // 2, picture.height // 2))
        assert max(range(3), key=pixel.__getitem__) == channel


@pytest.mark.parametrize("query", [Query(text="blue"), Query(image=Image.new("RGB", (30, 30)))])
def test_a_request_of_one_half_lacks_the_other(bare, hits, query):
    request = OpenAIReranker("m", base_url="http://127.0.0.1:9").request(query, hits[:1])
    text, image, tiles = read_request(request)
    assert text == query.text and (image is None) == (query.image is None) and list(tiles) == [LABELS[0]]


def test_a_picture_that_is_not_the_prompts_is_refused(bare, hits):
    model = OpenAIReranker("m", base_url="http://127.0.0.1:9")
    request, other = (model.request(Query(text="x"), hits[:n]) for n in (3, 1))
    request["messages"][0]["content"][1] = other["messages"][0]["content"][1]
    with pytest.raises(ValueError, match="a panorama of 3 candidates"):
        read_request(request)


def test_any_function_may_answer(bare, hits):
    with LocalEndpoint(first_is_last) as local:
        ranking = load_reranker("m", base_url=local.url, cache=False).rank(Query(text="x"), hits)
    assert [hit.rank for hit in ranking.hits] == [3, 2, 1]


def test_a_function_that_raises_is_told_by_the_server(bare, hits):
    def fails(request):
        raise KeyError("the left eye")

    with LocalEndpoint(fails) as local, pytest.raises(RagError, match="status 500.*KeyError: 'the left eye'"):
        OpenAIReranker("m", base_url=local.url, max_retries=0).rank(Query(text="x"), hits)


def test_a_stopped_server_is_not_reached(bare, hits):
    with LocalEndpoint(first_is_last) as local:
        pass
    with pytest.raises(RagError, match="cannot be reached"):
        OpenAIReranker("m", base_url=local.url, max_retries=0).rank(Query(text="x"), hits)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_is_not_asked_for_this_machine(bare, hits, host):
    for name in [name for name in os.environ if name.upper() in ("NO_PROXY", "ALL_PROXY")]:
        bare.delenv(name)
    for name in ("HTTP_PROXY", "http_proxy"):
        bare.setenv(name, "http://127.0.0.1:9")
    with LocalEndpoint(first_is_last) as local:
        url = local.url.replace("127.0.0.1", host)
        assert OpenAIReranker("m", base_url=url, max_retries=0).rank(Query(text="x"), hits).best.rank == 3
