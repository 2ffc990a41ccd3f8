"""A folder's weights are known by the names and the bytes of what can change a vector."""

import pytest

from rag_lib.encoders.others.source import folder_digest


def digest(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder_digest(folder)


@pytest.mark.parametrize(
    "others",
    [
        {"a.json": b"one", "b.json": b"twO"},
        {"b.json": b"one", "a.json": b"two"},  # the same bytes under each other's name
        {"a.json": b"onetwo", "b.json": b""},  # the same bytes, shared out otherwise
        {"a.json": b"oneb.jsontwo"},  # the other name among them
        {"a.json": b"oneb.json\0two"},
        {"a.json": b"one", "c.json": b"two"},
        {"a.json": b"one", "sub/b.json": b"two"},
        {"a.json": b"one", "b.json": b"two", "c.json": b""},
    ],
    ids=["a letter", "exchanged", "shared out", "a name within", "a name and its end", "renamed", "moved", "one more"],
)
def test_other_files_have_another_digest(tmp_path, others):
    known = digest(tmp_path / "one", {"a.json": b"one", "b.json": b"two"})
    assert digest(tmp_path / "two", {"a.json": b"one", "b.json": b"two", "README.md": b"of no weight"}) == known
    assert digest(tmp_path / "three", others) != known
