"""`@cases(quick, all)` asks a test for so many seeds; the end of the session counts them by what they promise.

With 0 for the quick ones it is asked by `make reliability` alone. `@cases((work, quick, all), ...)`: for each work.
"""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent  # for the processes, too, which import their work by its name
sys.path[:0] = [str(HERE), str(HERE.parent / "collection")]
import processes  # noqa: E402


def pytest_configure(config):
    """The same examples every time, and no folder of them beside the code."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    count = 500 if config.getoption("--reliability") else 20
    options = {"deadline": None, "derandomize": True, "suppress_health_check": checks, "database": None}
    settings.register_profile("reliability", max_examples=count, **options)
    settings.load_profile("reliability")
    if config.getoption("--reliability"):
        processes.context.set_forkserver_preload([*processes.PRELOADED, "gradio"])


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("cases")
    number = 2 if metafunc.config.getoption("--reliability") else 1
    if marker and isinstance(marker.args[0], tuple):
        each = [(row[0], seed) for row in marker.args for seed in range(row[number])]
        metafunc.parametrize("task, seed", each, ids=[f"{task.__name__}-{seed}" for task, seed in each])
    elif marker:
        metafunc.parametrize("seed", range(marker.args[number - 1]))


def pytest_collection_modifyitems(config, items):
    long, corpus = config.getoption("--reliability"), config.getoption("--corpus")

    def is_asked(item):
        marker, fixtures = item.get_closest_marker("cases"), getattr(item, "fixturenames", ())  # a cell has none
        return (long or not marker or marker.args[0] != 0) and (corpus or "corpus" not in fixtures)

    items[:] = filter(is_asked, items)


@pytest.fixture
def corpus(pytestconfig):
    return pytestconfig.getoption("--corpus")


@pytest.fixture(autouse=True)
def promise(request, record_property):
    """The first line of a test's words, or of its task's, "fault: promise", is a row of the table; without it none."""
    task = getattr(request.node, "callspec", None) and request.node.callspec.params.get("task")
    if said := request.function.__doc__ or getattr(task, "__doc__", None):
        record_property("promise", said.strip().split("\n")[0])
        record_property("cases", settings.default.max_examples if hasattr(request.function, "hypothesis") else 1)
