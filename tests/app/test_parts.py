"""The app's parts without a server: choices, uploads, cards, the shared collection, the command."""

import threading
import time

import pytest
from PIL import Image

from rag_lib.app import cards, uploads
from rag_lib.app.__main__ import main
from rag_lib.app.choices import Choices
from rag_lib.app.faults import Unavailable
from rag_lib.app.picture import current_picture
from rag_lib.app.pipeline import Pipeline
from rag_lib.app.shared import SharedCollection
from rag_lib.collection import Collection, MilvusError
from rag_lib.errors import QueryError, RagError
from rag_lib.records import Evidence, Hit, Item, Ranking

OFFLINE = {"catalog": "drawn", "encoder": "pocket", "reranker": "pocket", "milvus_uri": "data/milvus.db"}


def test_what_costs_nothing_is_offered_beside_the_owners_reranker():
    assert list(Choices.of({**OFFLINE, "reranker": "gpt-4o"}).reranker) == ["gpt-4o", "pocket", "identity"]
    assert list(Choices.of({**OFFLINE, "reranker": "gpt-4o"}, rerankers=()).reranker) == ["gpt-4o"]


def test_a_visitor_is_told_neither_folders_nor_addresses():
    choices = Choices.of(
        {**OFFLINE, "catalog": ["/srv/secret/photos"], "milvus_uri": ["http://me:hush@db:19530/x", "/srv/a.db"]}
    )
    assert dict(choices.catalog) == {"photos": "/srv/secret/photos"}
    assert list(choices.milvus_uri) == ["Milvus server", "a.db"]
    assert choices.name("milvus_uri", "Milvus server") == "http://me:hush@db:19530/x"
    several = Choices.of(
        {**OFFLINE, "milvus_uri": ["http://db:19530", "a.db", "https://backup:443"], "catalog": "../x"}
    )
    assert list(several.milvus_uri) == ["Milvus server", "a.db", "Milvus server 2"] and list(several.catalog) == ["x"]


def test_only_what_is_offered_can_be_chosen():
    choices = Choices.of({**OFFLINE, "catalog": ["drawn", "/srv/photos"]})
    assert choices.name("catalog", "") == "drawn"
    for label in ("/srv/photos", "/etc", "amazon"):
        with pytest.raises(RagError, match="does not offer the catalog"):
            choices.name("catalog", label)


def test_two_choices_need_two_labels():
    with pytest.raises(RagError, match="both be called 'photos'"):
        Choices.of({**OFFLINE, "catalog": ["/a/photos", "/b/photos"]})


def test_an_unknown_parameter_is_named():
    with pytest.raises(RagError, match="no parameter 'enocder'.*Did you mean 'encoder'"):
        Choices.of({**OFFLINE, "enocder": "pocket"})


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


def test_an_upload_is_shrunk(folder):
    path = folder / "big.png"
    Image.new("RGB", (3000, 1500), "red").save(path)
    for _ in range(2):  # the same content from two visitors: one file
        assert uploads.take({"path": str(path)}, folder).size == (1024, 512)


def test_an_upload_that_is_no_picture_is_a_sentence(folder):
    path = folder / "bad.png"
    path.write_text("nothing")
    with pytest.raises(RagError, match="cannot be used: it is not a picture"):
        uploads.take({"path": str(path)}, folder)


def test_nothing_outside_of_the_uploads_is_opened(folder, tmp_path):
    private = tmp_path / "private.png"
    Image.new("RGB", (9, 9)).save(private)
    (folder / "link.png").symlink_to(private)
    paths = [str(path) for path in (private, folder / ".." / "private.png", folder / "link.png", folder)]
    named = [{"path": path} for path in (*paths, "", None, "\0", "\ud800", 7, [paths[0]])]
    for upload in (*named, {}, paths[0], 7, [], True):
        with pytest.raises(QueryError, match="not here any more"):
            uploads.take(upload, folder)


def test_a_crop_takes_the_box():
    image = Image.new("RGB", (100, 50))
    assert uploads.crop(image, None) is image
    assert uploads.crop(image, [0.1, 0.2, 0.6, 1]).size == (50, 40)


@pytest.mark.parametrize(
    "box",
    [
        [0, 0, 1],
        ["a", 0, 1, 1],
        5,
        [0, 0, float("nan"), 1],
        [0, 0, 10**400, 1],
        [-0.1, 0, 1, 1],
        [0.5, 0, 0.5, 1],
        [0, 0, 0.01, 1],
    ],
)
def test_a_box_that_is_none_is_a_sentence(box):
    with pytest.raises(RagError, match="crop"):
        uploads.crop(Image.new("RGB", (100, 50)), box)


def test_a_search_means_the_picture_that_is_shown():
    last, example = Image.new("RGB", (9, 9)), Image.new("RGB", (8, 8))
    assert current_picture({"preview": "data:..."}, last, {}.get) is last
    assert current_picture({"preview": "data:...", "example": "zebra"}, last, {"zebra": example}.get) is example
    assert current_picture({}, last, {}.get) is None, "removed"
    with pytest.raises(RagError, match="still on its way"):
        current_picture({"path": "/upload"}, last, {}.get)
    with pytest.raises(RagError, match="was forgotten"):
        current_picture({"preview": "data:..."}, None, {}.get)


@pytest.fixture
def pipeline(home, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(home))
    return Pipeline(Choices.of({**OFFLINE, "catalog": ["pictures", str(home / "gone")]}))


def test_a_slow_load_holds_up_only_those_who_asked_for_it(pipeline, monkeypatch):
    begun, go_on, loads = threading.Event(), threading.Event(), []

    def slow(name):
        loads.append(name)
        begun.set()
        assert go_on.wait(60)
        return name

    monkeypatch.setattr("rag_lib.app.pipeline.load_encoder", slow)
    waiting = [threading.Thread(target=pipeline.encoder) for _ in range(2)]
    [thread.start() for thread in waiting]
    assert begun.wait(60)
    others = threading.Thread(target=pipeline.catalog)
    others.start()
    others.join(60)
    assert not others.is_alive()
    go_on.set()
    [thread.join(60) for thread in waiting]
    assert loads == ["pocket"]


def test_what_does_not_load_is_told_without_the_owners_folder(pipeline, home):
    with pytest.raises(Unavailable, match="The catalog cannot be loaded just now") as told:
        pipeline.catalog("gone")
    assert str(home) not in str(told.value) and str(home) in str(told.value.__cause__)


@pytest.fixture
def hits(tmp_path):
    Image.new("RGB", (20, 20), "green").save(tmp_path / "a.png")
    titles = ("First <b>", "Second & last")
    return [Hit(n, 1 - n / 10, Item(f"id{n}", tmp_path / "a.png", t, {"price": 5.0})) for n, t in enumerate(titles, 1)]


def test_cards_escape_what_is_not_ours(hits):
    found = Evidence(violates=("<script>alert(1)</script>",))
    ranking = Ranking(tuple(reversed(hits)), "because <i>", {"id2": found, "id1": found}, {"missing": 1})
    page = cards.winner(ranking) + cards.others(ranking) + cards.gallery(hits, ranking=ranking)
    page += cards.status(["<u>"], kind="error")
    for raw in ("<script", "First <b>", "because <i>", "<u>"):
        assert raw not in page
    assert "First &lt;b&gt;" in page and "because &lt;i&gt;" in page and "Repaired in the reply: 1 missing" in page


def test_a_reranked_gallery_tells_where_a_hit_came_from(hits):
    page = cards.gallery(hits, ranking=Ranking(tuple(reversed(hits))))
    assert page.index("Second") < page.index("First")
    assert page.count('class="was"') == 2 and page.count("hit best") == 1


def test_a_gallery_of_nothing_is_a_sentence():
    assert "loosen" in cards.gallery([])


def test_a_picture_that_is_gone_is_said(tmp_path):
    assert "unreadable" in cards.gallery([Hit(1, 0.5, Item("x", tmp_path / "gone.png", "gone"))])


@pytest.fixture
def store(tmp_path):
    return lambda: Collection(str(tmp_path / "m.db"), "things", dim=4)


def test_a_store_is_let_go_when_nobody_asks(store):
    shared = SharedCollection(store, idle=0.2)
    with shared.use() as first:
        pass
    with shared.use() as second:
        assert second is first
    for _ in range(100):
        if repr(first).endswith("closed)"):
            break
        time.sleep(0.05)
    assert repr(first).endswith("closed)")
    with shared.use() as third:
        assert third.count() == 0
    shared.close()


def test_after_a_failure_of_the_store_it_is_opened_anew(store):
    shared = SharedCollection(store)
    with pytest.raises(MilvusError):
        with shared.use() as first:
            raise MilvusError("gone")
    with shared.use() as second:
        assert second is not first and second.count() == 0
    shared.close()


def test_a_store_that_cannot_be_opened_is_told_without_its_folder(store, tmp_path):
    shared = SharedCollection(lambda: Collection(str(tmp_path / "gone.db"), "things"))
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be opened just now") as told:
            with shared.use():
                pass
        assert str(tmp_path) not in str(told.value) and "holds no collection" in str(told.value.__cause__)
    shared.close()


def test_visitors_take_turns(store):
    shared, inside, most = SharedCollection(store), [], []

    def visit():
        with shared.use():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=visit) for _ in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    shared.close()
    assert most == [1] * 5


def test_the_command_says_what_is_wrong(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    assert main(["--edition", "offlin"]) == 1
    assert "Did you mean 'offline'" in capsys.readouterr().err
    assert main(["-p", "catalog", "nowhere"]) == 1
    assert "There is no catalog 'nowhere'" in capsys.readouterr().err
