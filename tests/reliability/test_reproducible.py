"""The comparison of two environments notices what it is for."""

from copy import deepcopy

import pytest
from reproducible import differences

HERE = {
    "ids": {"a.png": "1", "b.png": "2"},
    "titles": {"1": "A case", "2": "A mug"},
    "hits": {"leopard: case": [["1", 0.9], ["2", 0.9]]},
    "rankings": {"leopard: case": ["1", "2"]},
    "vectors": [[0.6, 0.8]],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda there: there["ids"].update({"b.png": "3"}), "1 of 2 ids differ; the first is 'b.png': 2 and 3"),
        (lambda there: there["ids"].pop("b.png"), "1 of 2 ids differ; the first is 'b.png': 2 and None"),
        (lambda there: there["rankings"].update({"leopard: case": ["2", "1"]}), "1 of 1 rankings differ"),
        (lambda there: there["hits"]["leopard: case"].reverse(), "the same pictures in another order"),
        (lambda there: there["hits"].update({"leopard: case": [["1", 0.9], ["2", 0.8]]}), "or other scores"),
        (lambda there: there["hits"].clear(), "other pictures, or other scores, for 'leopard: case'"),
        (lambda there: there.update(vectors=[[0.8, 0.6]]), "the vectors are 2.0e-01 apart"),
    ],
)
def test_two_environments_that_part_are_named_with_the_first_difference(change, said):
    there = deepcopy(HERE)
    assert differences(HERE, there) == []
    change(there)
    found = differences(HERE, there)
    assert len(found) == 1 and said in found[0]
