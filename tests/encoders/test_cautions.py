"""What is said of an instruction before its answer is trusted: from which word on it is not read, and that once."""

import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from rag_lib.encoders import load_encoder, mix_query
from rag_lib.encoders.pocket.loading import POCKET_FOLDER
from rag_lib.encoders.visualized_bge.model import CONFIGS, VisualizedBGE
from rag_lib.encoders.vocabulary import CutWords
from rag_lib.errors import RagError

TINY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_models.py"))))
PICTURE = Image.new("RGB", (40, 30), "orange")
OFFICIAL = "visualized-bge-base-en-v1.5"


@pytest.fixture(scope="module")
def encoders(tmp_path_factory, upstream_checkpoint, small_config):
    """One of each kind that cuts texts, and how many tokens it takes: alone, beside a picture."""
    root = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONFIGS, OFFICIAL, small_config)
        (root / "official").mkdir()
        torch.save(upstream_checkpoint(VisualizedBGE(small_config)), root / "official" / "Visualized_base_en_v1.5.pth")
        (root / "official" / "tokenizer.json").write_bytes((POCKET_FOLDER / "tokenizer.json").read_bytes())
        (root / "official" / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
        official = load_encoder(OFFICIAL, weights=root / "official", device="cpu", dtype="float32")
    made = {"pocket": load_encoder("pocket", device="cpu", dtype="float32"), "official": official}
    for kind in ("clip", "siglip", "qwen"):
        made[kind] = load_encoder(getattr(TINY, kind)(root / kind), device="cpu")
    made["BGE-VL-base"] = load_encoder("BAAI/BGE-VL-base", weights=root / "clip", device="cpu")
    made["BGE-VL-MLLM"] = load_encoder("BAAI/BGE-VL-MLLM-S1", weights=TINY.llava(root / "llava"), device="cpu")
    return made


def differ(encoder, picture, text, other):
    """The same tokens give the same bits, so that the least difference counts."""
    one, two = (encoder.encode_queries([picture], [each]) for each in (text, other))
    return np.abs(one - two).max() > 1e-7


KINDS = ["pocket", "official", "clip", "siglip", "qwen", "BGE-VL-base", "BGE-VL-MLLM"]


@pytest.mark.parametrize("pictured", [False, True], ids=["alone", "beside a picture"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_word_that_is_named_is_the_first_that_changes_nothing(encoders, kind, pictured):
    encoder, picture = encoders[kind], PICTURE if pictured else None
    words = [*["lamp", "fan"] * 1000, "toaster"]
    [caution] = [each for each in encoder.cautions(" ".join(words), pictured=pictured) if isinstance(each, CutWords)]
    place = int(str(caution).split("word ")[1].split(" of")[0].replace(",", "")) - 1
    assert f'from "{words[place]}" on' in str(caution) and f"of {len(words):,}" in str(caution)
    read = " ".join(words[:place])
    assert not [each for each in encoder.cautions(read, pictured=pictured) if isinstance(each, CutWords)]
    with_the_next = " ".join([*words[:place], words[place] + "s" * 60])
    assert [each for each in encoder.cautions(with_the_next, pictured=pictured) if isinstance(each, CutWords)]
    assert not differ(encoder, picture, " ".join(words), " ".join([*words[: place + 2], "red"]))  # unread indeed
    assert differ(encoder, picture, read, " ".join(words[: place - 1]))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_said_of_what_is_read(encoders, kind):
    encoder = encoders[kind]
    for text in ("a lamp", "a red lamp please", "  ", "", None):
        assert [each for each in encoder.cautions(text) if isinstance(each, CutWords)] == []
        assert [each for each in encoder.cautions(text, pictured=True) if isinstance(each, CutWords)] == []


def caught(encode, *queries, action="always"):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter(action)
        for query in queries:
            encode(*query)
    return [(warning.category, str(warning.message), warning.filename) for warning in found]


def test_what_comes_too_late_is_warned_of(encoders):
    """112 known words, and then what matters."""
    pocket, words = encoders["pocket"], "a nice lamp for the kitchen please and " * 14
    [(kind, sentence, file)] = caught(pocket.encode_query, (PICTURE, words + "a leopard phone case"))
    assert (kind, file) == (CutWords, __file__)
    assert sentence == (
        'The instruction is too long for the pocket model: from "please" on, word 95 of 116, it is not read. Write '
        "a shorter one."
    )


def test_a_text_alone_has_the_room_that_a_picture_would_take(encoders):
    pocket, text = encoders["pocket"], "a nice lamp for the kitchen please and " * 15
    assert pocket.cautions(text) == [] and len(pocket.cautions(text, pictured=True)) == 1


def test_a_mixture_says_it_of_what_is_not_wanted_too(encoders):
    pocket, long = encoders["pocket"], "stripes and dots and " * 50
    found = caught(lambda: mix_query(pocket, PICTURE, "a lamp", without=long), ())
    assert [kind for kind, *_ in found] == [CutWords]


def test_a_word_without_an_end_is_shown_clipped(encoders):
    [caution] = encoders["clip"].cautions("z" * 100_000)
    assert "word 1 of 1" in str(caution) and len(str(caution)) < 200


def test_what_was_said_is_forgotten_after_a_while_and_nowhere_kept(monkeypatch):
    """Another million instructions must not fill the memory, neither ours nor that of Python's own warnings."""
    monkeypatch.setattr("rag_lib.encoders.base.REMEMBERED", 5)
    pocket, bicycle = load_encoder("pocket", device="cpu", dtype="float32"), (None, "a bicycle")
    before = len(globals().get("__warningregistry__", {}))
    assert len(caught(pocket.encode_query, bicycle, bicycle, action="default")) == 1
    others = [(None, f"a bicycle for {'x' * n}") for n in range(1, 6)]
    assert len(caught(pocket.encode_query, *others, bicycle, action="default")) == 6
    assert len(globals().get("__warningregistry__", {})) == before


def test_the_memory_of_what_was_said_is_bounded(encoders):
    pocket = encoders["pocket"]
    caught(pocket.encode_query, (None, "a bicycle"))
    assert pocket._warn_once.cache_info().maxsize == 1000


@pytest.mark.parametrize("text", ["\ud83d", "a lamp \udcff"])
@pytest.mark.parametrize("kind", KINDS)
def test_half_a_character_is_refused_in_a_sentence(encoders, kind, text):
    with pytest.raises(RagError, match="instruction .* holds half of a character"):
        encoders[kind].encode_query(text=text)
    with pytest.raises(RagError, match="instruction .* holds half of a character"):
        encoders[kind].encode_queries([PICTURE, PICTURE], ["a lamp", text])


def test_what_is_no_text_is_refused_in_a_sentence(encoders):
    with pytest.raises(RagError, match="instruction is of the type list: give it as text"):
        encoders["pocket"].encode_query(text=["a", "lamp"])
