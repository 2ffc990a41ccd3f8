"""A file of triplets: every line that cannot be used is named with its number and its reason."""

import json

import pytest
from PIL import Image

from rag_lib.errors import RagError
from rag_lib.training.triplets import load_pictures, read_triplets

GOOD = {"q_img": "a.png", "q_text": "in red", "positive_value": "b.png", "hn_image": ["c.png"]}


@pytest.fixture
def write(tmp_path):
    """Writes lines (dicts or raw text) beside pictures a, b, c, d -> the file."""
    for number, name in enumerate("abcd"):
        Image.new("RGB", (20 + number, 30), (60 * number, 0, 0)).save(tmp_path / f"{name}.png")

    def write(*lines, name="my.jsonl"):
        path = tmp_path / name
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
        return path

    return write


def test_paths_are_relative_to_the_file(write, tmp_path, monkeypatch):
    path = write(GOOD, "", {"q_text": " a lamp ", "positive_value": str(tmp_path / "c.png")}, {**GOOD, "q_text": None})
    monkeypatch.chdir("/")
    first, second, third = read_triplets(path)
    assert first.image == tmp_path / "a.png" and first.wrong == (tmp_path / "c.png",)
    assert (second.image, second.text, second.wanted) == (None, "a lamp", tmp_path / "c.png")
    assert (third.text, third.pictures) == ("", (tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"))


def test_other_fields_of_upstreams_files_are_left_alone(write):
    line = GOOD | {"positive_key": "image", "hn_mining_images": ["z.png"], "q_id": 7}
    assert len(read_triplets(write(line))) == 1


@pytest.mark.parametrize(
    ("field", "meant"), [("q_txt", "q_text"), ("positive_values", "positive_value"), ("hn_images", "hn_image")]
)
def test_a_field_that_is_nearly_one_of_ours_is_named(write, field, meant):
    with pytest.raises(RagError, match=f"line 1 has a field '{field}'; it is called '{meant}'"):
        read_triplets(write({"q_text": "a lamp", "positive_value": "b.png", field: "a.png"}))


def test_a_sign_inside_of_a_string_ends_no_line(write):
    text = "a lamp\u2028or two"
    assert read_triplets(write(json.dumps(GOOD | {"q_text": text}, ensure_ascii=False)))[0].text == text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "is not a JSON object"),
        ("[1, 2]", "is not a JSON object"),
        ({"positive_value": "b.png", "q_text": "  "}, "asks for nothing: give q_img, q_text, or both"),
        ({"q_text": "a lamp"}, "names no positive_value"),
        ({"q_text": "a lamp", "positive_value": "x/gone.png"}, "names the picture x/gone.png, which is not there"),
        (GOOD | {"hn_image": ["gone.png"]}, "names the picture gone.png, which is not there"),
        (GOOD | {"q_text": 7}, "gives no text as q_text"),
        (GOOD | {"hn_image": "c.png"}, "gives no list as hn_image"),
        (GOOD | {"hn_image": [None]}, "lists something in hn_image that is no path"),
        ({"q_image": "a.png", "positive_value": "b.png"}, "has a field 'q_image'; it is called 'q_img'"),
        (GOOD | {"hn_image": ["d.png"]}, "is the same as line 1: remove one of the two"),
    ],
)
def test_a_faulty_line_is_named_by_its_number(write, line, reason):
    with pytest.raises(RagError) as caught:
        read_triplets(write(GOOD, "", line))
    assert str(caught.value).startswith(f"In my.jsonl: line 3 {reason}")


def test_of_many_faulty_lines_three_are_quoted(write):
    with pytest.raises(RagError, match=r"In my.jsonl: line 1 .*\. Line 2 .*\. Line 3 .*\. And 2 more lines\.$"):
        read_triplets(write(*["nonsense"] * 5))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"'my.jsonl' cannot be read \(no such file or directory\)"),
        (b"", "my.jsonl holds no triplets"),
        (b"\xff\xfe\x00", "my.jsonl is not a text in UTF-8"),
    ],
)
def test_a_file_that_holds_none_says_so(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "my.jsonl").write_bytes(content)
    with pytest.raises(RagError, match=sentence):
        read_triplets(tmp_path / "my.jsonl")


def test_the_same_content_is_one_row_whatever_its_name(write, tmp_path):
    path = write(GOOD, {"q_text": "a lamp", "positive_value": "d.png"})
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes())
    _, pictures, skipped = load_pictures(read_triplets(path), 16)
    assert pictures.row[tmp_path / "d.png"] == pictures.row[tmp_path / "a.png"]
    assert pictures.squares.shape == (3, 16, 16, 3) and len(pictures.ids) == 3 and not skipped


def test_an_unreadable_picture_is_named_and_its_triplet_left_out(write, tmp_path):
    path = write(GOOD, {"q_text": "a lamp", "positive_value": "d.png"}, {"q_img": "c.png", "positive_value": "b.png"})
    (tmp_path / "c.png").write_bytes(b"no picture")
    left, _, skipped = load_pictures(read_triplets(path), 16)
    assert [(path.name, bool(reason)) for path, reason in skipped] == [("c.png", True)]
    assert [(triplet.text, triplet.wrong) for triplet in left] == [("in red", ()), ("a lamp", ())]


def test_when_half_of_the_pictures_open_the_others_are_left_out(write, tmp_path):
    path = write(GOOD | {"hn_image": ["c.png", "d.png"]})
    for name in "cd":
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    (left,), _, skipped = load_pictures(read_triplets(path), 16)
    assert left.wrong == () and {path.name for path, _ in skipped} == {"c.png", "d.png"}


def test_too_many_unreadable_pictures_are_an_error(write, tmp_path):
    path = write(GOOD)
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    with pytest.raises(RagError, match="2 of 3 pictures cannot be opened, first a.png"):
        load_pictures(read_triplets(path), 16)
