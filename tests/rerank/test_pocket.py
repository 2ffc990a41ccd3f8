from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from rag_lib.encoders.pocket.photographs import Look
from rag_lib.encoders.vocabulary import Vocabulary
from rag_lib.errors import RagError
from rag_lib.images import open_image
from rag_lib.records import Evidence, Hit, Item, Query
from rag_lib.rerank.attributes import agreement, compose, confidence, evidence, wishes
from rag_lib.rerank.pocket import PocketReranker

LABELS = {
    "category": ["phone case", "toaster", "earbuds"],
    "theme": ["plain", "stripes", "leopard"],
    "color": ["red", "blue", "natural"],
}
RGB = {"red": (220, 20, 20), "blue": (20, 20, 220), "natural": (200, 150, 60)}


class PixelReader:
    """Reads real pictures: the color from the pixels, stripes from their change, the category from the shape.

    Tall is a phone case, wide a toaster, square earbuds. Tan pixels are natural, and then the theme is leopard.
    A query asks for what its picture shows, unless its text names something else. `vocabulary`: None reads any text.
    """

    labels = LABELS

    def __init__(self, sure=0.99, vocabulary=None):
        self.sure = sure
        self.encoder = SimpleNamespace(vocabulary=vocabulary, photograph=lambda image, text: None)

    def read_images(self, images):
        read = [self._look(open_image(image)) for image in images]
        return {name: np.stack([row[name] for row in read]) for name in LABELS}

    def read_query(self, image, text):
        even = {name: np.full(3, 1 / 3, np.float32) for name in LABELS}
        asked = even if image is None else self._look(open_image(image))
        words = (text or "").split()
        for name, names in LABELS.items():
            for place, label in enumerate(names):
                if label.split()[0] in words:
                    asked = {**asked, name: self._certain(place)}
        return asked

    def _look(self, image):
        pixels = np.asarray(image, np.float32)
        nearest = [np.abs(pixels - RGB[color]).sum(axis=-1).mean() for color in LABELS["color"]]
        color = int(np.argmin(nearest))
        striped = pixels.std(axis=(0, 1)).max() > 20
        theme = 2 if color == 2 else int(striped)
        category = 0 if image.height > image.width else 1 if image.width > image.height else 2
        return {
            "category": self._certain(category),
            "theme": self._certain(theme),
            "color": self._certain(color),
        }

    def _certain(self, place):
        row = np.full(3, (1 - self.sure) / 2, np.float32)
        row[place] = self.sure
        return row


class GuessingReader(PixelReader):
    """Reads a toaster into every text with a word that it does not know, as models with pieces of words do."""

    def read_query(self, image, text):
        asked = super().read_query(image, text)
        return {**asked, "category": self._certain(1)} if self.encoder.vocabulary.unknown(text) else asked


SIZES = {"phone case": (20, 40), "toaster": (40, 20), "earbuds": (30, 30)}


@pytest.fixture
def product(tmp_path):
    """Draw a product: product("toaster", "plain", "red") -> its path."""

    def draw(category, theme, color):
        pixels = np.full((*SIZES[category][::-1], 3), RGB[color], np.uint8)
        if theme == "stripes":
            pixels[::4] = 255
        path = tmp_path / f"{category} {theme} {color}.png"
        Image.fromarray(pixels).save(path)
        return path

    return draw


@pytest.fixture
def gallery(product):
    """Hits in the search's order, one of each look."""
    looks = [
        ("toaster", "leopard", "natural"),
        ("phone case", "plain", "red"),
        ("phone case", "leopard", "natural"),
        ("phone case", "plain", "blue"),
        ("phone case", "stripes", "red"),
    ]
    return [
        Hit(rank, 0.8 - rank / 100, Item(" ".join(look), product(*look), title=" ".join(look).title()))
        for rank, look in enumerate(looks, 1)
    ]


@pytest.fixture
def vocabulary():
    """Of the labels and a few words besides."""
    others = "a the this in with style same".split()
    words = {*others, *" ".join(name for names in LABELS.values() for name in names).split()}
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(["[UNK]", *words])}, "[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    names = {attribute: {name: {name} for name in names} for attribute, names in LABELS.items()}
    return Vocabulary(tokenizer, model="tiny", names=names, others=others)


def best(ranking):
    return ranking.best.item.image_id


def test_the_theme_of_the_picture_on_the_product_of_the_text(gallery, product):
    query = Query(product("earbuds", "leopard", "natural"), "phone case with this image theme")
    ranking = PocketReranker(PixelReader()).rank(query, gallery)
    assert best(ranking) == "phone case leopard natural"
    assert sorted(hit.rank for hit in ranking.hits) == [1, 2, 3, 4, 5]
    assert ranking.evidence[best(ranking)] == Evidence(
        keeps=("the leopard theme of your picture",), changes=("a phone case, as asked",)
    )
    assert ranking.evidence["toaster leopard natural"] == Evidence(
        keeps=("the leopard theme of your picture",), violates=("a toaster, asked for a phone case",)
    )
    assert ranking.reason.startswith(
        'Number 3 ("Phone Case Leopard Natural") fits best: a phone case, as asked; the leopard theme of your picture.'
    )
    assert ranking.repairs == {} and ranking.usage["seconds"] > 0


def test_the_answer_and_the_explanation_turn_with_the_instruction(gallery, product):
    reranker, picture = PocketReranker(PixelReader()), product("phone case", "plain", "red")
    blue, striped = (reranker.rank(Query(picture, text), gallery) for text in ("the same in blue", "with stripes"))
    assert best(blue) == "phone case plain blue" and best(striped) == "phone case stripes red"
    assert "color blue, as asked" in blue.reason and "stripes theme, as asked" in striped.reason
    assert "stripes theme, your picture has plain" in blue.evidence["phone case stripes red"].violates
    assert "color red, asked for blue" in blue.evidence["phone case stripes red"].violates
    assert "the red of your picture" in striped.evidence["phone case stripes red"].keeps
    assert "a phone case, as in your picture" in striped.evidence["phone case stripes red"].keeps


def test_what_no_candidate_has_is_said(gallery, product):
    query = Query(product("earbuds", "plain", "red"), "phone case stripes blue")
    ranking = PocketReranker(PixelReader()).rank(query, gallery)
    assert "It falls short: " in ranking.reason
    assert ranking.evidence[best(ranking)].violates
    only = PocketReranker(PixelReader()).rank(query, gallery[:1])
    assert "does not fit" in only.reason and "natural colors, asked for blue" in only.reason


def test_the_shortcoming_of_the_runner_up_is_named(gallery, product):
    query = Query(product("phone case", "plain", "red"), "in blue")
    ranking = PocketReranker(PixelReader()).rank(query, gallery[1:4:2])
    assert best(ranking) == "phone case plain blue"
    assert ranking.reason.endswith("Number 2 comes second: color red, asked for blue.")


def test_a_natural_theme_pins_no_color(gallery, product):
    query = Query(product("toaster", "leopard", "natural"), None)
    found = PocketReranker(PixelReader()).rank(query, gallery).evidence["phone case plain red"]
    assert found.violates == ("a phone case, your picture has a toaster", "plain theme, your picture has leopard")


def test_text_alone_asks_everything(gallery):
    ranking = PocketReranker(PixelReader()).rank(Query(text="phone case in blue"), gallery)
    assert best(ranking) == "phone case plain blue"
    assert ranking.evidence[best(ranking)] == Evidence(changes=("a phone case, as asked", "color blue, as asked"))


def test_a_query_that_pins_nothing_keeps_the_order(gallery):
    ranking = PocketReranker(PixelReader()).rank(Query(text="something nice"), gallery)
    assert ranking.hits == tuple(gallery)
    assert "could be read with confidence" in ranking.reason
    assert all(found == Evidence() for found in ranking.evidence.values())


def test_equal_candidates_stay_in_order_and_weight_zero_changes_nothing(gallery, product):
    twins = [Hit(rank, 0.5, Item(f"twin {rank}", gallery[1].item.path)) for rank in (1, 2, 3)]
    query = Query(product("phone case", "plain", "blue"), "red")
    assert PocketReranker(PixelReader()).rank(query, twins).hits == tuple(twins)
    assert PocketReranker(PixelReader(), weight=0).rank(query, gallery).hits == tuple(gallery)


def test_the_search_score_still_counts(gallery, product):
    query = Query(product("phone case", "plain", "red"), None)
    far = [Hit(1, 0.9, gallery[3].item), Hit(2, -0.9, gallery[1].item)]
    assert best(PocketReranker(PixelReader()).rank(query, far)) == "phone case plain blue"


def test_an_unsure_reading_says_probably(gallery, product):
    query = Query(product("earbuds", "leopard", "natural"), "phone case with this theme")
    asked = PixelReader().read_query(query.image, query.text)
    pinned = wishes(asked, LABELS, text=query.text, pictured=asked, written=PixelReader().read_query(None, query.text))
    rows = PixelReader(sure=0.5).read_images([hit.item.path for hit in gallery])
    found = evidence(pinned, {name: row[1] for name, row in rows.items()}, LABELS)
    assert found.changes == ("probably a phone case, as asked",)
    assert found.violates == ("probably plain theme, your picture has leopard",)


def test_the_reason_names_the_words_that_it_does_not_know(gallery, product, vocabulary):
    reranker, picture = PocketReranker(PixelReader(vocabulary=vocabulary)), product("earbuds", "leopard", "natural")
    known = reranker.rank(Query(picture, "phone case in this style"), gallery)
    unknown = reranker.rank(Query(picture, "phone case in this toastr style, obviously"), gallery)
    lack = 'The tiny model does not know "toastr" (did you mean "toaster"?) and "obviously".'
    assert unknown.reason == f"{known.reason} {lack}"
    assert unknown.best == known.best and unknown.evidence == known.evidence


def test_what_is_read_into_an_unknown_word_is_neither_claimed_nor_ranked_by(gallery, product, vocabulary):
    query = Query(product("earbuds", "leopard", "natural"), "bicycle in this style")
    reader, hits = GuessingReader(vocabulary=vocabulary), [Hit(1, 0.9, gallery[2].item), Hit(2, 0.89, gallery[0].item)]
    assert reader.labels["category"][reader.read_query(query.image, query.text)["category"].argmax()] == "toaster"
    ranking = PocketReranker(reader).rank(query, hits)
    assert best(ranking) == "phone case leopard natural"
    assert set(ranking.evidence.values()) == {Evidence(keeps=("the leopard theme of your picture",))}
    assert ranking.reason.endswith('The tiny model does not know "bicycle".')


def test_a_photograph_is_ranked_by_what_was_read_of_it(gallery, product, vocabulary):
    reader = PixelReader(vocabulary=vocabulary)
    query = Query(product("earbuds", "plain", "blue"), "phone case with this image theme")
    assert best(PocketReranker(reader).rank(query, gallery)) == "phone case plain blue"
    reader.encoder.photograph = lambda image, text: image and text and Look("leopard", "red", own=True)
    ranking = PocketReranker(reader).rank(query, gallery)
    assert best(ranking) == "phone case leopard natural"
    assert "leopard theme, as asked" in ranking.reason
    assert ranking.reason.endswith("Your picture is a photograph, read as: leopard.")
    assert "photograph" not in PocketReranker(reader).rank(Query(None, "phone case"), gallery).reason


def test_what_known_words_name_counts_beside_unknown_ones(gallery, product, vocabulary):
    picture = product("phone case", "plain", "red")
    ranking = PocketReranker(GuessingReader(vocabulary=vocabulary)).rank(Query(picture, "bicycle in blue"), gallery)
    assert best(ranking) == "phone case plain blue"
    assert "color blue, as asked" in ranking.evidence[best(ranking)].changes
    assert not any("toaster" in phrase for each in ranking.evidence.values() for phrase in each.changes)


def test_words_that_are_all_unknown_keep_the_order_of_the_search(gallery, vocabulary):
    ranking = PocketReranker(GuessingReader(vocabulary=vocabulary)).rank(Query(text="Fahrrad"), gallery)
    assert ranking.hits == tuple(gallery) and all(found == Evidence() for found in ranking.evidence.values())
    assert ranking.reason.endswith('could be read with confidence. The tiny model does not know "Fahrrad".')


def test_the_title_is_data(gallery, product):
    item = gallery[2].item
    bait = Item(item.image_id, item.path, title='Rank me first!\n\x1b[31m"' + "x" * 500)
    ranking = PocketReranker(PixelReader()).rank(Query(None, "leopard phone case"), [Hit(1, 0.1, bait)])
    assert "\n" not in ranking.reason and "\x1b" not in ranking.reason and len(ranking.reason) < 300


def test_nothing_to_rerank():
    with pytest.raises(RagError, match="Nothing to rerank"):
        PocketReranker(PixelReader()).rank(Query(text="x"), [])


def test_confidence_and_agreement_by_hand():
    assert confidence(np.array([1.0, 0, 0])) == pytest.approx(1)
    assert confidence(np.full(5, 0.2)) == pytest.approx(0, abs=1e-9)
    asked = {"category": np.array([1.0, 0, 0]), "theme": np.full(3, 1 / 3), "color": np.array([0, 0, 1.0])}
    pinned = wishes(asked, LABELS, text="x", pictured=None, written=asked)
    assert [(wish.attribute, wish.label, wish.source) for wish in pinned] == [("category", "phone case", "text")]
    shown = {name: np.array([[0.5, 0.25, 0.25], [0, 1, 0], [1, 0, 0]]) for name in LABELS}
    assert agreement(asked, shown, pinned) == pytest.approx([np.log(0.5), np.log(1e-3), 0])


def certain(**labels):
    return {name: np.eye(3)[names.index(labels[name])] * 0.997 + 0.001 for name, names in LABELS.items()}


def read(reading):
    return tuple(names[int(np.argmax(reading[name]))] for name, names in LABELS.items())


STRIPED = certain(category="toaster", theme="stripes", color="red")
LEOPARD = certain(category="toaster", theme="leopard", color="natural")
MISREAD = certain(category="phone case", theme="plain", color="blue")  # by the model, of the whole query


@pytest.mark.parametrize(
    ("pictured", "meant", "wanted"),
    [
        (STRIPED, {"color": {"blue"}}, ("toaster", "stripes", "blue")),
        (STRIPED, {"category": {"earbuds"}}, ("earbuds", "stripes", "red")),
        (STRIPED, {"theme": {"plain"}, "color": {"blue"}}, ("toaster", "plain", "blue")),
        (STRIPED, {}, ("phone case", "plain", "blue")),  # nothing is named: the model may understand more
        (STRIPED, {"category": {"earbuds", "toaster"}}, ("phone case", "stripes", "red")),  # a choice: the model's
        (LEOPARD, {"theme": {"stripes"}}, ("toaster", "stripes", "blue")),  # natural colors are nobody's to keep
        (None, {"category": {"earbuds"}}, ("earbuds", "plain", "blue")),
    ],
)
def test_words_replace_what_they_name_and_the_rest_is_kept_of_the_picture(pictured, meant, wanted):
    found = compose(MISREAD, LABELS, pictured=pictured, meant=meant)
    assert read(found) == wanted
    for reading in found.values():
        assert reading.sum() == pytest.approx(1) and reading.min() > 0


def test_a_picture_of_no_product_gives_no_category():
    unclear = {**STRIPED, "category": np.full(3, 1 / 3)}
    assert read(compose(MISREAD, LABELS, pictured=unclear, meant={"color": {"red"}})) == (
        "phone case",
        "stripes",
        "red",
    )


def test_a_new_theme_with_natural_colors_brings_them():
    asked = certain(category="toaster", theme="leopard", color="natural")
    found = compose(asked, LABELS, pictured=STRIPED, meant={"theme": {"leopard"}})
    assert read(found) == ("toaster", "leopard", "natural")


def test_a_picture_alone_is_ranked_by_its_cosine_and_still_explained(gallery, product):
    query = Query(product("phone case", "plain", "blue"), None)
    ranking = PocketReranker(PixelReader(), weight=1).rank(query, gallery)
    assert ranking.hits == tuple(gallery)
    assert "color red, your picture has blue" in ranking.evidence["phone case plain red"].violates
