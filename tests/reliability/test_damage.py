"""Files that were cut, changed or deleted: found, named, and made again from what is whole, or refused in a sentence.

One seed is one damage of one file, in a home of its own; what may be served afterwards is all or nothing.
"""

import random
import shutil
from pathlib import Path

import pytest
import reliability_work as work
from processes import Refused, finish

COUNT = 40


def damage(seed, folder, pattern="*"):
    """Do one thing to one file below `folder`; returns what, in words."""
    chance = random.Random(f"damage {seed}")
    files = sorted(path for path in Path(folder).rglob(pattern) if path.is_file() and path.name != "LOCK")
    file, kind = chance.choice(files), KINDS[seed % len(KINDS)]
    content = bytearray(file.read_bytes())
    if kind == "deleted":
        file.unlink()
    elif kind == "emptied":
        file.write_bytes(b"")
    elif kind == "cut":
        file.write_bytes(content[: chance.randrange(max(1, len(content)))])
    elif kind == "followed by rubbish":
        file.write_bytes(content + chance.randbytes(99))
    elif content:
        for _ in range(1 if kind == "flipped in one bit" else 64):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
    return f"{file.relative_to(folder)} {kind}"


KINDS = ("deleted", "emptied", "cut", "flipped in one bit", "flipped in many bits", "followed by rubbish")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A home with an index, its cache and kept replies, and what they give."""
    home = tmp_path_factory.mktemp("whole") / "home"
    work.make_pictures(home / "pictures", COUNT)
    results = {task.__name__: finish(task, str(home))[0] for task in (work.fill, work.reply, work.train)}
    return home, results


@pytest.fixture
def copy(whole, tmp_path):
    """Under the same name, because a collection's has the folder's path in it."""
    home, results = whole
    aside = tmp_path / "home"
    shutil.copytree(home, aside)
    return aside, results


def refill(home):
    """What the opening gives after the damage, without the count of what was encoded again."""
    found = finish(work.fill, str(home))[0]
    return {key: value for key, value in found.items() if key not in ("before", "paid")}


@pytest.fixture(scope="session")
def expected(whole):
    return refill(whole[0])


@pytest.mark.cases(6, 100)
def test_collection(seed, whole, expected, tmp_path):
    """Files of the local Milvus folder damaged: it is made again whole from the cache, or refused with what to do"""
    home = whole[0]
    store, aside = home / "milvus.db", tmp_path / "milvus.db"
    shutil.copytree(store, aside)
    try:
        what = damage(seed, store)
        try:
            assert refill(home) == expected, what
        except Refused as refused:
            assert "delete it" in str(refused) or "open_index" in str(refused), (what, str(refused))
    finally:
        shutil.rmtree(store)
        shutil.copytree(aside, store)


@pytest.mark.cases(2, 30)
def test_cache(seed, copy):
    """Files of the embedding cache damaged: what is whole is used, the rest is encoded again"""
    home, _ = copy
    what = damage(seed, home / "data" / "embeddings")
    shutil.rmtree(home / "milvus.db")
    first = refill(home)
    again = finish(work.fill, str(home))[0]
    assert (first["count"], again["count"], again["before"]) == (COUNT, COUNT, COUNT), what
    shutil.rmtree(home / "data" / "embeddings")
    shutil.rmtree(home / "milvus.db")
    assert refill(home) == first, what


@pytest.mark.cases(2, 25)
def test_replies(seed, copy):
    """Kept replies damaged: the model is asked again, and no other answer is given"""
    home, results = copy
    what = damage(seed, home / "data" / "replies")
    assert finish(work.reply, str(home))[0]["replies"] == results["reply"]["replies"], what


@pytest.mark.cases(2, 20)
def test_checkpoint(seed, copy):
    """A training's checkpoint damaged: it is refused with what to do, or the weights are the same"""
    home, results = copy
    what = damage(seed, home / "runs" / "training", "tower.pt")
    try:
        assert finish(work.train, str(home))[0]["weights"] == results["train"]["weights"], what
    except Refused as refused:
        assert "delete" in str(refused), what


@pytest.mark.cases(3, 30)
def test_weights(seed, tmp_path):
    """The pocket's and photo's weights damaged: they do not load, and the file is named"""
    name = ("pocket", "photo")[seed % 2]
    folder = tmp_path / name
    shutil.copytree(Path(work.index.__file__).parent / "weights" / name, folder)
    for path in (*folder.glob("*.md"), *folder.glob("*.png")):
        path.unlink()
    what = damage(seed, folder)
    try:
        finish(work.load, str(tmp_path), name, str(folder))
    except Refused as refused:
        assert what.split()[0] in str(refused) or "SHA256SUMS" in str(refused), (what, str(refused))
    else:
        assert "rubbish" in what or "SHA256SUMS" in what, what


@pytest.mark.cases(2, 20)
def test_archive(seed, tmp_path):
    """A downloaded archive damaged: refused, nothing of it is left, and the next download is used"""
    import tarfile

    home = tmp_path / "home"
    work.make_pictures(tmp_path / "images_folder", 30)
    archive = tmp_path / "archives" / "subset.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "images_folder", "images_folder")
    good = archive.read_bytes()
    what = damage(seed, archive.parent)
    try:
        found = finish(work.unpack, str(home), str(archive))[0]
        assert found["names"] == 30, what
    except Refused as refused:
        assert "subset.tar.gz" in str(refused), what
    assert not [path for path in home.rglob("*") if path.name.startswith(".unpacking")], what
    archive.write_bytes(good)
    assert finish(work.unpack, str(home), str(archive))[0]["names"] == 30
