"""Sweeps and comparisons: what a file may say, what is run again and what is not, what the page tells of the runs."""

import csv
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rag_lib.run import runs
from rag_lib.run.command import choose, find_notebooks, main
from rag_lib.run.comparison import WIDTH
from rag_lib.run.execution import KERNELSPEC, NotebookFailed
from rag_lib.run.parameters import plan
from rag_lib.run.record import FORM
from rag_lib.run.sweep import _ahead as ahead
from rag_lib.run.sweep import read_sweep

ROOT = Path(__file__).resolve().parent.parent

SEARCH = "limit: int = 9  # results\nquery_text: str = 'a mug'\nseed: int = 0"


def write_notebook(path, parameters, *cells, tags=()):
    nb = new_notebook(metadata={"kernelspec": KERNELSPEC})
    nb.cells = [new_markdown_cell("# A question"), new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    nb.cells += [new_code_cell(cell, metadata={"tags": list(tags)}) for cell in cells]
    nbformat.write(nb, path)


@pytest.fixture
def family(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "editions").mkdir(parents=True)
    (folder / "editions" / "offline.yaml").write_text("limit: 4\nquery_text: a lamp\n")
    write_notebook(folder / "04_search.ipynb", SEARCH, "print('First:', query_text)", tags=["result"])
    return folder


@pytest.fixture
def executed(monkeypatch):
    """The parameters of each notebook that ran; without a kernel: its result is made from them. `fail`: at which."""
    done = []

    def execute(notebook, target, parameters, *, cwd, hooks):
        done.append(dict(parameters))
        if any(parameters[name] == value for name, value in execute.fail.items()):
            raise NotebookFailed("04_search stopped at cell [3].\nThere is no such picture: take another.")
        nb = nbformat.read(notebook, as_version=4)
        nb.metadata["papermill"] = {}
        said = f"First: {parameters['query_text']}\nfound in place {parameters['limit'] * 2} of 30\nalike: yes"
        nb.cells[-1].outputs = [new_output("stream", name="stdout", text=said)]
        nbformat.write(nb, target)
        return 1.5

    execute.fail, execute.done = {}, done
    monkeypatch.setattr(runs, "execute", execute)
    return execute


@pytest.fixture
def sweep(tmp_path, family):
    def run(text, *arguments):
        (tmp_path / "mine.yaml").write_text(text, "utf-8")
        out = ["--out", str(tmp_path / "out")]
        return main(["--notebooks", str(family), "--sweep", str(tmp_path / "mine.yaml"), *out, *arguments])

    run.out = tmp_path / "out"
    return run


GRID = "notebooks: [04]\nparameters: {seed: 3}\nvary:\n  query_text: [a lamp, 'a <b>mug</b>']\n  limit: [4, 9]\n"


def test_every_combination_is_one_run_and_all_are_compared(sweep, executed, capsys):
    assert sweep(GRID) == 0
    asked = [(each["query_text"], each["limit"], each["seed"]) for each in executed.done]
    assert asked == [("a lamp", 4, 3), ("a lamp", 9, 3), ("a <b>mug</b>", 4, 3), ("a <b>mug</b>", 9, 3)]
    folders = sorted(path for path in sweep.out.iterdir() if path.is_dir())
    assert len(folders) == 4 and all((folder / "index.html").exists() for folder in folders)
    assert re.fullmatch(r"query_text-a-b-mug-b_limit-4-[0-9a-f]{6}", folders[0].name)
    text = capsys.readouterr().out
    assert "4 combinations: query_text (2) × limit (2)" in text and "[3/4] query_text a <b>mug</b>, limit 4" in text
    assert re.search(r"04_search: found in place +8 of 30 +18 of 30 +8 of 30 +18 of 30", text)
    assert "04_search: alike" not in text and "Alike in all: versions, checksums." in text

    page = (sweep.out / "index.html").read_text()
    assert "The sweep of mine.yaml" in page
    assert "<b>mug" not in page and "a &lt;b&gt;mug&lt;/b&gt;" in page
    assert page.count("data:image/png;base64") == 1  # the chart of two figures, over the limit
    assert 'alt="Lines: 04_search: found in place, seconds over limit, 2 of them."' in page
    for link in re.findall(r'href="([^"]+)"', page):
        assert (sweep.out / link).exists()
    rows = list(csv.DictReader((sweep.out / "runs.csv").open()))
    assert [(row["query_text"], row["limit"]) for row in rows] == [(text, str(n)) for text, n, _ in asked]
    assert rows[1]["04_search: found in place"] == "18 of 30" and rows[0]["04_search: alike"] == "yes"


def test_what_was_finished_is_not_run_again_unless_the_notebook_changed(sweep, executed, family, capsys):
    assert sweep(GRID) == 0 and sweep(GRID) == 0 and len(executed.done) == 4
    assert "4 done before" in capsys.readouterr().out
    assert sweep(GRID.replace("[4, 9]", "[4, 9, 16]")) == 0
    assert [each["limit"] for each in executed.done[4:]] == [16, 16]
    write_notebook(family / "04_search.ipynb", SEARCH, "print('Other:', query_text)", tags=["result"])
    assert sweep(GRID) == 0 and len(executed.done) == 10


def test_what_broke_off_before_its_page_was_there_was_not_finished(sweep, executed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_page", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sweep(GRID)
    assert sweep(GRID) == 0 and [each["limit"] for each in executed.done] == [4, 4, 9, 4, 9]
    assert len(list(sweep.out.glob("*/index.html"))) == 4


def test_a_failure_is_named_and_the_others_go_on_and_it_alone_is_tried_again(sweep, executed, capsys):
    executed.fail = {"limit": 4}
    assert sweep(GRID) == 1
    said = capsys.readouterr()
    assert len(executed.done) == 4
    assert "2 of 4 combinations failed; the same command tries them again:" in said.err
    assert "  query_text a lamp, limit 4\n" in said.err and "[1] query_text a lamp, limit 4, which failed" in said.out
    page = (sweep.out / "index.html").read_text()
    assert page.count("There is no such picture: take another.") == 2 and "2 of them failed" in page
    executed.fail = {}
    assert sweep(GRID) == 0 and [each["limit"] for each in executed.done[4:]] == [4, 4]


def test_a_sweep_of_words_alone_is_drawn_as_points(sweep, executed):
    assert sweep("vary: {query_text: [a lamp, a mug, '']}") == 0
    page = (sweep.out / "index.html").read_text()
    assert 'alt="Points: seconds of 3 runs."' in page and "query_text (empty)" in page


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("vary: {limt: [3]}", "The sweep sets 'limt', which no chosen notebook declares."),
        ("vary: {limt: [3]}", "Did you mean 'limit'?"),
        ("vary: {limit: [3, many]}", "'limit' is 'many', but the notebook declares it as int"),
        ("vary: {limit: 3}", "'limit' of mine.yaml needs a list of values"),
        ("vary: {limit: []}", "needs a list of values"),
        ("vary: {limit: [3, 3]}", "names a value twice"),
        ("vary: {limit: [3]}\nparameters: {limit: 4}", "stands under 'vary' and under 'parameters'"),
        ("vary: {limit: [3]}\nparameters: [limit]", "'parameters' of mine.yaml is no list of 'name: value' lines"),
        ("vary: {query_text: [sk-123456]}", "seems to hold a secret"),
        ("vary: {milvus_token: [x]}", "looks like a secret"),
        ("vary: {limit: [3]}\nparameters: {openai_key: x}", "looks like a secret"),
        ("vary: {out: [x]}", "--out"),
        ("limit: [3]", "names nothing to vary"),
        ("vary: {}", "names nothing to vary"),
        ("vary: {limit: [3]}\nnotebook: 04", "mine.yaml holds 'notebook'. Known: vary,"),
        ("vary: {limit: [3]}\nnotebook: 04", "Did you mean 'notebooks'?"),
        ("vary: {limit: [3]}\nnotebooks: 05", "no numbered notebook '05'"),
        ("vary: {limit: [3]}\nedition: ofline", "no edition 'ofline'"),
        ("vary: {limit: [", "line 1 is not valid YAML"),
        ("vary: {limit: ['\x01']}", "mine.yaml is not valid YAML"),  # the parser names no line for this one
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_before_anything_runs(sweep, executed, capsys, text, sentence):
    assert sweep(text) == 1
    said = capsys.readouterr()
    assert sentence in said.err and "Traceback" not in said.err and "123456" not in said.err
    assert executed.done == [] and not sweep.out.exists()


def test_a_sweep_takes_its_parameters_from_its_file_alone(sweep, executed, capsys):
    assert sweep(GRID, "-p", "limit", "3") == 1
    assert "leave those of the command line out" in capsys.readouterr().err


def test_how_long_it_takes_is_told_from_what_is_done():
    assert ahead(5, []) == ""
    assert ahead(5, [60, 80]) == "; 2 done before, about 4 min left, as long as those took"  # 3 of 70 s
    assert ahead(2, [60, 80]) == "; 2 done before"


def test_a_killed_sweep_goes_on_where_it_was(sweep, family, tmp_path, capsys):
    """Really executed, really killed: in the middle of the second of two."""
    wait = "import pathlib, time\nwhile limit == 9 and not pathlib.Path(query_text).exists():\n"
    write_notebook(
        family / "04_search.ipynb", SEARCH, wait + "    time.sleep(0.05)", "print('First:', limit)", tags=["result"]
    )
    text = f"parameters: {{query_text: {tmp_path / 'go'}}}\nvary: {{limit: [4, 9]}}"
    (tmp_path / "mine.yaml").write_text(text)
    command = ["--notebooks", family, "--sweep", tmp_path / "mine.yaml", "--out", sweep.out]
    with subprocess.Popen([sys.executable, "-m", "rag_lib.run", *map(str, command)], stdout=subprocess.PIPE) as process:
        end = time.monotonic() + 120
        while not list(sweep.out.glob("limit-9-*/.*.part.ipynb")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        process.kill()
    (first,) = sweep.out.glob("limit-4-*/run.json")
    before = first.read_text()
    (tmp_path / "go").touch()
    assert sweep(text) == 0
    assert "1 done before" in capsys.readouterr().out and first.read_text() == before
    assert len(list(sweep.out.glob("limit-9-*/run.json"))) == 1


def test_the_readmes_sweep_is_one(tmp_path):
    page = (ROOT / "rag_lib" / "run" / "README.md").read_text("utf-8")
    (tmp_path / "sweep.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1], "utf-8")
    asked = read_sweep(tmp_path / "sweep.yaml")
    family = find_notebooks(ROOT / "notebooks")
    for values in asked.combinations():
        assert plan(choose(family, asked.notebooks), edition={}, overrides={}, given=asked.fixed | values)
    assert [each["limit"] for each in asked.combinations()] == [4, 9, 4, 9]


@pytest.fixture
def two(tmp_path, family, executed):
    """Two runs, by the command."""
    for name, limit in (("a", "4"), ("b", "9")):
        assert main(["--notebooks", str(family), "--out", str(tmp_path / name), "-p", "limit", limit]) == 0
    return tmp_path / "a", tmp_path / "b"


def test_two_runs_are_compared_in_parameters_figures_and_versions(two, tmp_path, capsys):
    record = json.loads((two[1] / "run.json").read_text())
    record["versions"]["torch"] = "0.0.1"
    (two[1] / "run.json").write_text(json.dumps(record))
    capsys.readouterr()
    assert main(["--compare", *map(str, two), "--out", str(tmp_path / "new" / "both")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("[1] a\n[2] b\n") and re.search(r"limit +4 +9\n", text) and "query_text" not in text
    assert re.search(r"torch +[\d.]+\S* +0.0.1\n", text) and re.search(r"04_search +1.5 +1.5\n", text)
    page = (tmp_path / "new" / "both" / "index.html").read_text()
    assert "0.0.1" in page and 'href="../../a/index.html"' in page and "8 of 30" in page
    # its own page is replaced
    assert main(["--compare", *map(str, two), "--out", str(tmp_path / "new" / "both")]) == 0


@pytest.mark.parametrize("longer, shown", [(0, "x" * WIDTH), (1, "x" * (WIDTH - 1) + "…")])
def test_in_the_terminal_a_long_value_is_cut(two, tmp_path, capsys, longer, shown):
    for folder, letter in zip(two, "xy", strict=True):
        record = json.loads((folder / "run.json").read_text())
        record["parameters"]["query_text"] = letter * (WIDTH + longer)
        (folder / "run.json").write_text(json.dumps(record))
    assert main(["--compare", *map(str, two), "--out", str(tmp_path / "both")]) == 0
    assert f" {shown} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folders", "out", "sentence"),
    [
        (["a"], "both", "takes two folders"),
        (["a", "a"], "both", "takes two folders"),
        (["a", "c"], "both", "c holds no run that came to its end"),
        (["a", "b"], "a", "a holds a run itself"),
        (["a", "d"], "both", "d/run.json is not as this version writes it"),
        (["a", "e"], "both", "e/run.json is not as this version writes it"),
    ],
)
def test_what_cannot_be_compared_is_named(two, tmp_path, capsys, folders, out, sentence):
    for name, text in (("d", json.dumps({"made_by": "me", "form": FORM})), ("e", '{"made_by": "rag_l')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    before = (two[0] / "index.html").read_bytes()
    folders = [str(tmp_path / name) for name in folders]
    assert main(["--compare", *folders, "--out", str(tmp_path / out)]) == 1
    assert sentence in capsys.readouterr().err
    assert (two[0] / "index.html").read_bytes() == before and not (tmp_path / "both").exists()
