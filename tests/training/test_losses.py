"""Losses are right by hand."""

import numpy as np
import pytest
import torch

from rag_lib.training import losses
from rag_lib.training.queries import ANY

QUERIES = torch.tensor([[1.0, 0.0]])
CANDIDATES = torch.tensor([[0.6, 0.8], [0.8, 0.6], [1.0, 0.0], [1.0, 0.0]])
# Beside the first, candidate 2 answers a query for (0, 0, 0) too; 3 is a query picture.
SHOWN = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 0, 0], [ANY, 0, 0]])


def contrastive(positive, wanted, **options):
    options = dict(scale=torch.tensor(1.0)) | options
    loss, hit = losses.contrastive(
        QUERIES, CANDIDATES, torch.tensor([positive]), wanted=torch.tensor([wanted]), shown=SHOWN, **options
    )
    return loss.item(), hit.item()


def softmax_loss(right, *others):
    return pytest.approx(-np.log(np.exp(right) / np.exp([right, *others]).sum()), abs=1e-5)


def test_other_answers_and_query_pictures_are_no_negatives():
    loss, hit = contrastive(0, [0, 0, 0])
    assert loss == softmax_loss(0.6, 0.8) and hit == 0


def test_what_is_no_answer_is_a_negative():
    assert contrastive(1, [1, ANY, ANY], scale=torch.tensor(9.0))[1] == 0  # candidate 2 is nearer, and wrong


def test_without_the_mask_other_answers_are_negatives():
    loss, _ = contrastive(0, [0, 0, 0], mask_answers=False)
    assert loss == softmax_loss(0.6, 0.8, 1.0)


def test_without_the_mask_a_query_is_still_not_its_own_negative():
    loss, _ = contrastive(0, [0, 0, 0], mask_answers=False, own=torch.tensor([2]))
    assert loss == softmax_loss(0.6, 0.8)


def test_attribute_loss_leaves_out_what_is_unknown():
    logits = (torch.tensor([[2.0, 0.0], [0.0, 9.0]]), torch.zeros(2, 4))
    labels = torch.tensor([[0, ANY], [ANY, ANY]])
    assert losses.attributes(logits, labels).item() == pytest.approx(np.log(1 + np.exp(-2)), abs=1e-5)
