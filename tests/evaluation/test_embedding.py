"""Queries of both kinds and of none, in their order, whatever fits into a batch."""

import numpy as np
import pytest

from rag_lib.evaluation.embedding import embed_queries


class Counting:
    """Refuses to mix kinds, as encoders do; a vector is (picture or 0, number in the text)."""

    dim = 2

    def encode_queries(self, images, texts, *, batch_size):
        assert len({image is None for image in images}) == 1 and 0 < len(texts) <= batch_size
        return np.array([[image or 0, int(text or 0)] for image, text in zip(images, texts, strict=True)], np.float32)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_every_query_gets_its_row_and_one_of_nothing_zeros(batch_size):
    images = [1, None, 2, None, 3, None, 4, 5, None]
    texts = ["1", "2", "", "4", "5", " ", "7", "8", ""]
    found = embed_queries(Counting(), images, texts, description="encode", batch_size=batch_size)
    assert found.tolist() == [[1, 1], [0, 2], [2, 0], [0, 4], [3, 5], [0, 0], [4, 7], [5, 8], [0, 0]]


def test_no_queries_have_no_rows():
    assert embed_queries(Counting(), [], [], description="encode").shape == (0, 2)
