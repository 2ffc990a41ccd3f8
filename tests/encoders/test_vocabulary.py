"""Words that a model was never taught: which they are, and that a user is told of them once, in one sentence."""

import itertools
import json
import runpy
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from rag_lib.drawn.drawing import CATEGORIES, COLORS, LOOKS
from rag_lib.drawn.language import (
    FILLERS,
    HELD_OUT_PHRASINGS,
    PHRASINGS,
    PRODUCT_NAMES,
    THEME_ADJECTIVES,
    THEME_NOUNS,
    write_instruction,
)
from rag_lib.drawn.words import taught_words
from rag_lib.encoders import load_encoder
from rag_lib.encoders.pocket import loading
from rag_lib.encoders.visualized_bge.model import CONFIGS, VisualizedBGE
from rag_lib.encoders.vocabulary import UnknownWords
from rag_lib.training.trainable import load_trainable

TINY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_models.py"))))
NAMES = [*itertools.chain(*PRODUCT_NAMES.values(), *THEME_NOUNS.values(), *THEME_ADJECTIVES.values()), *COLORS]
SLOTS = {"{k}": "category", "{t}": "theme", "{c}": "color"}


@pytest.fixture(scope="module")
def loaded():
    return load_encoder("pocket", device="cpu", dtype="float32")


@pytest.fixture
def encoder(loaded):
    """The pocket before it has warned of anything."""
    loaded._warn_once.cache_clear()
    return loaded


@pytest.fixture
def picture():
    return Image.new("RGB", (40, 30), "orange")


def said(encoder, *queries):
    """What encode_query says of these, in order; another kind of warning than ours is an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnknownWords)
        for query in queries:
            encoder.encode_query(*query)
    return [str(warning.message) for warning in caught]


def test_every_word_of_its_language_is_a_whole_entry_of_its_tokenizer(encoder):
    backend = encoder.tokenizer.backend_tokenizer
    for name in (*NAMES, *FILLERS):
        if name != "natural":  # a color that has no word: of leopards
            ids = backend.encode(name, add_special_tokens=False).ids
            assert len(ids) == len(name.split()), name
            assert encoder.unknown_words(name) == [], name


@pytest.mark.parametrize("family", PHRASINGS)
def test_it_knows_and_understands_what_it_was_taught(encoder, family):
    rng, colors = np.random.default_rng(0), [color for color in COLORS if color != "natural"]
    for _ in range(300):
        wanted = dict(
            category=CATEGORIES[rng.integers(len(CATEGORIES))],
            theme=LOOKS[rng.integers(len(LOOKS))][0],
            color=colors[rng.integers(len(colors))],
        )
        text = write_instruction(rng, family, **wanted)
        phrasing = " ".join(PHRASINGS[family])
        assert encoder.unknown_words(text) == [], text
        slots = {attribute for slot, attribute in SLOTS.items() if slot in phrasing}
        assert encoder.vocabulary.named(text) == {attribute: {wanted[attribute]} for attribute in slots}, text


def test_phrasings_that_were_held_out_have_words_that_it_does_not_know(encoder):
    words = set(" ".join(itertools.chain(*HELD_OUT_PHRASINGS.values())).replace("{", " {").split())
    assert {"wearing", "repaint"} <= set(encoder.unknown_words(" ".join(words)))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a bicycle in this style", ["bicycle"]),
        ("A BICYCLE IN THIS STYLE", ["BICYCLE"]),
        ("PHONE CASE with this Image Theme", []),
        ("phone cases with this theme, please!", []),
        ("a bicycle, a Bicycle and a sofa", ["bicycle", "sofa"]),
        ("tosater", ["tosater"]),
        ("2 lamps for $20, or 3?", []),
        ("it's the same in blue", []),
        ("I don't want this t-shirt", ["don't", "t-shirt"]),
        ("phone_case/lamp", []),
        ("tôaster", []),
        ("b x wit leop tea ##s", ["b", "x", "wit", "leop", "tea", "s"]),
        ("[UNK] [MASK] lamp", ["UNK", "MASK"]),
        ("自転車 lamp", ["自転車"]),
        ("साइकिल", ["साइकिल"]),
        ("велосипед", ["велосипед"]),
        ("🚲 lamp 🚲", ["🚲"]),
        ("z" * 3000 + " lamp", ["z" * 3000]),
        ("?! ... -- '", []),
        ("42", []),
        ("", []),
        (None, []),
    ],
)
def test_unknown_words(encoder, text, unknown):
    assert encoder.unknown_words(text) == unknown


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("red phone cases with polka dots", {"category": {"phone case"}, "theme": {"dots"}, "color": {"red"}}),
        ("a plain finish on it", {"theme": {"plain"}}),
        ("a nice finish", {"theme": {"plain", "wood", "marble"}}),
        ("wavy lines, no zebra crossing", {"theme": {"waves", "zebra"}}),  # two names that exclude each other
        ("a fridge, I mean a refrigerator", {"category": {"refrigerator"}}),
        ("something nice", {}),
        ("a table", {}),  # known of table lamps only
        ("cover it with dots", {"theme": {"dots"}}),  # no phone cover
        ("cover it with dtos", {}),
        ("", {}),
    ],
)
def test_what_a_text_names(encoder, text, named):
    assert encoder.vocabulary.named(text) == named


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a toastr in geren", {"category": {"toaster"}, "color": {"green"}}),  # a letter missing, two exchanged
        ("bleu camreas", {"category": {"camera"}}),  # four letters are too few to guess
        ("with strpes", {"theme": {"stripes"}}),
        ("paint it white", {"color": {"white"}}),  # not plain
        ("a house that starts with lower crown", {}),  # no mouse, stars, flower, brown
        ("a toaster in blue", {"category": {"toaster"}, "color": {"blue"}}),
        ("a bicycle", {}),
        (None, {}),
    ],
)
def test_a_word_that_is_one_slip_away_is_understood(encoder, text, meant):
    assert encoder.vocabulary.meant(text) == meant


def test_plurals_of_its_products_are_read_as_it_knows_them(encoder):
    """Why they count as known: the pieces of a plural begin with the name."""
    reader, labels = encoder.reader(), list(PRODUCT_NAMES)
    asked = [reader.read_query(None, f"red {name}{'' if name.endswith('s') else 's'}")["category"] for name in labels]
    assert np.mean([row.argmax() == place for place, row in enumerate(asked)]) > 0.9


def test_a_warning_names_the_word_and_what_may_have_been_meant(encoder, picture):
    assert said(encoder, (picture, "a Tosater in red")) == [
        'The pocket model does not know "Tosater" (did you mean "toaster"?): it may misread what it does not know, or '
        "read past it."
    ]


def test_a_warning_says_when_no_word_is_left_to_follow(encoder, picture):
    composed, alone = said(encoder, (picture, "a bicycle in this style"), (None, "Fahrrad"))
    assert composed == (
        'The pocket model does not know "bicycle", and no other word names a category, theme or color that it knows: '
        "do not expect the answer to follow the words."
    )
    assert alone.startswith('The pocket model does not know "Fahrrad", and no other word')
    assert said(encoder, (None, "?!")) == ["The instruction has no word that the pocket model could follow."]


def test_a_warning_stays_one_sentence_for_any_text(encoder, picture):
    text = "z" * 500 + " " + " ".join(f"word{letter}\x1b[31m\u202e" for letter in "abcdefghij")
    (sentence,) = said(encoder, (picture, text))
    assert len(sentence) < 400 and sentence.isprintable() and " and 7 more, and no other word" in sentence


def test_it_warns_once_of_an_instruction(encoder, picture):
    bicycle, sofa = (picture, "a bicycle like this"), (None, "a sofa")
    assert len(said(encoder, bicycle, bicycle, sofa, bicycle, sofa)) == 2


def test_the_warning_points_at_the_users_line(encoder, picture):
    with pytest.warns(UnknownWords) as caught:
        encoder.encode_query(picture, "a bicycle")
    assert caught[0].filename == __file__
    with pytest.warns(UnknownWords) as caught:
        encoder.reader().read_query(picture, "a sofa")
    assert caught[0].filename == __file__


def test_a_warning_that_is_made_an_error_is_raised_each_time(encoder, picture):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownWords)
        for _ in range(2):
            with pytest.raises(UnknownWords, match="bicycle"):
                encoder.encode_query(picture, "a bicycle")


def test_nothing_is_said_of_what_it_knows_nor_of_batches(encoder, picture):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode_query(picture, "phone case with this image theme")
        encoder.encode_query(picture, " ")
        encoder.encode_query(text="RED TOASTERS, please!")
        encoder.encode_queries([picture, picture], ["a bicycle", "a sofa"])


def test_unknown_words_change_no_vector(encoder, picture):
    with pytest.warns(UnknownWords):
        alone = encoder.encode_query(picture, "a bicycle in this style")
    np.testing.assert_allclose(alone, encoder.encode_queries([picture], ["a bicycle in this style"])[0], atol=1e-6)


def test_a_model_that_was_fine_tuned_may_know_any_word(tmp_path, picture):
    load_trainable("pocket").save(tmp_path / "mine", {"steps": 1})
    encoder = load_encoder("pocket", weights=tmp_path / "mine", device="cpu")
    assert encoder.vocabulary is None and encoder.unknown_words("a bicycle in this style") == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode_query(picture, "a bicycle in this style")


def test_the_shipped_words_are_those_of_the_drawn_world():
    words = json.loads((loading.POCKET_FOLDER / "words.json").read_text(encoding="utf-8"))
    labels = json.loads((loading.POCKET_FOLDER / "config.json").read_text(encoding="utf-8"))["labels"]
    assert words == taught_words(labels)


def test_a_model_that_was_trained_on_any_text_knows_all_words(tmp_path, picture):
    encoder = load_encoder(str(TINY.clip(tmp_path / "clip")), device="cpu")
    assert encoder.vocabulary is None
    assert encoder.unknown_words("a bicycle in this style") == encoder.unknown_words("自転車") == []
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownWords)
        encoder.encode_query(picture, "a bicycle in this style")


def test_the_official_model_has_no_vocabulary_though_its_tokenizer_is_the_same(
    tmp_path, monkeypatch, upstream_checkpoint, small_config
):
    name = "visualized-bge-base-en-v1.5"
    monkeypatch.setitem(CONFIGS, name, small_config)
    torch.save(upstream_checkpoint(VisualizedBGE(small_config)), tmp_path / "Visualized_base_en_v1.5.pth")
    shutil.copy(loading.POCKET_FOLDER / "tokenizer.json", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    encoder = load_encoder(name, weights=tmp_path, device="cpu", dtype="float32")
    assert encoder.unknown_words("a bicycle in this style") == []
