import contextlib
import os

import pytest

from test_scripts import PLAIN, RESIDUAL, SECONDS, command, start


def pytest_generate_tests(metafunc):
    """Repeat what asserts a trained result: see ulp.py. COPIES=51 measures how much room it has."""
    if "copy" in metafunc.fixturenames:
        metafunc.parametrize("copy", range(int(os.environ.get("COPIES", "2"))))


def pytest_collection_modifyitems(items):
    """Start the long runs first, so that they go on behind the other tests; look at them last."""

    for item in items:
        if {"copy", "long_runs"} & {*item.fixturenames}:
            item.add_marker(pytest.mark.trained)
    first = "test_the_long_runs_start"
    items.sort(key=lambda item: ("long_runs" in item.fixturenames) - 2 * (item.name == first))


@pytest.fixture(scope="session")
def long_runs(tmp_path_factory):
    """Return what three whole runs print: processes that go on while the other tests do."""
    folder = tmp_path_factory.mktemp("runs")
    with contextlib.ExitStack() as stack:
        processes = {}
        for script, n in (PLAIN, 10), (PLAIN, 4), (RESIDUAL, 10):
            printed = stack.enter_context(open(folder / f"{n}{script}", "w+", encoding="utf-8"))
            process = stack.enter_context(start(command(script), stdout=printed, stderr=printed))
            stack.callback(process.kill)
            process.stdin.write(f"{n}\n")
            process.stdin.close()
            processes[script, n] = process, printed

        def text(script, n):
            process, printed = processes[script, n]
            assert process.wait(SECONDS) == 0
            printed.seek(0)
            return printed.read()

        yield text
