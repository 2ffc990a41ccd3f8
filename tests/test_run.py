"""rag_lib.run over small notebooks: what runs, what is refused before anything runs, what a failure leaves."""

import hashlib
import json
import platform
import random
import re
import resource
import string
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from rag_lib.errors import RagError
from rag_lib.records import Hit, Item, Query, Ranking
from rag_lib.run import record
from rag_lib.run.command import main
from rag_lib.run.execution import KERNELSPEC, clean
from rag_lib.run.folder import HERO_FILES
from rag_lib.run.parameters import plan
from rag_lib.run.result_page import load_hero, save_hero

SEARCH = "limit: int = 9  # results to show\nquery_text: str = 'a mug'\nweight: float = 0.5\nexact: bool = False"
HERO = """
import json, pathlib
from PIL import Image
hero = pathlib.Path(out) / "hero"
hero.mkdir(parents=True, exist_ok=True)
for name in ("query.jpg", "panorama.jpg", "winner.jpg"):
    Image.new("RGB", (8, 8), "navy").save(hero / name)
rows = [{"rank": 3, "title": "<i>case</i>", "score": 0.91234}]
winner = "<b>Leopard</b> & case"
result = {"query_text": query_text, "winner_title": winner, "reason": "It \\"fits\\".", "ranking": rows}
(hero / "result.json").write_text(json.dumps(result))
"""


def write_notebook(path, parameters, *cells):
    nb = new_notebook(metadata={"kernelspec": KERNELSPEC})
    nb.cells = [new_markdown_cell("# A question"), new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    nb.cells += [new_code_cell(cell) for cell in cells]
    nbformat.write(nb, path)


@pytest.fixture
def lesson(tmp_path):
    """A folder of two notebooks and an edition; and what runs them."""
    folder = tmp_path / "notebooks"
    (folder / "editions").mkdir(parents=True)
    (folder / "editions" / "offline.yaml").write_text("limit: 4\nquery_text: a lamp\nseed: 3\n")
    write_notebook(folder / "01_first.ipynb", "seed: int = 0", "print('seed', seed)")
    write_notebook(folder / "02_second.ipynb", SEARCH, "print(limit, query_text, weight, exact)")

    def run(*arguments):
        return main(["--notebooks", str(folder), "--out", str(tmp_path / "out"), *arguments])

    run.folder, run.out = folder, tmp_path / "out"
    return run


def test_an_edition_runs_the_notebooks_that_it_names(lesson):
    (lesson.folder / "editions" / "offline.yaml").write_text("notebooks: 02-07\nlimit: 4\nseed: 3\n")
    assert lesson() == 0
    assert left(lesson.out) == ["02_second.ipynb", "index.html", "run.json"]


def test_an_edition_takes_others_along_with_their_own_values(lesson):
    (lesson.folder / "editions" / "offline.yaml").write_text("notebooks: 02-07\nbesides: '01'\nlimit: 4\n")
    assert lesson() == 0
    first, second = (json.loads((lesson.out / f"0{name}.ipynb").read_text()) for name in ("1_first", "2_second"))
    assert "limit" not in first["metadata"]["papermill"]["parameters"]
    assert second["metadata"]["papermill"]["parameters"]["limit"] == 4


def test_a_notebook_that_the_edition_does_not_name_keeps_its_own_values(lesson):
    (lesson.folder / "editions" / "offline.yaml").write_text("notebooks: 02_second\nseed: 3\n")
    assert lesson("01", "02") == 0
    assert printed(lesson.out / "01_first.ipynb") == "seed 0\n"
    assert lesson("01", "-p", "seed", "5") == 0
    assert printed(lesson.out / "01_first.ipynb") == "seed 5\n"


@pytest.mark.parametrize("named", ["[2]", "12", "{a: b}"])
def test_an_editions_notebooks_are_names(lesson, named, capsys):
    (lesson.folder / "editions" / "offline.yaml").write_text(f"notebooks: {named}\n")
    assert lesson() == 1
    assert "write numbers in quotes, such as '01-04 12'." in capsys.readouterr().err


@pytest.mark.parametrize("catalog, asked", [("my/photos", ""), ("amazon", "leopard")])
def test_an_editions_picture_is_not_asked_for_in_a_folder_of_ones_own(lesson, catalog, asked):
    (lesson.folder / "editions" / "offline.yaml").write_text("query_image: leopard\ncatalog: drawn\n")
    parameters = "catalog: str = ''\nquery_image: str = 'zebra'"
    write_notebook(lesson.folder / "01_first.ipynb", parameters, "print(catalog, query_image)")
    assert lesson("01", "-p", "catalog", catalog) == 0
    assert printed(lesson.out / "01_first.ipynb").strip() == f"{catalog} {asked}".strip()


def left(folder):
    """The names of what lies there, without the pages that go with its notebooks."""
    names = {path.name for path in folder.iterdir()}
    return sorted(name for name in names if not (name.endswith(".html") and name[:-4] + "ipynb" in names))


def printed(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return "".join(output.text for cell in cells for output in cell.outputs if output.output_type == "stream")


def test_each_notebook_gets_the_parameters_that_it_declares(lesson, capsys):
    assert lesson("-p", "weight", "1", "-p", "exact", "true", "-p", "query_text", "42") == 0
    assert printed(lesson.out / "01_first.ipynb") == "seed 3\n"
    assert printed(lesson.out / "02_second.ipynb") == "4 42 1.0 True\n"
    assert left(lesson.out) == ["01_first.ipynb", "02_second.ipynb", "index.html", "run.json"]
    lines = capsys.readouterr().out
    assert re.search(r"1/2  01_first +\d+\.\d s", lines) and re.search(r"2/2  02_second +\d+\.\d s", lines)
    assert "last time" not in lines
    page = (lesson.out / "index.html").read_text()
    assert 'id="01_first"' in page and "4 42 1.0 True" in page and "<img" not in page


def test_what_most_notebooks_have_is_said_once():
    own = {"01": {"limit": 9, "seed": 0}, "02": {"limit": 9, "seed": 1}, "03": {"limit": 4}}
    assert record._merged(own) == {"limit": 9, "limit (03)": 4, "seed (01)": 0, "seed (02)": 1}


def test_the_next_run_knows_how_long_the_last_one_took(lesson, capsys):
    assert lesson("01") == 0 and lesson("01") == 0
    assert re.search(r"1/1  01_first +\d+\.\d s  \(last time \d+\.\d s\)\n", capsys.readouterr().out)


def test_the_kernel_is_this_interpreter_whatever_is_registered(lesson, tmp_path, monkeypatch):
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", "import sys\nprint(sys.executable)")
    assert lesson("01") == 0
    assert printed(lesson.out / "01_first.ipynb").strip() == sys.executable


def test_only_the_named_notebooks_run(lesson):
    assert lesson("02_second.ipynb") == 0
    assert not (lesson.out / "01_first.ipynb").exists()
    assert "02_second" in (lesson.out / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--edition", "ofline"], "no edition 'ofline'. Known: offline. Did you mean 'offline'?"),
        (["-p", "limt", "3"], "'limt', which no chosen notebook declares. Known: exact, limit, query_text, seed"),
        (["-p", "limt", "3"], "Did you mean 'limit'?"),
        (["01", "-p", "limit", "3"], "'limit', which no chosen notebook declares. Known: seed."),
        (["-p", "limit", "many"], "'limit' is 'many', but the notebook declares it as int: write a number"),
        (["-p", "limit", "3.5"], "declares it as int"),
        (["-p", "exact", "1"], "declares it as bool: write true or false"),
        (["-p", "openai_key", "sk-123456"], "looks like a secret"),
        (["-p", "query_text", "sk-123456"], "put it into the environment"),
        (["-p", "query_text", "http://root:hunter2@host"], "put it into the environment"),
        (["-p", "out", "elsewhere"], "--out"),
        (["07_none"], "no numbered notebook '07_none'. Known: 01_first, 02_second."),
        (["--inplace", "-p", "limit", "3"], "--inplace"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_runs(lesson, capsys, arguments, sentence):
    assert lesson(*arguments) == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert "Traceback" not in captured.err and captured.out == ""
    assert "hunter2" not in captured.err and "123456" not in captured.err
    assert not lesson.out.exists()


def made(letters, n):
    """n letters and digits as a service would draw them."""
    return "".join(random.Random(n).choices(letters, k=n - 3)) + "aB7"


ALNUM, HEX = string.ascii_letters + string.digits, "0123456789abcdef"
KEYS = {
    "openai": "sk-proj-" + made(ALNUM + "_-", 120),
    "deepseek": "sk-" + made(HEX, 32),
    "groq": "gsk_" + made(ALNUM, 52),
    "hugging face": "hf_" + made(string.ascii_letters, 34),
    "google": "AIza" + made(ALNUM + "_-", 35),
    "github": "ghp_" + made(ALNUM, 36),
    "github, fine": "github_pat_" + made(ALNUM, 22) + "_" + made(ALNUM, 59),
    "nvidia": "nvapi-" + made(ALNUM + "_-", 64),
    "aws": "AKIA" + made(string.ascii_uppercase + "234567", 16).upper(),
    "without a prefix": made(ALNUM, 40),
    "among words": "my key is sk-" + made(ALNUM, 48) + ", thanks",
    "address": "http://user:password@host",
    "address with a port": "https://root:Milvus@localhost:19530",
    "address, slash in the password": "http://root:a/b@host:19530",
    "query of an address": "https://host/?Token=abc",
    "bearer": "Bearer " + made(ALNUM + "-._", 40),
}
NO_KEYS = [
    "SK-II essence", "sk-8 grinder", "a gsk_ leaflet", "task-2024-01-overview", "5 V: 2 A @ noon", "eyJ",
    "hf-internal-testing/tiny-random-CLIPModel", "BAAI/BGE-VL-v1.5-zs", "visualized-bge-base-en-v1.5",
    "gpt-4o-2024-11-20", "http://localhost:19530", "http://localhost:19530/shop@home", "data/milvus.db",
    "https://in03-5f8b2c9d1e7a4b3.api.gcp-us-west1.zillizcloud.com", "photos/WhatsAppImage20240501at123456.jpeg",
    "WhatsAppImage20240501at123456.jpeg", "/mnt/shop/AF1QipNxY2bC3dE4fG5hI6jK7lM8nO9pQ0/a.png",
    "9f86d081884c7d659a2feaa0c55ad015", "Phone-Case-Leopard-2024-Edition", "Donaudampfschifffahrtsgesellschaft",
    "红色手机壳", "a case for my phone: leopard, not @home",
]  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_what_looks_like_a_key_is_refused_and_not_repeated(name):
    with pytest.raises(RagError, match="put it into the environment instead") as caught:
        plan([], edition={}, overrides={"query_text": KEYS[name]})
    assert KEYS[name] not in str(caught.value) and "password@" not in str(caught.value)
    with pytest.raises(RagError, match="seems to hold a secret"):
        plan([], edition={"query_text": ["a mug", {"b": KEYS[name]}]}, overrides={})


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_only_begins_like_a_key_is_text(text):
    with pytest.raises(RagError, match="which no chosen notebook declares"):
        plan([], edition={}, overrides={"query_text": text})


@pytest.mark.parametrize("name", ["openaiKey", "milvus_token", "HF_TOKEN", "db-password", "secret"])
def test_a_name_that_asks_for_a_secret_is_refused(name):
    with pytest.raises(RagError, match=f"'{name}' looks like a secret"):
        plan([], edition={}, overrides={name: "x"})


@pytest.mark.parametrize(
    ("value", "kind", "kept"),
    [
        (3, "float", 3.0),
        (3, "int", 3),
        (2.5, "float", 2.5),
        (False, "bool", False),
        ("3", "str", "3"),
        ([1], "None", [1]),
    ],
)
def test_an_editions_value_is_of_the_declared_kind(lesson, value, kind, kept):
    notebook = lesson.folder / "01_first.ipynb"
    write_notebook(notebook, "a = None" if kind == "None" else f"a: {kind} = 1")
    found = plan([notebook], edition={"a": value}, overrides={})[notebook]["a"]
    assert found == kept and type(found) is type(kept)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "int"), (True, "float"), (1, "bool"), ("1", "int"), ("x", "float"), (7, "str"), (True, "str"), (2.0, "int"),
     (None, "str"), ([], "str")],
)  # fmt: skip
def test_an_editions_value_of_another_kind_is_a_sentence(lesson, value, kind):
    write_notebook(lesson.folder / "01_first.ipynb", f"a: {kind} = 1")
    with pytest.raises(RagError, match=f"declares it as {kind}: "):
        plan([lesson.folder / "01_first.ipynb"], edition={"a": value}, overrides={})


def test_half_of_a_character_on_the_command_line_is_a_sentence(lesson, capsys):
    assert lesson("-p", "query_text", "a mug \udce4") == 1
    assert "The parameter 'query_text' 'a mug ?' holds half of a character" in capsys.readouterr().err
    assert not lesson.out.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("limit: nine\n", "'limit' is 'nine', but the notebook declares it as int"),
        ("limit: yes\n", "'limit' is True, but the notebook declares it as int"),
        ("query_text: 42\n", "declares it as str: put it in quotes"),
        ("milvus_token: abc\n", "looks like a secret"),
        ("colour: red\n", "The edition sets 'colour'"),
        ("limit: [\n", "line 2 is not valid YAML"),
        ("query_text: caf\udce9\n", "is not valid YAML in UTF-8"),
        ("- limit\n", "holds a list"),
    ],
)
def test_a_mistake_in_an_edition_is_found_before_anything_runs(lesson, capsys, text, sentence):
    (lesson.folder / "editions" / "offline.yaml").write_text(text, "utf-8", "surrogateescape")
    assert lesson() == 1
    assert sentence in capsys.readouterr().err
    assert not lesson.out.exists()


def test_an_unreadable_notebook_is_named(lesson, capsys):
    (lesson.folder / "02_second.ipynb").write_text("{")
    assert lesson() == 1
    assert "02_second.ipynb cannot be read as a notebook" in capsys.readouterr().err


def test_a_folder_without_notebooks_is_named(tmp_path, capsys):
    assert main(["--notebooks", str(tmp_path)]) == 1
    assert "no numbered notebooks" in capsys.readouterr().err


def test_a_failing_cell_stops_the_run_and_is_kept(lesson, capsys):
    assert lesson() == 0
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", "print('so far')", "rows = []\n1 / len(rows)")
    assert lesson() == 1
    message = capsys.readouterr().err
    assert "01_first stopped at cell [4], 'A question':" in message  # [2] is papermill's cell of injected parameters
    assert "    1 / len(rows)" in message and "ZeroDivisionError: division by zero" in message
    assert "so far" in printed(lesson.out / "01_first.failed.ipynb")
    assert message.strip().endswith("01_first.failed.html, and beside it as a notebook.")
    assert "ZeroDivisionError" in (lesson.out / "01_first.failed.html").read_text()
    # of the earlier run nothing is left that could be taken for this one's
    assert left(lesson.out) == ["01_first.failed.ipynb"]


def test_a_mended_notebook_takes_the_place_of_the_failed_one(lesson):
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", "boom")
    assert lesson("01") == 1
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", "print('well')")
    assert lesson("01") == 0
    assert left(lesson.out) == ["01_first.ipynb", "index.html", "run.json"]


def test_a_users_mistake_inside_a_notebook_is_shown_as_its_sentence_alone(lesson, capsys):
    cell = "from rag_lib.images import ImageError\nraise ImageError('cat.jpg is empty: take another picture.')"
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", cell)
    assert lesson() == 1
    where, sentence, kept = capsys.readouterr().err.strip().splitlines()
    assert where == "01_first stopped at cell [3], 'A question'."
    assert sentence == "cat.jpg is empty: take another picture." and kept.startswith("What ran until then: ")


def test_a_dead_kernel_is_named(lesson, capsys):
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", "import os\nos._exit(9)")
    assert lesson() == 1
    assert "01_first lost its kernel" in capsys.readouterr().err
    assert left(lesson.out) == ["01_first.failed.ipynb"]


def test_the_page_shows_the_hero_with_its_texts_escaped_and_twice_the_same(lesson, capsys):
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH + "\nout: str = ''", HERO)
    (lesson.folder / "editions" / "offline.yaml").write_text("query_text: '<script>alert(1)</script>'\n")
    pages = []
    for _ in range(2):
        assert lesson() == 0
        page = (lesson.out / "index.html").read_text()
        for varying in (r"\d+(\.\d)? s\b", r"width: \d+px", r"\d{4}-\d\d-\d\d \d\d:\d\d", r"id=[0-9a-f]{8}\b"):
            page = re.sub(varying, "VARYING", page)
        pages.append(page)
    assert pages[0] == pages[1]
    page = pages[0]
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>Leopard" not in page and "&lt;b&gt;Leopard&lt;/b&gt; &amp; case" in page
    assert "<i>case" not in page and "0.912" in page and "It &#34;fits&#34;." in page
    sources = re.findall(r'src="([^"]+)"', page)
    assert len(sources) == 3 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "Winner: <b>Leopard</b> & case" in capsys.readouterr().out


def test_the_winners_title_sends_nothing_to_the_terminal_but_its_letters(lesson, capsys):
    hero = HERO.replace('"<b>Leopard</b> & case"', '"\\x1b[31mA\\ncase"')
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH + "\nout: str = ''", hero)
    assert lesson("02") == 0
    assert "Winner: [31mA case\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (('"winner_title"', '"title"'), "holds a result.json of another form"),
        (('"rank": 3, ', ""), "holds a result.json of another form"),
        (('"winner.jpg"', '"other.jpg"'), "lacks winner.jpg"),
    ],
)
def test_a_hero_that_the_page_cannot_show_is_named(lesson, capsys, mistake, sentence):
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH + "\nout: str = ''", HERO.replace(*mistake))
    assert lesson("02") == 1
    assert sentence in capsys.readouterr().err


def test_a_query_of_text_alone_has_no_picture_on_the_page(lesson):
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH + "\nout: str = ''", HERO.replace('"query.jpg", ', ""))
    assert lesson("02") == 0
    page = (lesson.out / "index.html").read_text()
    assert "The query picture" not in page and "a lamp" in page and page.count("<img") == 2


@pytest.fixture
def ranking(tmp_path):
    Image.new("RGB", (900, 300), "red").save(tmp_path / "toaster.png")
    item = Item("a", tmp_path / "toaster.png", "Тостер")
    return Ranking((Hit(2, 0.123456, item),), "red")


def test_a_hero_is_left_whole_and_a_query_without_picture_takes_the_last_ones_away(tmp_path, ranking):
    picture = Image.new("RGB", (40, 40), "navy")
    folder = save_hero(tmp_path / "out", Query(picture, "in red"), picture, ranking)
    assert sorted(path.name for path in folder.iterdir()) == sorted(HERO_FILES)
    assert Image.open(folder / "winner.jpg").size == (600, 200) and load_hero(folder)["has_picture"]
    save_hero(tmp_path / "out", Query(None, "in red"), picture, ranking)
    hero = load_hero(folder)
    assert not hero["has_picture"] and not (folder / "query.jpg").exists()
    assert hero["winner_title"] == "Тостер" and hero["ranking"] == [{"rank": 2, "title": "Тостер", "score": 0.1235}]


def test_a_hero_that_cannot_be_left_is_one_sentence(tmp_path, ranking):
    (tmp_path / "out").touch()
    picture = Image.new("RGB", (40, 40), "navy")
    with pytest.raises(RagError, match=r"The result cannot be left in .*out \(.*\): make room or name another"):
        save_hero(tmp_path / "out", Query(None, "in red"), picture, ranking)


def test_list_shows_parameters_and_runs_nothing(lesson, capsys):
    assert lesson("--list", "02") == 0
    shown = capsys.readouterr().out
    assert "02_second" in shown and "limit: int = 9  # results to show" in shown and "01_first" not in shown
    assert not lesson.out.exists()


def test_inplace_keeps_the_outputs_and_drops_what_differs_from_run_to_run(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    path = lesson.folder / "02_second.ipynb"
    bar = "from tqdm.auto import tqdm\nfor _ in tqdm(range(2)): pass\nprint(limit)"
    write_notebook(path, SEARCH, bar)
    contents = []
    for _ in range(2):
        assert main(["--notebooks", str(lesson.folder), "--inplace", "02"]) == 0
        contents.append(path.read_text())
    assert contents[0] == contents[1]
    nb = nbformat.read(path, as_version=4)
    assert set(nb.metadata) == {"kernelspec", "language_info"} and "version" not in nb.metadata.language_info
    assert [cell.metadata for cell in nb.cells] == [{}, {"tags": ["parameters"]}, {}]
    assert [cell.get("execution_count") for cell in nb.cells] == [None, 1, 2]
    assert printed(path) == "9\n" and len(nb.cells[2].outputs) == 1


def test_inplace_leaves_a_failing_notebook_as_it_was(lesson, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    path = lesson.folder / "01_first.ipynb"
    write_notebook(path, "seed: int = 0", "boom")
    before = path.read_bytes()
    assert main(["--notebooks", str(lesson.folder), "--inplace", "01"]) == 1
    assert path.read_bytes() == before and "NameError" in capsys.readouterr().err


def test_clean_keeps_tags_and_pictures():
    nb = new_notebook(metadata={"widgets": {"x": 1}, "papermill": {}, "colab": {}})
    picture = nbformat.v4.new_output("display_data", {"image/png": "aGk="})
    bar = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "0%"})
    cell = new_code_cell("1", metadata={"tags": ["hide"], "papermill": {"duration": 1}}, outputs=[picture, bar])
    nb.cells = [cell]
    cleaned = clean(nb)
    assert cleaned.cells[0].outputs == [picture] and cleaned.cells[0].metadata == {"tags": ["hide"]}
    nbformat.validate(cleaned)


def test_the_notebooks_themselves_are_never_the_output(lesson, capsys):
    before = {path.name: path.read_bytes() for path in lesson.folder.glob("*.ipynb")}
    assert lesson("--out", str(lesson.folder)) == 1
    assert "holds the notebooks themselves: name another folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in lesson.folder.glob("*.ipynb")} == before


def test_an_output_that_cannot_be_a_folder_is_named(lesson, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert lesson("--out", str(tmp_path / "file")) == 1
    assert "cannot be made" in capsys.readouterr().err and (tmp_path / "file").is_file()


def test_a_model_without_its_key_is_found_before_anything_runs(lesson, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))  # nor is a reply of it kept there
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH + "\nreranker: str = 'pocket'", "print(reranker)")
    assert lesson("-p", "reranker", "gpt-4o") == 1
    printed = capsys.readouterr()
    assert "OPENAI_API_KEY is not set" in printed.err and "01_first" not in printed.out


def test_a_text_reranker_is_not_loaded_before_the_notebooks(lesson, tmp_path):
    """Its folder is damaged, so that loading would fail."""
    (tmp_path / "reader").mkdir()
    (tmp_path / "reader" / "config.json").write_text("{")
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH + "\nreranker: str = 'pocket'", "print(reranker)")
    assert lesson("02", "-p", "reranker", str(tmp_path / "reader")) == 0
    assert printed(lesson.out / "02_second.ipynb") == f"{tmp_path / 'reader'}\n"


def test_a_misspelt_reranker_is_found_before_anything_runs(lesson, capsys):
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH + "\nreranker: str = 'pocket'", "print(reranker)")
    assert lesson("-p", "reranker", "poket") == 1
    printed = capsys.readouterr()
    assert "There is no reranker 'poket'. Did you mean 'pocket'?" in printed.err and "01_first" not in printed.out


def test_help_names_the_environment_variables(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"):
        assert name in shown
    assert "OPENAI_API_VERSION" in shown and "MILVUS_TOKEN" in shown and "RAG_HOME" in shown


@pytest.fixture
def unwritable(tmp_path):
    """A folder that nobody can write into, root neither."""
    if Path("/proc/self/fdinfo").is_dir():
        return Path("/proc/self/fdinfo")
    (tmp_path / "closed").mkdir(mode=0o500)
    return tmp_path / "closed"


@pytest.mark.parametrize("below", ["", "new", "new/er"])
def test_a_folder_that_cannot_be_written_is_found_before_anything_runs(lesson, capsys, unwritable, below):
    assert lesson("--out", str(unwritable / below)) == 1
    printed = capsys.readouterr()
    assert "cannot be made or written to" in printed.err and "name another folder with --out" in printed.err
    assert printed.out == "" and "Traceback" not in printed.err


def test_a_second_run_into_the_same_folder_says_what_it_replaces(lesson, capsys):
    assert lesson("01") == 0
    assert "replacing" not in capsys.readouterr().out
    assert lesson() == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"The offline edition, into {lesson.out}, replacing an earlier run's 01_first"


@pytest.mark.parametrize("name", ["02_second.ipynb", "index.html", "run.json"])
@pytest.mark.parametrize("content", ["", "[]", "<title>My page</title>", '{"metadata": {}, "cells": []}'])
def test_what_no_run_has_left_is_never_replaced(lesson, capsys, name, content):
    lesson.out.mkdir()
    (lesson.out / "01_first.ipynb").write_text('{"metadata": {"papermill": {}}}')  # not even that one is, then
    (lesson.out / name).write_text(content)
    assert lesson() == 1
    assert f"holds a {name} that no run has left there: name another folder with --out." in capsys.readouterr().err
    assert (lesson.out / name).read_text() == content
    assert left(lesson.out) == sorted({"01_first.ipynb", name})


def start(lesson, *arguments, **options):
    command = [sys.executable, "-m", "rag_lib.run", "--notebooks", lesson.folder, "--out", lesson.out, *arguments]
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_until(there, process):
    end = time.monotonic() + 120
    while not there():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


WAITING = """
import pathlib, time
here = pathlib.Path('{here}')
(here / 'begun').touch()
while not (here / 'go').exists(): time.sleep(0.05)
"""


def test_two_runs_into_one_folder_the_second_is_told_by_whom_it_is_held(lesson, capsys, tmp_path):
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", WAITING.format(here=tmp_path), "print('done')")
    with start(lesson) as first:
        wait_until((tmp_path / "begun").exists, first)
        assert lesson() == 1
        message = capsys.readouterr().err.strip()
        assert message.startswith(f"Another run (process {first.pid} on {platform.node()}, since ")
        assert message.endswith(f"writes into {lesson.out}: wait for its end, or name another folder with --out.")
        (tmp_path / "go").touch()
        _, errors = first.communicate()
    assert (first.returncode, errors) == (0, "")
    assert printed(lesson.out / "01_first.ipynb") == "done\n"
    assert left(lesson.out) == ["01_first.ipynb", "02_second.ipynb", "index.html", "run.json"]


def test_what_a_killed_run_left_is_cleared_at_the_next_start(lesson, tmp_path, monkeypatch):
    """Its lock does not outlive it, nor its half a notebook, nor the file with its kernel's key."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", WAITING.format(here=tmp_path))
    with start(lesson) as first:
        wait_until((tmp_path / "begun").exists, first)
        first.kill()
    assert {path.suffix for path in lesson.out.iterdir()} == {".lock", ".ipynb"}
    assert [path.name for path in (tmp_path / "runtime").iterdir()] == [f"kernel-rag_lib-{first.pid}.json"]
    (tmp_path / "runtime" / "kernel-of-another.json").touch()
    assert lesson("02") == 0
    assert left(lesson.out) == ["02_second.ipynb", "index.html", "run.json"]
    assert [path.name for path in (tmp_path / "runtime").iterdir()] == ["kernel-of-another.json"]


def test_a_disk_that_fills_up_during_the_run_is_one_sentence(lesson):
    """A limit on the size of files stands for it: writing fails in the same way, in the middle of a notebook."""
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", "print('x' * 300_000)")
    limits = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))}
    with start(lesson, **limits) as run:
        _, errors = run.communicate()
    assert run.returncode == 1
    assert errors.strip() == (
        f"The folder {lesson.out} cannot be made or written to (File too large): "
        "make room, or name another folder with --out."
    )
    assert list(lesson.out.iterdir()) == []


def test_a_folder_that_goes_during_the_run_is_one_sentence(lesson, capsys):
    cell = f"import shutil\nshutil.rmtree({str(lesson.out)!r})"
    write_notebook(lesson.folder / "01_first.ipynb", "seed: int = 0", cell)
    assert lesson() == 1
    assert "cannot be made or written to (it is gone): make room, or name another" in capsys.readouterr().err


def test_jupyters_own_folder_that_cannot_be_written_is_named(lesson, capsys, tmp_path, monkeypatch):
    (tmp_path / "runtime").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert lesson() == 1
    message = capsys.readouterr().err
    assert "01_first could not start its kernel (File exists in Jupyter's folder" in message


def test_braces_in_a_folders_name_are_letters(lesson, tmp_path):
    assert lesson("01", "--out", str(tmp_path / "{seed}" / "{x}")) == 0
    assert printed(tmp_path / "{seed}" / "{x}" / "01_first.ipynb") == "seed 3\n"


def test_the_page_holds_everything_and_needs_nothing_else(lesson):
    """Parameters, results, versions, the notebooks whole: in one file, in which no link leads out."""
    first, second = lesson.folder / "01_first.ipynb", lesson.folder / "02_second.ipynb"
    write_notebook(first, "seed: int = 0", "print('seed', seed)")
    table = "from IPython.display import Markdown, display\nprint('<i>First</i>:', query_text)\n"
    table += "display(Markdown('| a | b |\\n| --- | --: |\\n| x | 0.5 |'))"
    write_notebook(second, SEARCH, table)
    nb = nbformat.read(second, as_version=4)
    nb.cells[-1].metadata["tags"] = ["result"]
    nb.cells.append(new_markdown_cell("Previous: [A question](01_first.ipynb), [above](#A-question)"))
    nbformat.write(nb, second)
    assert lesson() == 0
    page = (lesson.out / "index.html").read_text()
    text = BeautifulSoup(page, "html.parser")
    assert "<i>First" not in page and "&lt;i&gt;First&lt;/i&gt;: a lamp" in page
    assert [cell.text for cell in text.select(".ours th, .ours td")][:4] == ["a", "b", "x", "0.5"]
    for words in ("query_text", "weight", "Python", "papermill"):
        assert any(cell.text == words for cell in text.select(".ours td"))
    places = [tag["id"] for tag in text.select("[id]")]
    assert len(places) == len(set(places)) and {"01_first", "02_second"} <= set(places)
    links = [tag["href"] for tag in text.select("a[href]")]
    assert "#01_first" in links and all(link.startswith("#") and unquote(link[1:]) in places for link in links)
    assert not text.select("script, link, iframe, img:not([src^='data:'])")
    assert not re.findall(r"url\((?!['\"]?data:)[^)]*\)|@import", page)

    kept = json.loads((lesson.out / "run.json").read_text())
    assert kept["parameters"] == {"seed": 3, "limit": 4, "query_text": "a lamp", "weight": 0.5, "exact": False}
    assert kept["figures"] == {"02_second: <i>First</i>": "a lamp", "02_second: x, b": "0.5"}
    assert [line["name"] for line in kept["notebooks"]] == ["01_first", "02_second"]


def test_a_page_that_would_be_too_long_says_what_it_leaves_out(lesson, monkeypatch):
    write_notebook(lesson.folder / "02_second.ipynb", SEARCH, "print('x' * 300_000)")
    monkeypatch.setattr("rag_lib.run.result_page.LIMIT", 400_000)
    assert lesson() == 0
    page = (lesson.out / "index.html").read_text()
    assert len(page) < 400_000 and "Too long for this page, in the folder of the run beside it: 02_second." in page
    assert 'id="01_first"' in page and 'id="02_second"' not in page


def test_weights_catalog_and_lock_are_named_by_their_checksums():
    weights = Path(record.__file__).parent.parent / "weights" / "pocket" / "model.safetensors"
    found = record._checksums([{"encoder": "pocket"}, {"encoder": "some/model", "catalog": "no such folder"}])
    assert set(found) == {"requirements.lock", "pocket, model.safetensors"}
    assert found["pocket, model.safetensors"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_another_title_and_another_query_picture_have_another_checksum(tmp_path):
    def sums(title, color):
        Image.new("RGB", (9, 9), "red").save(tmp_path / "shop" / "0.png")
        Image.new("RGB", (9, 9), color).save(tmp_path / "mine.png")
        (tmp_path / "shop" / "metadata.jsonl").write_text(json.dumps({"file": "0.png", "title": title}))
        given = {"catalog": str(tmp_path / "shop"), "query_image": str(tmp_path / "mine.png")}
        return {name.split()[0]: value for name, value in record._checksums([given]).items()}

    (tmp_path / "shop").mkdir()
    first = sums("a mug", "blue")
    assert set(first) == {"requirements.lock", "catalog", "query"} and sums("a mug", "blue") == first
    assert {name for name, value in sums("a cup", "blue").items() if value != first[name]} == {"catalog"}
    assert {name for name, value in sums("a mug", "green").items() if value != first[name]} == {"query"}
