"""For all tests: one thread each, turns between the workers, and an end that names what could not be tested here.

And for the notebooks: each exercise is asked twice in the one kernel that runs its notebook, as it stands and solved.

A test (or the fixture that gives it a server or a browser) says so by its skip:
`pytest.skip("Not tested here: <what>, because <why>")`. The session's last line repeats it, so that it does not pass
unseen.
"""

import os

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


@pytest.fixture(scope="session")
def in_turn(tmp_path_factory):
    """`with in_turn("milvus"):` what two workers must not do at the same time."""
    return lambda name: FileLock(tmp_path_factory.getbasetemp().parent / f"{name}.lock")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file at a time for each worker, the notebooks as one: they share a store, which one process opens at a time."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return "notebooks" if ".ipynb::" in nodeid else super()._split_scope(nodeid)

    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    """After an exercise's cell, whose output is compared as any other, comes its solution: it has to be right."""
    for place, item in reversed(list(enumerate(items))):
        if type(item).__name__ == "IPyNbCell" and "exercise" in item.cell.metadata.get("tags", []):
            items.insert(place + 1, _solution_of(item))


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
