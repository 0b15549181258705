import os

import pytest


def pytest_generate_tests(metafunc):
    """Repeat what asserts a trained result: see ulp.py. COPIES=51 measures how much room it has."""
    if "copy" in metafunc.fixturenames:
        metafunc.parametrize("copy", range(int(os.environ.get("COPIES", "2"))))


def pytest_collection_modifyitems(items):
    """Begin with the scripts: their long runs go on behind the other tests, and are seen last."""

    def order(item):
        if "copy" in item.fixturenames:
            item.add_marker(pytest.mark.trained)
        if "test_scripts" not in item.nodeid:
            return 1
        return 2 if "main_job" in item.name or "readme_shows" in item.name else 0

    items.sort(key=order)
