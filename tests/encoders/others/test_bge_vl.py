"""BGE-VL: the vectors are those of the authors' code, given the same weights."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError

TINY = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent.with_name("tiny_models.py"))))
TEXTS = ["a dog", "at night", "x", "phone case", "blue"]
# The first three numbers of three rows each, from the tiny models of `tiny_models.py`. CLIP: `encode` of the authors'
# modeling_MMRet_CLIP.py; LLaVA-NeXT: the prompts of their `data_process` and the last token's state, normalized. Both
# were run under transformers 4.45.2, which the authors recommend; all 32 (16) numbers of all rows agreed exactly.
GOLDEN = {
    "BGE-VL-base": dict(
        images=[[0.22337, -0.20227, -0.14431], [0.29278, -0.10701, 0.06088], [0.26421, -0.1295, -0.00332]],
        texts=[[-0.3579, 0.16959, -0.04685], [-0.31297, -0.04367, -0.22411], [-0.1592, 0.07406, -0.1972]],
        composed=[[-0.16699, 0.02734, -0.11507], [-0.06348, -0.10511, -0.14229], [0.05441, -0.0294, -0.13789]],
    ),
    "BGE-VL-MLLM-S1": dict(
        images=[[0.2642, 0.09321, 0.04169], [0.16101, -0.02025, -0.11666], [0.29015, -0.02025, -0.02845]],
        texts=[[0.15446, 0.36934, 0.2588], [0.1784, 0.33016, 0.21764], [0.15648, 0.33428, 0.2199]],
        composed=[[0.24847, 0.17748, 0.233], [0.25781, 0.09556, 0.20884], [0.25969, 0.07408, 0.25283]],
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {"BGE-VL-base": TINY.clip(root / "base"), "BGE-VL-MLLM-S1": TINY.llava(root / "mllm")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return TINY.pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module", params=GOLDEN)
def encoder(request, folders):
    return load_encoder(f"BAAI/{request.param}", weights=folders[request.param], device="cpu")


def vectors(encoder, pictures, **options):
    return encoder.encode_images(pictures, progress=False, **options).vectors


def test_the_vectors_are_those_of_the_authors_code(encoder, pictures):
    golden = GOLDEN[encoder.name.removeprefix("BAAI/")]
    found = dict(
        images=vectors(encoder, pictures),
        texts=encoder.encode_queries([None] * len(TEXTS), TEXTS),
        composed=encoder.encode_queries(pictures, TEXTS),
    )
    for kind, rows in found.items():
        np.testing.assert_allclose(rows[:3, :3], golden[kind], atol=1e-4, err_msg=kind)


def test_clip_composes_by_the_sum_before_any_norm(folders, pictures):
    from PIL import Image
    from transformers import CLIPModel, CLIPProcessor

    model, processor = (kind.from_pretrained(folders["BGE-VL-base"]) for kind in (CLIPModel, CLIPProcessor))
    with torch.no_grad():
        image = model.get_image_features(**processor(images=Image.open(pictures[0]), return_tensors="pt"))
        text = model.get_text_features(**processor(text=["a dog"], return_tensors="pt"))
    wanted = torch.nn.functional.normalize(image.pooler_output + text.pooler_output, dim=-1)[0].numpy()
    encoder = load_encoder("BAAI/BGE-VL-base", weights=folders["BGE-VL-base"], device="cpu")
    assert encoder.composes == "sum"
    np.testing.assert_allclose(encoder.encode_query(pictures[0], "a dog"), wanted, atol=0.01)  # torchvision's pixels
    fused = load_encoder(folders["BGE-VL-base"], device="cpu").encode_query(pictures[0], "a dog")
    assert np.abs(fused - wanted).max() > 0.01  # the usual late fusion is another vector


def test_rows_are_unit_vectors_whatever_the_batch(encoder, pictures):
    rows = vectors(encoder, pictures)
    assert rows.shape == (5, encoder.dim) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors(encoder, pictures, batch_size=2), rows, atol=1e-5)
    composed = encoder.encode_queries(pictures, TEXTS)
    for row, picture, text in zip(composed, pictures, TEXTS, strict=True):
        np.testing.assert_allclose(encoder.encode_query(picture, text), row, atol=1e-5)
    mixed = encoder.encode_queries(pictures[:2], ["", "x"])
    np.testing.assert_allclose(mixed[0], encoder.encode_query(pictures[0]), atol=1e-5)


def test_a_bad_picture_is_skipped_by_name(encoder, pictures, tmp_path):
    (tmp_path / "half.png").write_bytes(pictures[2].read_bytes()[:200])
    encoded = encoder.encode_images([tmp_path / "half.png", pictures[0]], progress=False)
    assert [path.name for path, _ in encoded.skipped] == ["half.png"]
    np.testing.assert_allclose(encoded.vectors, vectors(encoder, pictures[:1]), atol=1e-6)


def test_long_texts_are_truncated(encoder, pictures):
    long = "make it dark " * 700
    for picture in (None, pictures[0]):
        row = encoder.encode_query(picture, long)
        np.testing.assert_allclose(row, encoder.encode_query(picture, long + "and blue"), atol=1e-6)


def test_the_sign_for_a_picture_counts_as_words(folders, pictures):
    encoder = load_encoder("BAAI/BGE-VL-MLLM-S1", weights=folders["BGE-VL-MLLM-S1"], device="cpu")
    row = encoder.encode_query(pictures[0], "a <image> dog")
    np.testing.assert_allclose(row, encoder.encode_query(pictures[0], "a   dog"), atol=1e-6)


def test_the_fingerprint_follows_weights_and_dtype(encoder, folders, tmp_path):
    name = encoder.name.removeprefix("BAAI/")
    half = load_encoder(encoder.name, weights=folders[name], device="cpu", dtype="bfloat16")
    other = load_encoder("BAAI/BGE-VL-base", weights=TINY.clip(tmp_path / "other", seed=1), device="cpu")
    assert len({encoder.fingerprint, half.fingerprint, other.fingerprint}) == 3
    assert half.encode_query(text="a dog") @ encoder.encode_query(text="a dog") > 0.99


def test_a_folder_is_known_by_the_code_that_its_config_names(tmp_path):
    folder = TINY.clip(tmp_path / "mine")
    assert type(load_encoder(folder)).__name__ == "SentenceEncoder"
    TINY.edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_MMRet_CLIP.CLIPModel"})
    assert type(load_encoder(folder)).__name__ == "BGEVLClip"


def test_another_model_of_that_name_is_refused(tmp_path):
    folder = TINY.qwen(tmp_path / "BGE-VL-Screenshot")
    with pytest.raises(RagError, match="'BGE-VL-Screenshot' is of the kind 'qwen2_vl'.*BGE-VL-base.*LLaVA-NeXT"):
        load_encoder(folder)
    for odd in (["a"], {}, None):
        TINY.edit_json(folder / "config.json", model_type=odd)
        with pytest.raises(RagError, match="is of the kind .*BGE-VL-base.*LLaVA-NeXT"):
            load_encoder(folder)
