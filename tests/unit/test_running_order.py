"""The order in which a run's processes take the files of tests."""

from pathlib import Path

import pytest

from tests import running_order
from tests.running_order import in_running_order


class Item:
    """What is known of a test here."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def ordered(*nodeids: str) -> list[str]:
    items: list[pytest.Item] = [Item(nodeid) for nodeid in nodeids]  # type: ignore[misc]
    return [item.nodeid for item in in_running_order(items)]


def test_long_files_come_first_and_those_with_servers_take_turns_with_the_others() -> None:
    short, long = "tests/unit/test_a.py::test_1", [f"tests/unit/test_b.py::test_{n}" for n in range(9)]
    served, storm = "tests/e2e/test_a.py::test_1", "tests/e2e/test_provider_storm.py::test_1"

    assert ordered(served, storm, short, *long) == [storm, *long, short, served]


def test_the_tests_of_a_file_stay_together_and_in_order() -> None:
    nodeids = [
        f"tests/{room}/test_it.py::test_{n}" for room in ("unit", "e2e", "property") for n in (3, 1, 2)
    ]

    after = ordered(*nodeids)

    assert sorted(after) == sorted(nodeids)
    for first in range(0, 9, 3):
        assert [nodeid[-1] for nodeid in after[first : first + 3]] == ["3", "1", "2"]


def test_every_file_that_is_said_to_take_long_is_there() -> None:
    root = Path(__file__).parents[2]
    assert [path for path in running_order._SECONDS if not (root / path).is_file()] == []
