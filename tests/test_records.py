"""The records: what a query takes for text, and what it refuses."""

import re

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query, as_text


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


@pytest.mark.parametrize("given", ["half an emoji \ud83d", "\udc5c", "a\udcffb"])
def test_half_of_a_character_is_refused(given):
    with pytest.raises(RagError, match="half of a character") as caught:
        Query(text=given)
    str(caught.value).encode()  # it can be printed


def test_a_query_of_nothing_is_empty():
    for text in (None, "", " \n"):
        with pytest.raises(RagError, match="The query is empty"):
            Query(text=text)
    assert Query(image="a.jpg", text=" ").text is None


def test_text_is_named_by_what_it_is_for():
    assert as_text(None, "The name") == ""
    with pytest.raises(RagError, match=re.escape("The name is of the type list: give it as text.")):
        as_text([], "The name")
