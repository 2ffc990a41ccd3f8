"""The losses of the pocket model: contrastive with false negatives masked, and attributes by cross-entropy."""

import torch
from torch.nn import functional as F

from rag_lib.training.queries import ANY


def contrastive(
    queries: torch.Tensor,
    candidates: torch.Tensor,
    positives: torch.Tensor,
    *,
    wanted: torch.Tensor,
    shown: torch.Tensor,
    scale: torch.Tensor,
    own: torch.Tensor | None = None,
    mask_answers: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """InfoNCE (van den Oord et al. 2018, arXiv 1807.03748, equation 4) over the candidates of one batch.

    `queries` (n, dim), `candidates` (m, dim): unit rows; `positives` (n,): the right candidate of each query.
    `wanted` (n, 3): labels that a query asks for, ANY where open; `shown` (m, 3): labels of the candidates, ANY as the
    category of a picture that is no product. `own` (n,): the candidate that is the query itself, if it is one.
    A candidate that also answers a query is left out of its negatives, if `mask_answers`; so are its own picture and
    every query picture. Returns the loss and the share of queries whose positive scores highest.
    """
    scores = queries @ candidates.T * scale
    hidden = (shown[:, 0] == ANY).expand(len(queries), -1).clone()
    if mask_answers:
        hidden |= ((wanted[:, None] == shown[None]) | (wanted[:, None] == ANY)).all(-1)
    rows = torch.arange(len(queries))
    if own is not None:
        hidden[rows, own] = True
    hidden[rows, positives] = False
    scores = scores.masked_fill(hidden, -1e4)
    return F.cross_entropy(scores, positives), (scores.argmax(1) == positives).float().mean()


def attributes(logits: tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
    """Sum over attributes of the cross-entropy. `logits[a]` (n, names of a); `labels` (n, 3), ANY where unknown."""
    losses = [
        F.cross_entropy(logit, labels[:, attribute], ignore_index=ANY)
        for attribute, logit in enumerate(logits)
        if (labels[:, attribute] != ANY).any()
    ]
    return torch.stack(losses).sum()


def accuracy(logits: tuple[torch.Tensor, ...], labels: torch.Tensor) -> list[float]:
    """The share of right readings of each attribute, over the rows where it is known."""
    shares = []
    for attribute, logit in enumerate(logits):
        known = labels[:, attribute] != ANY
        shares.append((logit.argmax(1) == labels[:, attribute])[known].float().mean().item())
    return shares
