import io

import pytest
from PIL import Image

from rag_lib.display import learning_curves

LOG = {
    "tower": [{"step": 50, "loss": 9.0, "category": 0.2}, {"step": 100, "loss": 3.0, "category": 0.7}],
    "text": [{"step": 10, "loss": 4.0, "composed": 0.5, "image": 0.6}],
}


def lines(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_the_curves_are_the_log():
    losses, shares = learning_curves(LOG).axes
    assert lines(losses) == {"tower": [[50, 9], [100, 3]], "text": [[10, 4]]}
    assert lines(shares) == {
        "tower: category": [[50, 0.2], [100, 0.7]],
        "text: composed": [[10, 0.5]],
        "text: image": [[10, 0.6]],
    }
    assert losses.get_ylabel() and shares.get_ylabel() and losses.get_xlabel() == shares.get_xlabel() == "step"


def test_a_stage_of_one_row_is_a_point_that_can_be_seen():
    assert [line.get_marker() for line in learning_curves(LOG).axes[0].lines] == ["None", "o"]


@pytest.mark.parametrize("log", [{}, {"triplets": []}, {"triplets": [{"step": 1, "loss": 0.5}]}])
def test_a_log_without_rows_or_shares_is_drawn(log):
    data = io.BytesIO()
    learning_curves(log).savefig(data)
    assert Image.open(data).width > 400
