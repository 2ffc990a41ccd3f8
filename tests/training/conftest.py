"""A model and a world in miniature, in which a training takes a second, and a benchmark to measure it."""

from types import SimpleNamespace

import numpy as np
import pytest

from rag_lib.drawn.drawing import CATEGORIES, LOOKS
from rag_lib.encoders.visualized_bge.model import VisualizedBGEConfig
from rag_lib.evaluation.drawn.benchmark import make_benchmark
from rag_lib.training import train
from rag_lib.training.pictures import PictureSet, labels_of, training_specs
from rag_lib.training.recipe import Recipe
from rag_lib.training.tokenizer import train_tokenizer

CONFIG = VisualizedBGEConfig(
    name="pocket",
    text="bert",
    tower="conv-stem",
    image_size=32,
    tower_args=dict(embed_dim=48, depth=1, num_heads=3),
    text_args=dict(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    ),
)
RECIPE = Recipe(n_products=240, n_query_pictures=80, tower_steps=3, text_steps=3, batch=8, twins=4)
CATEGORIES_HERE = CATEGORIES[:6]
LOOKS_HERE = [
    (theme, color)
    for theme, color in LOOKS
    if theme in ("leopard", "zebra")
    or (theme in ("dots", "stripes", "stars") and color in ("red", "blue", "green", "white"))
]


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(1200, n_texts=2000)


@pytest.fixture(scope="session")
def pictures():
    """Labels of a small world; the pixels are noise."""
    specs = training_specs(RECIPE.n_products, RECIPE.n_query_pictures, 0, categories=CATEGORIES_HERE, looks=LOOKS_HERE)
    images = np.random.default_rng(0).integers(0, 255, (len(specs), 32, 32, 3), dtype=np.uint8)
    return PictureSet(images, labels_of(specs))


@pytest.fixture(scope="session")
def miniature(pictures, tokenizer):
    """`.train(folder, recipe)` -> model, heads and log of both stages."""

    def run(folder, recipe=RECIPE):
        folder.mkdir(parents=True, exist_ok=True)
        model, heads = train.new_model(tokenizer.get_vocab_size(), recipe.seed, CONFIG)
        log = {
            "tower": train.train_tower(model, heads, pictures, recipe, folder),
            "text": train.train_text(model, heads, pictures, tokenizer, recipe, folder),
        }
        return SimpleNamespace(model=model, heads=heads, log=log)

    return SimpleNamespace(
        config=CONFIG, recipe=RECIPE, pictures=pictures, tokenizer=tokenizer, train=run,
        categories=CATEGORIES_HERE, looks=LOOKS_HERE,
    )  # fmt: skip


@pytest.fixture(scope="session")
def small_benchmark(tmp_path_factory):
    """A function in place of `make_benchmark`, of a small world, drawn once."""
    home = tmp_path_factory.mktemp("home")

    def make(split):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAG_HOME", str(home))
            return make_benchmark(split, n_standard=70, per_family=12, categories=CATEGORIES_HERE, looks=LOOKS_HERE)

    return make
