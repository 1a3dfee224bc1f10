"""Habits that keep every file easy to read; ruff holds the others (docstrings, imports at the top)."""

import re
from collections import defaultdict
from pathlib import PurePath

from tests.architecture.source import ROOMS, pyproject, sources

_FILE_LINES = 400
_FUNCTION_LINES = 60
_CODE = (*ROOMS, "clients", "tests", "bench", "scripts")

# Rules that no single place may be excused from.
_NEVER_SILENCED = re.compile(r"noqa: [A-Z0-9, ]*(PLC0415|C901|D1\d\d|BLE001|S110|F401)|type: ignore(?!\[)")


def test_no_file_is_too_long() -> None:
    long = [
        f"{source.path}: {source.lines} lines" for source in sources(*_CODE) if source.lines > _FILE_LINES
    ]

    assert long == [], f"split by noun what passes {_FILE_LINES} lines"


def test_no_function_is_too_long() -> None:
    long = [
        f"{source.at(function)} {function.name}: {length} lines"
        for source in sources(*_CODE)
        for function in source.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > _FUNCTION_LINES
    ]

    assert long == [], f"divide what passes {_FUNCTION_LINES} lines"


def test_no_place_excuses_itself_from_the_rules() -> None:
    excuses = [
        f"{source.path}:{number}: {line.strip()}"
        for source in sources()
        for number, line in enumerate(source.text.splitlines(), 1)
        if _NEVER_SILENCED.search(line)
    ]

    assert excuses == []


def test_docstrings_and_imports_at_the_top_are_demanded_of_every_room() -> None:
    lint = pyproject()["tool"]["ruff"]["lint"]

    assert {"D", "PLC0415", "C90", "BLE"} <= set(lint["select"])
    for pattern, ignored in lint["per-file-ignores"].items():
        if pattern.split("/")[0] in ROOMS and not pattern.startswith("migrations/versions"):
            assert not {"D", "PLC0415", "C90", "BLE"} & set(ignored), pattern


def test_there_is_no_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "shared"}

    assert [source.path for source in sources() if PurePath(source.path).stem in drawers] == []


def test_a_feature_has_the_same_file_name_in_every_room() -> None:
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for source in sources(*(room for room in ROOMS if room not in {"app", "migrations"})):
        name = PurePath(source.path).stem
        spellings[_singular(name)].add(name)

    assert [sorted(names) for names in spellings.values() if len(names) > 1] == []


def test_what_a_resolver_asks_for_lies_under_the_same_name_below() -> None:
    features = {PurePath(source.path).stem for source in sources("api/resolvers")} - {
        "__init__",
        "root_fields",
    }
    below = {PurePath(source.path).stem for source in sources("services", "persistence")}

    assert features - below == set()


def _singular(name: str) -> str:
    return re.sub(r"(?<=[a-z]{2})s$", "", re.sub(r"ies$", "y", name))
