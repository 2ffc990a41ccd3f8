"""For all tests: one thread each, turns between workers, a Milvus server, an end that names what was not tested here.

And for the notebooks: in the one kernel that runs a notebook each exercise is asked twice, as it stands and solved, and
at the end all cells once more with another question: no sentence and no cell depends on the default.

A test (or the fixture that gives it a server or a browser) says so by its skip:
`pytest.skip("Not tested here: <what>, because <why>")`. The session's last line repeats it, so that it does not pass
unseen.
"""

import contextlib
import copy
import importlib.util
import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock

MARK = "Not tested here: "

# Before torch is loaded, and for the processes that tests start. Workers that share the cores wait for each other's
# threads: on a busy machine a test took ten times as long.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def pytest_addoption(parser):
    parser.addoption("--all-questions", action="store_true", help="run every notebook with every other question")
    parser.addoption("--reliability", action="store_true", help="all cases of tests/reliability, not a sample")
    parser.addoption("--corpus", metavar="DIR", help="with --reliability: read every picture of this folder, too")


@pytest.fixture(scope="session")
def in_turn(tmp_path_factory):
    """`with in_turn("milvus"):` what two workers must not do at the same time."""
    return lambda name: FileLock(tmp_path_factory.getbasetemp().parent / f"{name}.lock")


# What takes longest comes first, so that at the end no worker waits for another's.
LONGEST = (
    "notebooks/", "tests/collection/", "tests/test_recipes", "tests/app/", "tests/encoders/visualized_bge/test_golden",
    "tests/distributed/", "tests/evaluation/", "tests/reliability/", "tests/encoders/", "tests/training/",
    "tests/test_other_encoders", "tests/test_run", "tests/test_index", "tests/test_install",
)  # fmt: skip
TOGETHER = ("tests/app/", "tests/evaluation/", "tests/training/")


@pytest.fixture(scope="session")
def server(tmp_path_factory, pytestconfig, in_turn):
    """(uri, token) of a real server that ends with this session."""
    if not importlib.util.find_spec("milvus"):
        pytest.skip(MARK + "a real Milvus server (the package milvus==2.3.5, for Linux on x86_64, is missing)")
    folder = tmp_path_factory.mktemp("milvus")
    (folder / "bin").symlink_to(pytestconfig.cache.mkdir("milvus"))  # unpacked once: 250 MB, a third of a minute
    sys.path.insert(0, str(Path(__file__).parent / "collection"))
    from milvus_server import running

    with contextlib.ExitStack() as stack:
        with in_turn("milvus"):  # the first worker unpacks it for all
            uri, token, _ = stack.enter_context(running(folder))
        yield uri, token


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file at a time for each worker; together what shares something that is dear to make, or that one process opens.

    That is the store of the notebooks (those without it are another part), a Milvus server, the app, a small training,
    the drawn benchmark.
    """
    if config.getoption("--reliability"):
        return None  # its files are long, and each case stands for itself
    from xdist.scheduler import LoadFileScheduling

    class ByShared(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            if file.endswith(".ipynb"):
                return f"notebooks {'milvus_uri' in (config.rootpath / file).read_text('utf-8')}"
            if file.startswith("tests/collection/") and "milvus-lite" not in nodeid or "test_recipes" in file:
                return "a Milvus server"
            return next((room for room in TOGETHER if file.startswith(room)), file)

    config.option.loadscopereorder = False  # the order in which they were collected
    return ByShared(config, log)


def pytest_collection_modifyitems(config, items):
    """The order of `LONGEST`; after an exercise's cell its solution, which has to be right; then another question."""
    ranks = {start: rank for rank, start in enumerate(LONGEST)}
    items.sort(key=lambda item: next((ranks[start] for start in LONGEST if item.nodeid.startswith(start)), len(ranks)))
    cells = {}  # of each notebook
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            cells.setdefault(item.parent, []).append(item)
    for place, item in reversed(list(enumerate(items))):
        if item.parent in cells and "exercise" in item.cell.metadata.get("tags", []):
            items.insert(place + 1, _solution_of(item))
    for notebook, question in _questions(list(cells), all_of_them=config.getoption("--all-questions")):
        end = 1 + max(place for place, item in enumerate(items) if item.parent is notebook)
        items[end:end] = [_asked_otherwise(item, question) for item in cells[notebook]]


def _solution_of(item):
    from nbval.plugin import IPyNbCell

    from rag_lib.exercises import RIGHT, solved

    class Solution(IPyNbCell):
        def runtest(self):
            super().runtest()
            said = "".join(output.get("text", "") for output in self.test_outputs).splitlines()
            if said[-1:] != [RIGHT]:
                self.raise_cell_error(f"The solution's last line is {said[-1:]}, not {RIGHT!r}.")

    nb = item.parent.nb
    options = item.options | {"check": False}  # with its default for what is not named
    cell = solved(nb).cells[nb.cells.index(item.cell)]
    return Solution.from_parent(
        item.parent, name=f"{item.name} solved", cell_num=item.cell_num, cell=cell, options=options
    )


QUESTIONS = {
    "another animal and product": dict(query_image="zebra", query_text="toaster with this image theme"),
    "words alone": dict(query_image="", query_text="red striped lamp"),
    "a picture alone": dict(query_image="balloon", query_text=""),
    "eight plain pictures": dict(catalog="mine", query_image="mine/red.png", query_text="the same in blue"),
}
PHOTOGRAPHS = {"zebra": "", "balloon": "coffee"}  # what there is to ask with, where the catalog is not the drawn one
FEW = [500, 600, 700, 800]  # rows, where a notebook measures how it grows
COLORS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple")


def _questions(notebooks, *, all_of_them):
    """Pairs of a notebook and a question: one each, in turn. One that takes none is given the eight plain pictures."""
    sources = {each: "".join(cell.source for cell in each.nb.cells) for each in notebooks}
    asking = [each for each, source in sources.items() if "query_text: str" in source]
    names = list(QUESTIONS)
    for place, each in enumerate(asking):
        yield from ((each, name) for name in (names if all_of_them else [names[place % len(names)]]))
    yield from ((each, names[-1]) for each in notebooks if each not in asking and "milvus_uri: str" in sources[each])


def _asked_otherwise(item, question):
    from nbval.plugin import IPyNbCell

    class Asked(IPyNbCell):
        def runtest(self):
            if "parameters" in self.cell.metadata.get("tags", []):
                self.cell = copy.deepcopy(self.cell)
                self.cell.source += f"\n{_assignments(self, question)}"
            super().runtest()
            said = [output.text for output in self.test_outputs if output.get("name") == "stderr"]
            assert not said, said

    options = item.options | {"check": False}
    name = f"{item.name}, {question}"
    return Asked.from_parent(item.parent, name=name, cell_num=item.cell_num, cell=item.cell, options=options)


def _assignments(item, question):
    """Lines for the end of the cell of parameters."""
    from PIL import Image

    folder = item.config._tmp_path_factory.mktemp("asked")
    values = QUESTIONS[question] | {"milvus_uri": str(folder / "milvus.db"), "sizes": FEW}
    if values.get("catalog") == "mine":
        for color in COLORS:
            Image.new("RGB", (64, 48), color).save(folder / f"{color}.png")
        values |= {"catalog": str(folder), "query_image": str(folder / "red.png")}
    elif 'catalog: str = "photographs"' in item.cell.source:
        values["query_image"] = PHOTOGRAPHS.get(values["query_image"], values["query_image"])
    return "\n".join(f"{name} = {value!r}" for name, value in values.items() if f"{name}: " in item.cell.source)


def pytest_terminal_summary(terminalreporter):
    """What tests/reliability tried: fault and promise, cases, and in how many of them something was lost."""
    rows: dict[str, list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            noted = dict(getattr(report, "user_properties", ()))
            if noted.get("promise"):
                row = rows.setdefault(noted["promise"], [0, 0])
                row[0] += noted["cases"]
                row[1] += outcome == "failed"
    if rows:
        terminalreporter.section("faults, promises, cases")
        lines = [f"| {promise.replace(': ', ' | ', 1)} | {tried} | {lost} |" for promise, (tried, lost) in rows.items()]
        terminalreporter.write_line("\n".join(["| fault | promise | cases | lost |", "|---|---|--:|--:|", *lines]))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """After pytest's own last line."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    reasons = (report.longrepr[2] for report in reporter.stats.get("skipped", []))
    missing = sorted({reason.split(MARK, 1)[1] for reason in reasons if MARK in reason})
    if missing:
        reporter.write_line(MARK + "; ".join(missing), yellow=True, bold=True)
