"""`@cases(quick, all)` asks a test for so many seeds; the end of the session counts them by what they promise."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # for the processes, too, which import their work by its name


def pytest_configure(config):
    """The same examples every time, and no folder of them beside the code."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    count = 500 if config.getoption("--reliability") else 20
    options = {"deadline": None, "derandomize": True, "suppress_health_check": checks, "database": None}
    settings.register_profile("reliability", max_examples=count, **options)
    settings.load_profile("reliability")


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("cases")
    if marker:
        quick, many = marker.args
        metafunc.parametrize("seed", range(many if metafunc.config.getoption("--reliability") else quick))


@pytest.fixture(autouse=True)
def promise(request, record_property):
    """The first line of a test's words, "fault: promise", is a row of the table."""
    record_property("promise", (request.function.__doc__ or "").strip().split("\n")[0])
    record_property("cases", settings.default.max_examples if hasattr(request.function, "hypothesis") else 1)
