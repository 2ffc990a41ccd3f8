"""The records: what a query takes for text, and what it refuses."""

import re

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query, as_text, find_fault


@pytest.mark.parametrize(
    ("given", "text"),
    [(2024, "2024"), (0, "0"), (-1.5, "-1.5"), (True, "True"), (False, "False"), ("  a mug\n", "a mug"), ("👜", "👜")],
)
def test_what_papermill_made_of_a_text_is_the_text_again(given, text):
    assert Query(text=given).text == text


@pytest.mark.parametrize(
    ("given", "kind"), [(b"a mug", "bytes"), (["a", "mug"], "list"), ({}, "dict"), ((), "tuple"), (object(), "object")]
)
def test_what_no_command_makes_of_a_text_is_refused_by_its_kind(given, kind):
    with pytest.raises(RagError, match=f"The query's instruction is of the type {kind}: give it as text"):
        Query(image="a.jpg", text=given)


@pytest.mark.parametrize("given", ["half an emoji \ud83d", "\udc5c", "a\udcffb", "\ud800", "\udfff"])
def test_half_of_a_character_is_refused(given):
    with pytest.raises(RagError, match="half of a character") as caught:
        Query(text=given)
    str(caught.value).encode()  # it can be printed


def test_the_characters_beside_the_halves_are_whole():
    assert Query(text="\ud7ff\ue000").text == "\ud7ff\ue000"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("x" * 65_536, "a text has 65,536 bytes, and 65,535 fit"),
        ("é" * 32_768, "65,536 bytes"),
        ("half \ud83d", "half of a character"),
        (2**63, "more than 64 bits"),
        (-(2**63) - 1, "more than 64 bits"),
        (float("nan"), "not finite"),
        (float("-inf"), "not finite"),
        ({"$meta": 1}, r"'\$meta' is reserved"),
        ({0: 1}, "0 is reserved"),
        ({"a": {3: 1}}, "3 is reserved"),
        ({"a": [1, ("b", {"c": 2**63})]}, "more than 64 bits"),
        ({"x" * 65_536: 1}, "65,536 bytes"),
        ((1.0, float("inf")), "not finite"),
    ],
)
def test_what_no_store_can_keep_is_named_however_deep_it_lies(value, fault):
    assert re.search(fault, find_fault(value))


@pytest.mark.parametrize("value", ["x" * 65_535, "é" * 32_767, 2**63 - 1, -(2**63), 1e308, True, None, [], {}, {"": 0}])
def test_what_just_fits_a_store_has_no_fault(value):
    assert find_fault(value) is None and find_fault({"a": [value]}) is None


def test_a_query_of_nothing_is_empty():
    for text in (None, "", " \n"):
        with pytest.raises(RagError, match="The query is empty"):
            Query(text=text)
    assert Query(image="a.jpg", text=" ").text is None


def test_text_is_named_by_what_it_is_for():
    assert as_text(None, "The name") == ""
    with pytest.raises(RagError, match=re.escape("The name is of the type list: give it as text.")):
        as_text([], "The name")
