"""The whole path of picture, base64, HTTP, schema and parse, with a model at its end that really looks.

The server cuts up the panorama that it was sent, ranks the pieces with the pocket reranker and answers by schema.
"""

import numpy as np
from PIL import Image

from rag_lib.catalog.drawing import draw_product, draw_query_picture
from rag_lib.encoders import load_encoder
from rag_lib.records import Hit, Item, Query
from rag_lib.rerank import load_reranker

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


def test_what_the_model_sees_over_the_wire_is_what_the_pocket_reranker_sees_here(endpoint, server, tmp_path):
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
    endpoint.script = [server.Eye(pocket, model)]
    there = load_reranker("gpt-4o").rank(query, hits)

    assert here.best.item.image_id == "phone case leopard natural"
    assert there.best == here.best and there.repairs == {}
    assert there.reason == f"Number {here.best.rank} fits best."
    assert there.evidence[here.best.item.image_id] == here.evidence[here.best.item.image_id]
    assert len(there.evidence) == 9 and len(endpoint.requests) == 1
    places = {hit.rank: place for place, hit in enumerate(here.hits)}
    moved = [abs(places[hit.rank] - place) for place, hit in enumerate(there.hits)]
    assert np.mean(moved) < 1.5, "a labelled thumbnail should read much like the picture itself"
