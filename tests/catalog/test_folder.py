import ctypes
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from rag_lib.catalog import load_catalog, load_folder, query_picture
from rag_lib.catalog.folder import catalog_name, title_of
from rag_lib.errors import RagError
from rag_lib.images import content_id


def draw(path, color):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), color).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "My images"
    draw(root / "red_phone-case.png", "red")
    draw(root / "shoes" / "blue.jpg", "blue")
    draw(root / "shoes" / "Green.WEBP", "green")
    draw(root / "query" / "leopard.jpg", "orange")
    return root


def by_name(catalog):
    return {item.path.relative_to(catalog.root).as_posix(): item for item in catalog.items}


def test_pictures_become_items_in_the_order_of_their_paths(folder):
    catalog = load_folder(folder)
    assert list(by_name(catalog)) == ["red_phone-case.png", "shoes/Green.WEBP", "shoes/blue.jpg"]
    red = catalog.items[0]
    assert (red.title, dict(red.metadata)) == ("red phone case", {})
    assert red.image_id == content_id(folder / "red_phone-case.png")
    assert dict(catalog.query_pictures) == {"leopard": folder / "query" / "leopard.jpg"}
    assert catalog.skipped == ()
    assert load_folder(folder) == catalog


def test_a_folder_given_by_a_relative_path_keeps_whole_paths(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    catalog = load_folder("My images")
    monkeypatch.chdir("/")
    assert catalog == load_folder(folder) and all(item.path.is_absolute() for item in catalog.items)


def test_query_pictures_of_the_same_stem_keep_apart(folder):
    draw(folder / "query" / "leopard.png", "yellow")
    assert set(load_folder(folder).query_pictures) == {"leopard", "leopard.png"}


def test_duplicates_and_non_pictures_are_listed_not_dropped(folder):
    (folder / "zz_copy.png").write_bytes((folder / "red_phone-case.png").read_bytes())
    (folder / "fake.jpg").write_text("hello")
    (folder / "empty.gif").touch()
    catalog = load_folder(folder)
    assert len(catalog.items) == 3
    reasons = {skip.path.name: skip.reason for skip in catalog.skipped}
    assert reasons["zz_copy.png"] == "same picture as red_phone-case.png"
    assert "not a picture" in reasons["fake.jpg"]
    assert reasons["empty.gif"] == "the file is empty"


def test_pictures_of_other_formats_are_listed_not_ignored(folder):
    Image.new("RGB", (8, 8)).save(folder / "scan.TIF", "TIFF")
    for name in ("IMG_1.heic", "web.avif", "camera.dng", "notes.txt"):
        (folder / name).write_bytes(b"x")
    Image.new("RGB", (8, 8), "pink").save(folder / "saved.jfif", "JPEG")
    catalog = load_folder(folder)
    assert "saved.jfif" in by_name(catalog) and len(catalog.items) == 4
    assert {skip.path.name: skip.reason for skip in catalog.skipped} == {
        name: f"{suffix} files are not read: save it as .jpg or .png"
        for name, suffix in {
            "IMG_1.heic": ".heic", "camera.dng": ".dng", "scan.TIF": ".tif", "web.avif": ".avif",
        }.items()
    }  # fmt: skip


def test_pictures_that_are_not_named_as_one_are_listed_and_texts_are_not(folder):
    picture = (folder / "shoes" / "blue.jpg").read_bytes()
    for name in ("bare", "photo.jpg.download", "query/sent", "shoes/old.jpe", "e.tga"):
        (folder / name).write_bytes(picture)
    for name in ("notes.txt", "README", "data.json", ".hidden", "BM"):
        (folder / name).write_text("BM GIF89a")
    os.mkfifo(folder / "pipe")
    catalog = load_folder(folder)
    wrong = "it is not named as a picture: rename it to .jpg or .png"
    assert {skip.path.relative_to(folder).as_posix(): skip.reason for skip in catalog.skipped} == {
        "bare": wrong,
        "photo.jpg.download": wrong,
        "query/sent": wrong,
        "shoes/old.jpe": ".jpe files are not read: save it as .jpg or .png",
        "e.tga": ".tga files are not read: save it as .jpg or .png",
    }
    assert len(catalog.items) == 3 and list(catalog.query_pictures) == ["leopard"]


def test_a_row_that_names_a_text_is_listed(folder):
    (folder / "notes.txt").write_text("x")
    (folder / "metadata.csv").write_text("file,title\nred_phone-case.png,Case\nnotes.txt,Notes\n")
    [(path, reason)] = load_folder(folder).skipped
    assert path.name == "notes.txt" and reason == "named in metadata.csv line 3, but no picture of the folder"


def test_a_folder_of_other_formats_says_why_it_has_nothing(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"x")
    with pytest.raises(RagError, match=r"No usable picture .*IMG_1\.HEIC: \.heic files are not read: save it as"):
        load_folder(tmp_path)


def test_links_loops_and_pipes_are_listed_with_the_reason(folder):
    (folder / "gone.jpg").symlink_to("nowhere")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "round").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "inside.jpg").mkdir()
    draw(folder / "inside.jpg" / "pink.png", "pink")
    catalog = load_folder(folder)
    assert "inside.jpg/pink.png" in by_name(catalog) and len(catalog.items) == 4
    assert {skip.path.name: skip.reason for skip in catalog.skipped} == {
        "gone.jpg": "it links to a file that is not there",
        "round": "a linked folder is not entered",
        "loop.jpg": "it cannot be read (too many levels of symbolic links)",
        "pipe.jpg": "it is a device or a pipe, not a file",
    }


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS makes no such names")
def test_a_name_that_is_not_utf8_is_listed_in_a_form_that_can_be_printed(folder):
    draw(folder / "x.png", "pink").rename(folder / os.fsdecode(b"caf\xe9.png"))
    draw(folder / "写真 🐆.png", "brown")
    catalog = load_folder(folder)
    assert "写真 🐆.png" in by_name(catalog)
    [(path, reason)] = catalog.skipped
    assert path.name == "caf\ufffd.png" and "not valid UTF-8" in reason and f"{path}".encode()


def test_a_folder_without_usable_pictures_is_an_error(tmp_path):
    with pytest.raises(RagError, match="No usable picture"):
        load_folder(tmp_path)
    (tmp_path / "fake.jpg").write_text("hello")
    with pytest.raises(RagError, match=r"fake\.jpg: it is not a picture"):
        load_folder(tmp_path)
    draw(tmp_path / "query_pictures" / "a.png", "red")
    with pytest.raises(RagError, match="No usable picture"):
        load_folder(tmp_path)
    with pytest.raises(RagError, match="was not found"):
        load_folder(tmp_path / "none")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_values_are_typed_by_column(folder, delimiter):
    rows = [
        ["File", "Title", "price", "category", "stock", "code", "rating", "mixed", "sale"],
        ["red_phone-case.png", "Red case", "$12.50", "7", "3", "007", "4", "1", "True"],
        ["./shoes\\blue.jpg", "", "9", "shoe", "0", "012", "4.5", "one", "false"],
    ]
    text = "\n".join(delimiter.join(row) for row in rows)
    (folder / "metadata.csv").write_text(text, encoding="utf-8-sig")
    items = by_name(load_folder(folder))
    assert items["red_phone-case.png"].title == "Red case"
    assert dict(items["red_phone-case.png"].metadata) == {
        "price": 12.5, "category": "7", "stock": 3, "code": "007", "rating": 4.0, "mixed": "1", "sale": True,
    }  # fmt: skip
    blue = items["shoes/blue.jpg"]
    assert blue.title == "blue"
    assert isinstance(blue.metadata["price"], float) and blue.metadata["sale"] is False
    assert type(blue.metadata["stock"]) is int and type(items["red_phone-case.png"].metadata["rating"]) is float
    assert dict(items["shoes/Green.WEBP"].metadata) == {}


def typed(folder, *texts):
    """What a CSV column of these texts becomes."""
    names = [draw(folder / f"{number}.png", (number, 9, 9)).name for number in range(len(texts))]
    (folder / "metadata.csv").write_text(
        "file,x\n" + "".join(f'{name},"{text}"\n' for name, text in zip(names, texts, strict=True))
    )
    items = by_name(load_folder(folder))
    return [items[name].metadata.get("x") for name in names]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1234567890123456789", "1234567890123456790", "5"], [1234567890123456789, 1234567890123456790, 5]),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "5"], ["9223372036854775808", "5"]),  # more than 64 bits
        (["1234567890123456789", "4.5"], ["1234567890123456789", "4.5"]),  # as a float it would be ...768
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
        (["9007199254740992", "0.5"], [9007199254740992.0, 0.5]),
        (["7" * 5000, "1"], ["7" * 5000, "1"]),  # more digits than Python's int() takes
        (["12.50", "1e3", "-0.0"], [12.5, 1000.0, -0.0]),
        (["0.33333333333333331", "3.140000000000000124e+00"], [1 / 3, 3.14]),  # as C and numpy write a float
        (["0.1234567890123456789", "1"], ["0.1234567890123456789", "1"]),
        (["1e-400", "1"], ["1e-400", "1"]),
        (["1e400", "1"], ["1e400", "1"]),
        (["1e9999999999999999999", "1"], ["1e9999999999999999999", "1"]),
        (["+4915112345678", "5"], ["+4915112345678", "5"]),  # a telephone number
        (["٣", "5"], ["٣", "5"]),
        (["12", "N/A", "7"], [12, None, 7]),
        (["1.5", "-", "nan"], [1.5, None, None]),
        (["TRUE", "false", "null"], [True, False, None]),
        (["None", "N/A"], ["None", "N/A"]),
        (["cotton", "None"], ["cotton", "None"]),
    ],
)
def test_csv_numbers_keep_every_digit_or_stay_text(folder, texts, values):
    found = typed(folder, *texts)
    assert found == values and [type(value) for value in found] == [type(value) for value in values]


def test_csv_values_keep_the_order_of_their_columns(folder):
    (folder / "metadata.csv").write_text("brand,file,stock,rating,new\nx,red_phone-case.png,3,4.5,true\n")
    assert list(by_name(load_folder(folder))["red_phone-case.png"].metadata) == ["brand", "stock", "rating", "new"]


def test_jsonl_keeps_its_types(folder):
    (folder / "metadata.jsonl").write_text(
        '{"file_name": "shoes/blue.jpg", "title": "青い靴", "price": 5, "tags": ["a", "b"], "size": null}\n\n'
        '{"file_name": "red_phone-case.png", "color": "red, \\"dark\\""}\n',
        encoding="utf-8",
    )
    items = by_name(load_folder(folder))
    assert items["shoes/blue.jpg"].title == "青い靴"
    assert dict(items["shoes/blue.jpg"].metadata) == {"price": 5.0, "tags": ["a", "b"]}
    assert items["red_phone-case.png"].metadata["color"] == 'red, "dark"'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metadata.csv", "file,title\nred_phone-case.png,a,b\n", "line 2 has 3 values for 2 columns"),
        ("metadata.csv", "file,title\nred_phone-case.png\n", "line 2 has 1 values for 2 columns"),
        ("metadata.csv", 'file,title\nred_phone-case.png,"open\n', "not valid CSV"),
        ("metadata.csv", "name,title\na.png,b\n", "line 2 has no column 'file'"),
        ("metadata.csv", "file,title\n,b\n", "line 2 has no file name"),
        ("metadata.csv", "file,price\nred_phone-case.png,cheap\n", "line 2 has the price 'cheap'"),
        ("metadata.csv", "file,price\nred_phone-case.png,nan\n", "price 'nan'"),
        (
            "metadata.csv",
            "file,a\nred_phone-case.png,1\nred_phone-case.png,2\n",
            "line 3 names .* again, after .* line 2",
        ),
        ("metadata.csv", "file,vector\nred_phone-case.png,1\n", "'vector', which is taken"),
        ("metadata.csv", "file\nimages/other.png\n", "relative to that folder"),
        ("metadata.jsonl", '{"file": "red_phone-case.png"}\n{"file": \n', "line 2 is not valid JSON"),
        ("metadata.jsonl", "[1]\n", "line 1 is not an object"),
        ("metadata.jsonl", '{"file": "a", "x": NaN}\n', "line 1 holds NaN, which is no 64-bit number"),
        ("metadata.jsonl", '{"file": 7}\n', "line 1 has no file name"),
        ("metadata.csv", "file,tag,brand,tag\nred_phone-case.png,1,2,3\n", "line 1 has the column 'tag' 2 times"),
        ("metadata.csv", "file,Title,title \nred_phone-case.png,a,b\n", "line 1 has the column 'title' 2 times"),
        ("metadata.jsonl", '{"file": "a", "Title": "x", "title": "y"}\n', "line 1 has the column 'title' 2 times"),
        ("metadata.jsonl", '{"file": "a", "x": 1, "x": 2}\n', "line 1 is not valid JSON .*'x' stands .* 2 times"),
        ("metadata.jsonl", '{"file": "a", "x": {"y": 1, "y": 2}}\n', "'y' stands in one object 2 times"),
        ("metadata.jsonl", '{"file": "a"}\n{"file": "b", "title": "cut \\ud83d"}\n', "line 2 has half a character"),
        ("metadata.jsonl", '{"file": "a", "tags": ["\\udc00"]}\n', "line 1 has half a character"),
        ("metadata.jsonl", '{"file": "a", "\\ud83d": 1}\n', "line 1 has half a character"),
        ("metadata.jsonl", '{"file": "\\ud83d.png"}\n', "line 1 has half a character.*in the file name"),
        (
            "metadata.jsonl",
            '{"file": "a"}\n\n{"file": "b", "x": 12345678901234567890123}\n',
            "line 3 holds 12345678901",
        ),
        ("metadata.jsonl", '{"file": "a", "x": [-9223372036854775809]}\n', "line 1 holds -9223372036854775809"),
        ("metadata.jsonl", '{"file": "a", "x": ' + "7" * 5000 + "}\n", "line 1 holds 7777777.* in double quotes"),
        ("metadata.jsonl", '{"file": "a", "x": {"y": 1e400}}\n', "line 1 holds 1e400"),
        ("metadata.jsonl", '{"file": "a", "price": 1e400}\n', "line 1 holds 1e400"),
        ("metadata.jsonl", '{"file": "a", "title": "' + "é" * 32_768 + '"}\n', "line 1 has 65,536 bytes in .*'title'"),
        ("metadata.csv", "file,theme\nred_phone-case.png," + "x" * 65_536 + "\n", "line 2 has 65,536 bytes"),
        (
            "metadata.jsonl",
            '{"file": "a", "x": "' + "x" * 40_000 + '", "y": "' + "y" * 40_000 + '"}\n',
            "other columns",
        ),
        ("metadata.jsonl", '{"file": "a", "$meta": 1}\n', r"line 1 has a column '\$meta', which is taken"),
        ("metadata.csv", "file,title_bm25\nred_phone-case.png,1\n", "'title_bm25', which is taken"),
    ],
)
def test_broken_metadata_names_the_line(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(RagError, match=message):
        load_folder(folder)


def test_the_largest_values_that_a_collection_holds_are_read(folder):
    row = {"file": "red_phone-case.png", "title": "é" * 32_767 + "x", "x": 2**63 - 1, "y": -(2**63), "z": 1e308}
    (folder / "metadata.jsonl").write_text(json.dumps(row))
    item = by_name(load_folder(folder))["red_phone-case.png"]
    assert {"file": "red_phone-case.png", "title": item.title, **item.metadata} == row


def test_empty_columns_at_the_end_as_spreadsheets_write_them_do_no_harm(folder):
    (folder / "metadata.csv").write_text("file,title,,\nred_phone-case.png,Case,,\n\nshoes/blue.jpg,Shoe,,\n")
    assert [item.title for item in load_folder(folder).items] == ["Case", "Green", "Shoe"]


@pytest.mark.parametrize("name", ["Metadata.csv", "METADATA.CSV"])
def test_the_name_of_the_metadata_file_may_have_capitals(folder, name):
    (folder / name).write_text("file,stock\nred_phone-case.png,3\n")
    assert by_name(load_folder(folder))["red_phone-case.png"].metadata == {"stock": 3}
    (folder / "metadata.jsonl").touch()
    with pytest.raises(RagError, match=f"'My images' has {name} and metadata.jsonl: keep one"):
        load_folder(folder)


def test_metadata_that_is_not_read_is_listed(folder):
    for name in ("metadata.json", "metadata.xlsx", "shoes/metadata.csv", "query/Metadata.jsonl"):
        (folder / name).write_text("file,title\nblue.jpg,Blue\n")
    (folder / "metadata.jsonl").write_text('{"file": "shoes/blue.jpg", "title": "Blue shoe"}\n')
    catalog = load_folder(folder)
    assert by_name(catalog)["shoes/blue.jpg"].title == "Blue shoe"
    assert {skip.path.relative_to(folder).as_posix(): skip.reason for skip in catalog.skipped} == dict.fromkeys(
        ["metadata.json", "metadata.xlsx", "shoes/metadata.csv", "query/Metadata.jsonl"],
        "not read: metadata is one metadata.csv or metadata.jsonl in the folder itself",
    )


@pytest.mark.parametrize(("disk", "row"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_name_is_one_in_either_spelling_of_its_accents(folder, disk, row):
    """Archives from macOS bring e and an accent, spreadsheets write é."""
    on_disk, in_row = (unicodedata.normalize(form, "prêt-à-porter/Café_crème.png") for form in (disk, row))
    draw(folder / on_disk, "brown")
    draw(folder / "query" / unicodedata.normalize(disk, "léopard.jpg"), "orange")
    column = unicodedata.normalize(row, "Größe")
    (folder / "metadata.csv").write_text(f"file,{column}\n{in_row},38\n", encoding="utf-8")
    catalog = load_folder(folder)
    item = by_name(catalog)[on_disk]
    assert (item.title, dict(item.metadata), catalog.skipped) == ("Café crème", {"größe": 38}, ())
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "léopard")
        assert query_picture(catalog, name) == folder / "query" / unicodedata.normalize(disk, "léopard.jpg")


def copy(path, *others):
    for other in others:
        (path.parent / other).write_bytes(path.read_bytes())


def test_two_products_with_one_photo_are_said_with_both_titles(folder):
    copy(folder / "red_phone-case.png", "second.png", "third.png", "zz.png")
    (folder / "metadata.csv").write_text(
        "file,title,price\nred_phone-case.png,Red case,9\nsecond.png,Crimson case,12\nthird.png,Red case,9\n"
    )
    catalog = load_folder(folder)
    assert by_name(catalog)["red_phone-case.png"].title == "Red case"
    assert {skip.path.name: skip.reason for skip in catalog.skipped} == {
        "second.png": "same picture as red_phone-case.png, which stays 'Red case'; "
        "metadata.csv line 3, 'Crimson case', is not used",
        "third.png": "same picture as red_phone-case.png",
        "zz.png": "same picture as red_phone-case.png",
    }


def test_of_twins_the_one_that_the_metadata_names_is_kept(folder):
    copy(folder / "red_phone-case.png", "second.png", "third.png")
    (folder / "metadata.csv").write_text("file,title,price\nsecond.png,Crimson case,12\n")
    catalog = load_folder(folder)
    assert list(by_name(catalog)) == ["second.png", "shoes/Green.WEBP", "shoes/blue.jpg"]
    assert (catalog.items[0].title, dict(catalog.items[0].metadata)) == ("Crimson case", {"price": 12.0})
    assert [(skip.path.name, skip.reason) for skip in catalog.skipped] == [
        ("red_phone-case.png", "same picture as second.png"),
        ("third.png", "same picture as second.png"),
    ]


def test_a_folder_that_is_too_deep_to_be_read_is_skipped_by_name(folder, monkeypatch):
    """Longer than any path may be: only a program that goes down step by step makes one."""
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    for _ in range(25):
        os.mkdir("x" * 250)
        os.chdir("x" * 250)
    catalog = load_folder(folder)
    assert len(catalog.items) == 3
    assert [(skip.path.name, skip.reason) for skip in catalog.skipped] == [("x" * 250, "it cannot be read: allow it")]


FOR_OTHERS = """
import sys
from rag_lib.catalog import load_catalog
catalog = load_catalog(sys.argv[1])
print([item.path.name for item in catalog.items])
print([(skip.path.name, skip.reason) for skip in catalog.skipped])
"""


def without_privileges():
    """Even root then needs a file's permission: it gives up the two capabilities that overrule it."""
    if sys.platform == "linux" and os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_sub_folder_that_may_not_be_read_is_skipped_by_name(folder):
    draw(folder / "half" / "in.png", "pink")
    draw(folder / "half" / "below" / "deeper.png", "pink")
    (folder / "shoes").chmod(0)
    (folder / "half").chmod(0o400)  # its names can be read, and nothing of what they name
    command = [sys.executable, "-c", FOR_OTHERS, str(folder)]
    try:
        found = subprocess.run(command, capture_output=True, text=True, preexec_fn=without_privileges)
    finally:
        (folder / "half").chmod(0o700)
        (folder / "shoes").chmod(0o700)
    assert found.stdout.splitlines() == [
        "['red_phone-case.png']",
        "[('below', 'it cannot be read: allow it'), ('in.png', 'it cannot be read (permission denied)'), "
        "('shoes', 'the folder cannot be read: allow it')]",
    ], found.stderr


def test_metadata_in_another_encoding_or_twice_is_an_error(folder):
    (folder / "metadata.csv").write_bytes("file,title\nred_phone-case.png,Hülle\n".encode("latin-1"))
    with pytest.raises(RagError, match="UTF-8"):
        load_folder(folder)
    (folder / "metadata.jsonl").touch()
    with pytest.raises(RagError, match="keep one"):
        load_folder(folder)


def test_rows_for_unknown_files_are_skipped_and_listed(folder):
    (folder / "metadata.csv").write_text("file,title\nred_phone-case.png,Case\ngone.png,Gone\n../secret.png,x\n")
    catalog = load_folder(folder)
    assert by_name(catalog)["red_phone-case.png"].title == "Case"
    assert [skip.path.name for skip in catalog.skipped] == ["gone.png", "secret.png"]
    assert "metadata.csv line 3" in catalog.skipped[0].reason


def test_names_are_safe_for_a_collection_and_differ_by_path(tmp_path):
    names = [catalog_name(tmp_path / name) for name in ("a/images", "b/images", "My images!", "2024", "写真", "x" * 99)]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{6,46}", name) for name in names)
    assert len(set(names)) == len(names)
    assert names[2].startswith("my_images_") and names[3].startswith("folder_2024_")
    assert catalog_name(tmp_path / "a" / ".." / "b" / "images") == names[1]


def test_a_text_beside_a_picture_is_its_caption_unless_metadata_gives_a_title(folder):
    (folder / "red_phone-case.txt").write_bytes("\ufeffa  red case\r\nnot read\n".encode())
    titles = {item.path.name: item.title for item in load_folder(folder).items}
    assert titles["red_phone-case.png"] == "a red case"
    (folder / "metadata.csv").write_text("file,title\nred_phone-case.png,Case\n")
    assert "Case" in {item.title for item in load_folder(folder).items}
    (folder / "metadata.csv").unlink()
    (folder / "red_phone-case.txt").write_bytes(b"\n")
    assert "red phone case" in {item.title for item in load_folder(folder).items}


def test_titles_come_from_file_names(tmp_path):
    assert title_of(tmp_path / "red_phone--case v2.jpg") == "red phone case v2"
    assert title_of(tmp_path / "---.jpg") == "---"


def test_load_catalog_takes_a_folder_relative_to_the_home(folder, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(folder.parent))
    catalog = load_folder(folder)
    assert load_catalog("My images") == load_catalog(folder) == catalog
    for name in ("My images/red_phone-case.png", Path("My images/red_phone-case.png"), folder / "red_phone-case.png"):
        assert query_picture(catalog, name) == folder / "red_phone-case.png"
    assert query_picture(catalog, "") is query_picture(catalog, None) is None


def test_an_unknown_catalog_names_the_known_ones_and_the_nearest(folder, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(folder.parent))
    with pytest.raises(RagError, match=r"no catalog 'drwan': expected 'drawn' or 'amazon'.*Did you mean 'drawn'\?"):
        load_catalog("drwan")
    with pytest.raises(RagError, match="Did you mean 'My images'"):
        load_catalog("My_imges")
    with pytest.raises(RagError, match="or a folder of pictures.$"):
        load_catalog("  ")


@pytest.mark.parametrize(
    "name", ["~nobody-of-this-name", "~nobody-of-this-name/photos", "x" * 300, "a/" + "x" * 300, "nul\0"]
)
def test_odd_names_end_in_a_sentence(folder, name, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(folder.parent))
    message = "user who is not known here" if name.startswith("~") else "There is no"
    for use in (load_catalog, lambda name: query_picture(load_folder(folder), name)):
        with pytest.raises(RagError, match=message) as caught:
            use(name)
        assert len(str(caught.value)) < 450
    with pytest.raises(RagError, match=message.replace("There is no", "was not found")):
        load_catalog("amazon", folder=name)


def test_a_relative_name_that_leads_nowhere_says_where_it_begins(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("RAG_HOME", str(folder.parent))
    begins = re.escape(f"Relative paths begin at '{folder.parent}', not at the current folder.")
    catalog = load_folder(folder)
    for use in (load_catalog, lambda name: query_picture(catalog, name)):
        with pytest.raises(RagError, match=begins):
            use("photographs/of/mine")
        with pytest.raises(RagError, match="There is no .*/nowhere") as caught:
            use(str(tmp_path / "nowhere"))
        assert "Relative paths" not in str(caught.value)
