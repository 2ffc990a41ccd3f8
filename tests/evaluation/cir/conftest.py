"""Tiny data sets in the official layouts, and an encoder whose every ranking is known.

Picture number n is a gray square; its embedding is the point at 10 n degrees on the unit circle. A text is read as the
angle of the composed query, "35" or "35 and 35"; the text alone lands on the far side. So a ranking is an order of
angular distances, and every figure can be worked out by hand.
"""

import json
import re

import numpy as np
import pytest
from PIL import Image

from rag_lib.encoders.base import Encoder
from rag_lib.images import open_image


class CircleEncoder(Encoder):
    name, fingerprint, dim = "circle", "0", 2

    def prepare(self, source):
        return round(np.asarray(open_image(source)).mean() / 8)

    def embed_images(self, prepared):
        return points([10 * number for number in prepared])

    def embed_queries(self, prepared, texts):
        if prepared is None:
            return points([angle(text) + 180 for text in texts])
        return points([angle(text) if text else 10 * number for number, text in zip(prepared, texts, strict=True)])


def angle(text):
    return float(re.findall(r"\d+", text)[-1])


def points(degrees):
    radians = np.radians(np.array(degrees, dtype=float))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


@pytest.fixture
def encoder():
    return CircleEncoder()


@pytest.fixture
def write():
    """(path, content) -> the file: JSON, or for a whole number the picture of that number."""

    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            Image.new("RGB", (8, 8), (8 * content,) * 3).save(path)
        else:
            path.write_text(json.dumps(content))
        return path

    return write


def cirr_query(pairid, reference, text, target, members):
    query = {
        "pairid": pairid,
        "reference": reference,
        "target_hard": target,
        "target_soft": {target: 1.0},
        "caption": text,
        "img_set": {"id": 0, "members": members, "reference_rank": 0, "target_rank": 1},
    }
    return {key: value for key, value in query.items() if target or not key.startswith("target")}


@pytest.fixture
def cirr(tmp_path, write):
    """Ten pictures dev-0 .. dev-9 at 0 .. 90 degrees, and two queries:

    1: reference dev-0 at 0, composed at 1, target dev-1 at 10: first is the reference, second the target.
    2: reference dev-5, composed at 68, target dev-9: 7, 6, 8, 5 (the reference), 9: rank 5, without the reference 4;
       of the other members 7, 8, 9, 4, 1 it is the third.
    """
    root = tmp_path / "cirr"
    names = [f"dev-{n}" for n in range(10)]
    queries = [
        cirr_query(1, "dev-0", "1", "dev-1", ["dev-0", "dev-1", "dev-2", "dev-3", "dev-4", "dev-5"]),
        cirr_query(2, "dev-5", "68", "dev-9", ["dev-5", "dev-9", "dev-8", "dev-7", "dev-4", "dev-1"]),
    ]
    write(root / "captions/cap.rc2.val.json", queries)
    write(root / "image_splits/split.rc2.val.json", {name: f"./dev/{name}.png" for name in names})
    for number, name in enumerate(names):
        write(root / f"img_raw/dev/{name}.png", number)
    hidden = [cirr_query(7, "test1-3", "42", None, [f"test1-{n}" for n in (3, 0, 5, 4, 8, 9)])]
    write(root / "captions/cap.rc2.test1.json", hidden)
    write(root / "image_splits/split.rc2.test1.json", {f"test1-{n}": f"./test1/test1-{n}.png" for n in range(10)})
    for number in range(10):
        write(root / f"img_raw/test1/test1-{number}.png", number)
    write(root / "image_splits/split.rc2.train.json", {f"train-{n}": f"./train/3/train-{n}.png" for n in (20, 21)})
    for number in (20, 21):
        write(root / f"img_raw/train/3/train-{number}.png", number)
    return root


@pytest.fixture
def fashioniq(tmp_path, write):
    """Pictures D0 .. D19 (dress), S0 .. (shirt), T0 .. (toptee) at 0 .. 190 degrees, one query a category.

    Dress: at 12, D1 and then the target D2. Shirt: at 79, the target S19 at 190 is the last of twenty. Toptee: at 30,
    the reference T3 and the target T3x are alike, and T3 has the lower id. So the ranks are 2, 20 and 2.
    """
    root = tmp_path / "fashion-iq"
    queries = {"dress": ("D5", "D2", "12"), "shirt": ("S0", "S19", "79"), "toptee": ("T3", "T3x", "30")}
    for category, (reference, target, text) in queries.items():
        ids = [f"{category[0].upper()}{n}" for n in range(20)] + (["T3x"] if category == "toptee" else [])
        entry = {"target": target, "candidate": reference, "captions": [f"is at {text}.", f" turned to {text} "]}
        write(root / f"captions/cap.{category}.val.json", [entry])
        write(root / f"image_splits/split.{category}.val.json", ids)
        write(root / f"image_splits/split.{category}.train.json", ["D0", f"{category}-train"])
        write(root / f"image_splits/split.{category}.test.json", [f"{category}-test"])
        for each in ids:
            write(root / f"images/{each}.jpg", int(re.search(r"\d+", each).group()))
        for each in (f"{category}-train", f"{category}-test"):
            write(root / f"images/{each}.png", 30)
    return root


@pytest.fixture
def circo(tmp_path, write):
    """COCO pictures 100 .. 111 at 0 .. 110 degrees, and two queries with several ground truths; see test_circo."""
    root = tmp_path / "CIRCO"
    files = [{"id": 100 + n, "file_name": f"{100 + n:012}.jpg"} for n in range(12)]
    write(root / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json", {"info": {}, "images": files})
    for number, file in enumerate(files):
        write(root / "COCO2017_unlabeled/unlabeled2017" / file["file_name"], number)

    def query(number, reference, text, **truth):
        shared = f"thing number {number}"
        return dict(id=number, reference_img_id=reference, relative_caption=text, shared_concept=shared) | truth

    aspects = ["addition", "negation"]
    val = [
        query(0, 100, "21", target_img_id=103, gt_img_ids=[103, 102, 106], semantic_aspects=aspects),
        query(1, 111, "109", target_img_id=110, gt_img_ids=[110], semantic_aspects=aspects[:1]),
    ]
    write(root / "annotations/val.json", val)
    write(root / "annotations/test.json", [query(0, 104, "62"), query(1, 107, "0")])
    return root
