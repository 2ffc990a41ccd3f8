"""The joint reranker in miniature."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from rag_lib.encoders import load_encoder
from rag_lib.encoders.loading import POCKET_FOLDER, read_pocket
from rag_lib.evaluation.measures import FIRST
from rag_lib.records import Hit, Item, Query
from rag_lib.training import comparison, joint
from rag_lib.training.train import new_model


@pytest.fixture(scope="module")
def wordpieces(miniature):
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=miniature.tokenizer, **names)


@pytest.fixture(scope="module")
def start(miniature):
    return new_model(miniature.tokenizer.get_vocab_size(), 0, miniature.config)[0]


@pytest.fixture
def train(start, wordpieces, miniature, tmp_path):
    def run(recipe=miniature.recipe):
        torch.manual_seed(1)
        return joint.train_joint(start, wordpieces, miniature.pictures, recipe, tmp_path)

    return run


def test_a_fit_depends_on_both_pictures_and_on_the_words_but_not_on_the_padding():
    model, _, wordpieces, _ = read_pocket(POCKET_FOLDER)
    scorer = joint.JointScorer(model).eval()
    rng = torch.Generator().manual_seed(0)
    one, two = torch.randn(2, 1, model.n_patches, model.visual_proj.in_features, generator=rng)

    def fit(text, asking, shown, **options):
        words = wordpieces([text], return_tensors="pt", **options)
        with torch.inference_mode():
            return scorer(words["input_ids"], words["attention_mask"], asking, shown)

    first = fit("the same in blue", one, two)
    assert first.shape == (1, 4)
    for other in (
        fit("the same in red", one, two),
        fit("the same in blue", two, one),
        fit("the same in blue", one, one),
    ):
        assert not torch.allclose(first, other, atol=1e-5)
    padded = fit("the same in blue", one, two, padding="max_length", max_length=20)
    assert torch.allclose(first, padded, atol=1e-5)


def test_training_changes_the_scorer_and_not_the_model_that_it_starts_from(train, start):
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    scorer = train()
    assert all(torch.equal(tensor, before[name]) for name, tensor in start.state_dict().items())
    moved = scorer.text_model.encoder.layer[0].output.dense.weight
    assert not torch.equal(moved, before["text_model.encoder.layer.0.output.dense.weight"])


def test_a_stopped_training_goes_on_to_the_same_scorer(train, miniature, tmp_path, monkeypatch):
    whole = train().state_dict()
    (tmp_path / "joint.pt").unlink()
    monkeypatch.setattr("rag_lib.training.loop.SAVE_EVERY", 1)
    steps = []
    sample = joint.QuerySampler.batch

    def stop_at_the_third(self, *arguments):
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return sample(self, *arguments)

    monkeypatch.setattr(joint.QuerySampler, "batch", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        train()
    resumed = train().state_dict()
    assert len(steps) == 4 and all(torch.equal(whole[name], resumed[name]) for name in whole)


def untrained():
    return joint.JointScorer(read_pocket(POCKET_FOLDER)[0])


@pytest.fixture(scope="module")
def hits(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    found = []
    for rank in range(1, 4):
        path = folder / f"{rank}.png"
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path)
        found.append(Hit(rank, 0.9 - rank / 10, Item(str(rank), path)))
    return found


def test_it_orders_by_its_scores_or_by_both(hits):
    encoder = load_encoder("pocket", device="cpu", dtype="float32")
    reranker = comparison.JointReranker(untrained(), encoder)
    query = Query(hits[0].item.path, "the same in blue")
    scores = reranker._fit(query, tuple(hits))
    order = [hit.rank - 1 for hit in reranker.rank(query, hits).hits]
    assert order == np.argsort(-scores, kind="stable").tolist()
    reranker.weight = 0.0
    assert reranker.rank(query, hits).hits == tuple(hits)
    reranker.weight = 1e6
    assert [hit.rank - 1 for hit in reranker.rank(query, hits).hits] == order


def test_what_it_was_not_made_for_keeps_the_order(hits):
    reranker = comparison.JointReranker(untrained(), None)
    assert reranker.rank(Query(text="a red toaster"), hits).hits == tuple(hits)
    assert reranker.rank(Query(hits[2].item.path), hits).hits == tuple(hits)


def test_the_comparison_has_a_verdict_on_every_way(small_benchmark):
    encoder = load_encoder("pocket", device="cpu", dtype="float32")
    report = comparison.compare(untrained(), encoder, small_benchmark("validation"))
    assert report.count(f"within {FIRST}") == len(comparison.WEIGHTS) + 1
    assert report.index("joint score alone") < report.index("Matching attributes")
    assert "Do not use this reranker here" in report  # the scorer was never trained
