"""What this machine could not test is named in the session's last line, so that it does not pass unseen.

A test (or the fixture that gives it a server or a browser) says so by its skip:
`pytest.skip("Not tested here: <what>, because <why>")`.
"""

import pytest

MARK = "Not tested here: "


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
