import contextlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import PLAIN, RESIDUAL, TIMEOUT, command, experiments, printed_edited, start

BEHIND = "long_runs", "experiment_outputs"  # what goes on behind the other tests


def pytest_generate_tests(metafunc):
    """Repeat what asserts a trained result, with other roundings: see ulp.py."""
    if "rounding" in metafunc.fixturenames:
        roundings = os.environ.get("ROUNDINGS", "0").split("-")  # "0", or "1-50"
        metafunc.parametrize("rounding", range(int(roundings[0]), int(roundings[-1]) + 1))


def pytest_collection_modifyitems(items):
    """Mark what asserts a trained result, and put last what waits for the long runs."""
    for item in items:
        if {"rounding", *BEHIND} & {*item.fixturenames}:
            item.add_marker(pytest.mark.trained)
    items.sort(key=lambda item: bool({*BEHIND} & {*item.fixturenames}))


@pytest.fixture(scope="session", autouse=True)
def begin_behind(request):
    """Start the long runs and the experiments before the first test."""
    for name in BEHIND:
        if any(name in item.fixturenames for item in request.session.items):
            request.getfixturevalue(name)


@pytest.fixture(scope="session")
def experiment_outputs(tmp_path_factory):
    """Return a future of what is printed for each of the page's experiments, in their order."""
    pool = ThreadPoolExecutor(1)
    yield [
        pool.submit(printed_edited, file, edits, commands, tmp_path_factory.mktemp("experiment"))
        for file, edits, commands, _ in experiments()
    ]
    pool.shutdown(cancel_futures=True)


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
            assert process.wait(TIMEOUT) == 0
            printed.seek(0)
            return printed.read()

        yield text
