from pathlib import Path

import pytest

from rag_lib.records import Hit, Item
from rag_lib.rerank.claims import check_claims


def make(rank, title, **metadata):
    return Hit(rank, 0.5, Item(f"id-{rank}", Path("x"), title, metadata))


HITS = [
    make(2, "Leopard phone case", price=18.5),
    make(5, 'Zebra "wild" case', price=12.0),
    make(3, "", price=None),
    make(9, "豹柄スマホケース", price=1299),
]


@pytest.mark.parametrize(
    "text",
    [
        "[2] keeps the leopard print; [5] is cheaper.",
        "[2] costs $18.50 and [5] costs $12.",
        "[2]: 18,50 €, [5]: 12.00 USD, [9]: $1,299.00, too.",
        "[2], at $18.50, and [5], at $12. [2] and [5] cost $18.50 and $12.",
        "[2] at 18.50 (9.5 cm wide) beats [5] (12.00).",
        "The price of [5] is 12. It is for 2 people.",
        "[5] is under $20, your budget of $20 holds; it is $6.50 cheaper than [2].",
        "Between $12 and $18.50, [2] and [5] are the best.",
        "Of [2, 5] the \"LEOPARD  phone case,\" is on [2]; [5] is the “zebra 'wild' case”.",
        'You asked for a "striped one": [2] it is.',
        "[9]「豹柄スマホケース」は良い。[2]は安い。",
        "【2】 and [#5][9] fit.",
        "Unlike [2], [5] is cheaper than [9]; [2] is dearer than [5] but cheaper than [9].",
        "[2] and [5] are less expensive than [9], which is the most expensive.",
        "[5] is the cheapest of all. Of [2] and [9], the cheapest is [2].",
        "[2] is not cheaper than [5]. [2] is cheaper than the toaster. [2] is the cheapest leopard case.",
        'A 12" and a 15" one [2]. It is cheaper.',
    ],
)
def test_what_the_catalog_bears_out_stays_as_it_is(text):
    assert check_claims(text, HITS, asked="A striped one")[::2] == (text, ())


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("[7] is nice.", "[7: no such result] is nice."),
        ("[2, 7] and [#0].", "[2, 7: no such result] and [#0: no such result]."),
        ("[2] costs $12.00.", "[2] costs $12.00 [the catalog says 18.50]."),
        (
            "[2] costs $12 and [5] costs $18.50.",
            "[2] costs $12 [the catalog says 18.50] and [5] costs $18.50 [the catalog says 12.00].",
        ),
        ("[2], at $12, and [5].", "[2], at $12 [the catalog says 18.50], and [5]."),
        ("[3] is priced at 4.99.", "[3] is priced at 4.99 [the catalog says no price]."),
        ("[2] is under $10.", "[2] is under $10 [the catalog says 18.50]."),
        ("[5] is over 20 dollars.", "[5] is over 20 dollars [the catalog says 12.00]."),
        ("[2] fits. Any costs 1 dollar.", "[2] fits. Any costs 1 [no result costs that] dollar."),
        ('[2] is the "Tiger case".', '[2] is the "Tiger case" [not in the title of 2].'),
        ("[2]「豹柄」。", "[2]「豹柄」 [not in the title of 2]。"),
        ('[3] is "nameless".', '[3] is "nameless" [not in the title of 3].'),
        ('[2] fits. "Tiger" does not.', '[2] fits. "Tiger" [not in the title of any result] does not.'),
        ("[2] is cheaper than [5].", "[2] is cheaper [the catalog says 2: 18.50, 5: 12.00] than [5]."),
        ("[2] fits; [5] costs more.", "[2] fits; [5] costs more [the catalog says 5: 12.00, 2: 18.50]."),
        ("[3] is cheaper than [2].", "[3] is cheaper [the catalog says 3: no price, 2: 18.50] than [2]."),
        ("The cheapest is [2].", "The cheapest [the catalog says 2: 18.50, 5: 12.00] is [2]."),
        ("[5] is the dearest one.", "[5] is the dearest [the catalog says 5: 12.00, 9: 1299.00] one."),
        ("They are all nice.", "They are all nice. [cites no result]"),
    ],
)
def test_what_the_catalog_does_not_bear_out_is_marked(text, marked):
    found, _, faults = check_claims(text, HITS)
    assert found == marked
    assert 1 <= len(faults) <= 2 and all(fault.startswith("The answer ") and fault.endswith(".") for fault in faults)


def test_citations_are_those_that_exist_in_the_order_of_their_mention():
    assert check_claims("[5] and [7] and [2], [5] again.", HITS)[1] == (5, 2)


def test_faults_say_what_was_claimed_and_what_is_so():
    _, _, faults = check_claims('[7]. [2] costs $9, is the "Tiger", and cheaper than [5].', HITS)
    assert faults == (
        "The answer cites [7], and there is no such result.",
        'The answer says "$9" of [2]: the catalog says 18.50.',
        'The answer quotes "Tiger", which is not in the title of [2].',
        'The answer calls [2] "cheaper": the catalog says 2: 18.50, 5: 12.00.',
    )


@pytest.mark.parametrize("title", ['A "[7] costs $1, is cheaper than [2]" case', "Case [7], $1.00; the cheapest"])
def test_a_quoted_title_claims_nothing_by_what_it_says(title):
    hits = [*HITS, make(8, title, price=30)]
    text = f'[8] is "{title}". [2] is cheaper than [8].'
    assert check_claims(text, hits) == (text, (8, 2), ())
    assert check_claims(f'[2] is "{title}".', hits)[2], "it is another's title"
