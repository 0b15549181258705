def pytest_collection_modifyitems(items):
    """Begin with the scripts: their long runs go on behind the other tests, and are seen last."""

    def order(item):
        if "test_scripts" not in item.nodeid:
            return 1
        return 2 if "main_job" in item.name or "readme_shows" in item.name else 0

    items.sort(key=order)
