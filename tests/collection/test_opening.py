"""Where what a collection can be called and have begins and ends."""

import pytest

from rag_lib.collection.opening import MAX_DIM, _lacks, check_name, check_options
from rag_lib.errors import RagError


@pytest.mark.parametrize("name", ["a", "_", "shop_2", "x" * 255])
def test_a_name_of_letters_digits_and_underlines_is_one(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "2shop", "my-shop", "a shop", "läden", "x" * 256])
def test_any_other_name_is_refused(name):
    with pytest.raises(RagError, match="cannot name a collection"):
        check_name(name)


def test_the_largest_dimension_can_be_had_and_one_more_is_refused():
    check_options(1, None, local=True)
    check_options(MAX_DIM, None, local=True)
    for dim in (0, MAX_DIM + 1):
        with pytest.raises(RagError, match=f"dim is {dim}; it must be"):
            check_options(dim, None, local=True)


def test_an_index_that_a_local_folder_does_not_have_may_be_a_servers():
    check_options(8, "DISKANN", local=False)
    with pytest.raises(RagError, match="The index 'HNWS' is none of .* which a local .db has.*HNSW"):
        check_options(8, "HNWS", local=True)


VERSIONS = {
    "1.9": False,
    "2.3.5": False,
    "v2.4.99": False,
    "2.5.0": True,
    "v2.5-dev": True,
    "2.10": True,
    "3.0": True,
    "": True,
}


@pytest.mark.parametrize(("version", "full"), VERSIONS.items())
def test_what_a_server_lacks_is_known_by_its_version(version, full):
    said = _lacks("http://host", version)
    assert (
        said == ""
        if full
        else said.startswith("http://host is Milvus " + version.strip("v")) and "2.5 or newer" in said
    )
