"""In which order the files of tests are handed to the processes of a run.

Long files come first, so that no process works on alone at the end. Files that start servers, which mostly
wait or use other processes, take turns with those that compute by themselves: so the storms of two files
seldom meet, and while one waits the other computes.
"""

from collections.abc import Sequence
from itertools import groupby

import pytest

# Seconds on two quiet cores, of the files that take long. To be about right is enough.
_SECONDS = {
    "tests/e2e/test_provider_storm.py": 35.0,
    "tests/e2e/test_nothing_missed.py": 60.0,
    "tests/e2e/test_nothing_lost.py": 50.0,
    "tests/e2e/test_bus_outages.py": 45.0,
    "tests/e2e/test_stalled_readers.py": 40.0,
    "tests/e2e/test_demo.py": 40.0,
    "tests/e2e/test_operations.py": 40.0,
    "tests/e2e/test_serve_embedded.py": 30.0,
    "tests/e2e/test_notifications.py": 20.0,
    "tests/e2e/test_hot_sku.py": 25.0,
    "tests/e2e/test_labels.py": 25.0,
    "tests/e2e/test_restarts.py": 20.0,
    "tests/integration/test_transport_sse_ends.py": 40.0,
    "tests/integration/test_catching_up.py": 20.0,
}
_SECONDS_TO_START_SERVERS = 8.0
_SECONDS_A_TEST = 0.2


def in_running_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests file by file, and within a file as they were."""
    files = [(path, list(tests)) for path, tests in groupby(items, key=_file)]
    files.sort(key=lambda one: -_seconds(*one))
    starting = [one for one in files if _starts_servers(one[0])]
    computing = [one for one in files if not _starts_servers(one[0])]
    ordered: list[pytest.Item] = []
    begun_at = {True: 0.0, False: 0.0}
    while starting or computing:
        turn = bool(starting) and (not computing or begun_at[True] <= begun_at[False])
        path, tests = (starting if turn else computing).pop(0)
        begun_at[turn] += _seconds(path, tests)
        ordered += tests
    return ordered


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _starts_servers(path: str) -> bool:
    return path.startswith("tests/e2e/")


def _seconds(path: str, tests: Sequence[pytest.Item]) -> float:
    if path in _SECONDS:
        return _SECONDS[path]
    return _SECONDS_TO_START_SERVERS if _starts_servers(path) else _SECONDS_A_TEST * len(tests)
