"""The drawn catalog on disk: the same every time, mended when damaged, never at the cost of other files."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from rag_lib.catalog import drawn
from rag_lib.catalog.drawn import load_drawn, make_drawn_catalog
from rag_lib.drawn.drawing import CATEGORIES, COLORED_THEMES, COLORS, LOOKS, NATURAL, NATURAL_THEMES
from rag_lib.drawn.wares import COUNT, LARGEST, plan
from rag_lib.errors import RagError
from rag_lib.images import content_id

FEW = 4  # products of the catalogs made here; the query pictures come on top


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "drawn"
    make_drawn_catalog(folder, count=FEW)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "drawn")


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_is_loaded_is_what_lies_on_disk(folder):
    catalog = load_drawn(folder, count=FEW)
    assert catalog.name == f"drawn_0_{FEW}" and catalog.root == folder
    assert len(catalog.items) == FEW
    for item in catalog.items:
        assert item.image_id == content_id(item.path) and len(item.image_id) == 32
        with Image.open(item.path) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (320, 320), "RGB")
        look = item.metadata["theme"], item.metadata["color"]
        assert look in LOOKS and item.metadata["category"] in CATEGORIES
        assert item.metadata["price"] > 0 and item.title
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    assert [(folder / row["file"], row["title"], row["price"]) for row in rows] == [
        (item.path, item.title, item.metadata["price"]) for item in catalog.items
    ]


def test_two_leopard_phone_cases_in_different_poses_come_first(folder):
    first, second = load_drawn(folder, count=FEW).items[:2]
    assert first.metadata["category"] == second.metadata["category"] == "phone case"
    assert first.metadata["theme"] == second.metadata["theme"] == "leopard"
    assert first.image_id != second.image_id


def test_query_pictures_are_there_and_described(folder):
    pictures = load_drawn(folder, count=FEW).query_pictures
    rows = [json.loads(line) for line in (folder / "query.jsonl").read_text("utf-8").splitlines()]
    metadata = {row["name"]: row for row in rows}
    assert {"leopard", "zebra", "tiger", "giraffe", "night-sky", "poppy-field", "umbrella", "vase"} <= set(pictures)
    assert set(metadata) == set(pictures)
    for name, path in pictures.items():
        assert path == folder / metadata[name]["file"] and path.is_file()
        assert (metadata[name]["theme"], metadata[name]["color"]) in LOOKS
    assert metadata["leopard"]["kind"] == "animal"


def test_the_same_seed_gives_the_same_bytes_alone_and_in_parallel(tmp_path, monkeypatch):
    for name, cores in {"a": 1, "b": 2}.items():
        monkeypatch.setattr("joblib.cpu_count", lambda cores=cores: cores)
        make_drawn_catalog(tmp_path / name, 3, count=20)  # enough for workers to be started
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_another_seed_gives_other_pictures(folder):
    before = load_drawn(folder, count=FEW)
    after = load_drawn(folder, 1, count=FEW)
    assert not {item.image_id for item in before.items} & {item.image_id for item in after.items}


def test_a_second_call_touches_nothing(folder):
    before = times(folder)
    load_drawn(folder, count=FEW)
    assert times(folder) == before


def test_damage_is_mended_and_nothing_else_is_drawn_again(folder):
    whole, before = files(folder), times(folder)
    truncated, deleted, *_ = sorted((folder / "products").iterdir())
    truncated.write_bytes(truncated.read_bytes()[:1000])
    deleted.unlink()
    shutil.rmtree(folder / "query")
    (folder / "items.jsonl").write_text("{}", "utf-8")
    load_drawn(folder, count=FEW)
    assert files(folder) == whole
    untouched = [path for path in before if path.parent.name == "products" and path not in (truncated, deleted)]
    assert untouched and all(path.stat().st_mtime_ns == before[path] for path in untouched)


def test_a_changed_byte_is_noticed(folder):
    victim = next((folder / "products").iterdir())
    right = victim.read_bytes()
    victim.write_bytes(right[:-100] + bytes(100))
    load_drawn(folder, count=FEW)
    assert victim.read_bytes() == right


def test_a_catalog_that_other_libraries_drew_is_drawn_again_as_a_whole(folder):
    """They give other bytes: then a damaged picture cannot become what the manifest says."""
    whole, victim = files(folder), next((folder / "products").iterdir())
    other = folder / "query" / "leopard.jpg"
    manifest = json.loads(whole["manifest.json"])
    for path in (victim, other):
        path.write_bytes(b"drawn otherwise")
        manifest["files"][path.relative_to(folder).as_posix()] = content_id(path)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    victim.unlink()
    load_drawn(folder, count=FEW)
    assert files(folder) == whole


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {"a": 1}}', "\udcff"])
def test_a_damaged_manifest_leads_to_a_new_catalog(folder, text):
    whole = files(folder)
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    load_drawn(folder, count=FEW)
    assert files(folder) == whole


def test_an_older_version_is_drawn_again(folder, monkeypatch):
    before = load_drawn(folder, count=FEW)
    monkeypatch.setattr(drawn, "DRAWING_VERSION", drawn.DRAWING_VERSION + 1)
    after = load_drawn(folder, count=FEW)
    assert not {item.image_id for item in before.items} & {item.image_id for item in after.items}
    assert json.loads((folder / "manifest.json").read_text("utf-8"))["drawing_version"] == drawn.DRAWING_VERSION


@pytest.mark.parametrize("name", ["holiday.jpg", "manifest.json"])
def test_other_files_are_never_replaced(tmp_path, name):
    theirs = tmp_path / "mine"
    theirs.mkdir()
    (theirs / name).write_text("{}", "utf-8")
    (theirs / "letter.txt").write_text("dear", "utf-8")
    before = files(theirs)
    with pytest.raises(RagError, match="was not drawn here"):
        load_drawn(theirs, count=FEW)
    assert files(theirs) == before


def test_a_file_added_to_the_catalog_survives_and_stops_a_redraw(folder):
    (folder / "notes.txt").write_text("mine", "utf-8")
    load_drawn(folder, count=FEW)  # whole: nothing to do
    with pytest.raises(RagError, match="notes.txt"):
        load_drawn(folder, 1, count=FEW)
    assert (folder / "notes.txt").read_text("utf-8") == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(RagError, match="cannot be kept in 'drawn'"):
        load_drawn(tmp_path / "file" / "drawn", count=FEW)
    with pytest.raises(RagError, match="'file' is a file"):
        load_drawn(tmp_path / "file", count=FEW)


def test_what_a_killed_run_has_begun_is_drawn_anew_and_nothing_is_left_beside(made, tmp_path):
    folder = tmp_path / "drawn"
    code = "import sys; from rag_lib.catalog.drawn import make_drawn_catalog as m; m(sys.argv[1], count=60)"
    root = Path(drawn.__file__).parents[2]
    run = subprocess.Popen([sys.executable, "-c", code, folder], stderr=subprocess.DEVNULL, cwd=root)
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob("products/*.jpg")):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    next(folder.glob("products/*.jpg")).write_bytes(b"half")
    (folder / ".0123456789abcdef.part.json").write_text("{")  # killed while the list was written
    assert len(load_drawn(folder, count=FEW).items) == FEW
    assert files(folder) == files(made)
    assert {path.name for path in tmp_path.iterdir()} == {"drawn", ".drawn.lock"}


def test_two_processes_that_start_together_draw_it_once(made, tmp_path):
    folder, root = tmp_path / "drawn", Path(drawn.__file__).parents[2]
    code = f"import sys; from rag_lib.catalog.drawn import make_drawn_catalog as m; m(sys.argv[1], count={FEW})"
    runs = [subprocess.Popen([sys.executable, "-c", code, folder], cwd=root) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]
    assert files(folder) == files(made)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_a_bad_seed_is_refused(tmp_path, seed):
    with pytest.raises(RagError, match="seed"):
        load_drawn(tmp_path / "drawn", seed)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [0, 1, LARGEST + 1, 2.5])
def test_a_bad_count_is_refused(tmp_path, count):
    with pytest.raises(RagError, match=f"from 2 to {LARGEST}"):
        load_drawn(tmp_path / "drawn", count=count)


def test_the_plan_is_even_and_repeats_only_the_pairs():
    products, queries = plan(0)
    assert len(products) == COUNT and 20 <= len(queries) <= 30
    by_category = Counter(picture.values["category"] for picture in products)
    assert len(by_category) == len(CATEGORIES) and max(by_category.values()) - min(by_category.values()) <= 1
    by_theme = Counter(picture.values["theme"] for picture in products)
    assert {by_theme[theme] for theme in COLORED_THEMES} <= {82, 83}
    assert {by_theme[theme] for theme in NATURAL_THEMES} <= {26, 27}
    by_color = Counter(picture.values["color"] for picture in products)
    assert max(by_color[color] for color in COLORS) - min(by_color[color] for color in COLORS) <= 4
    combinations = Counter(tuple(picture.values[key] for key in ("category", "theme", "color")) for picture in products)
    twice = [combination for combination, number in combinations.items() if number > 1]
    assert max(combinations.values()) == 2 and len(twice) == len(CATEGORIES)
    assert ("phone case", "leopard", NATURAL) in twice and ("toaster", "leopard", NATURAL) in combinations
    assert len({picture.file for picture in products + queries}) == len(products) + len(queries)
    assert len({picture.index for picture in products + queries}) == len(products) + len(queries)


def test_every_combination_fits_into_the_largest_plan():
    products, _ = plan(0, LARGEST)
    combinations = {tuple(picture.values[key] for key in ("category", "theme", "color")) for picture in products}
    assert len(combinations) == len(CATEGORIES) * len(LOOKS)
