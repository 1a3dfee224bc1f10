"""Every setting that a page, a container file or a script names exists."""

import re

import pytest

from app.config import Settings
from tests.architecture.source import ROOT, sources

# Read by tests alone.
_TESTS_OWN = {"TEST_DATABASE_URL", "TEST_DATA"}

_PAGES = sorted(
    file.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "Dockerfile", "compose.yaml", "Makefile", ".ci/run", "scripts/*")
    for file in ROOT.glob(pattern)
    if file.is_file()
)


@pytest.mark.parametrize("page", _PAGES)
def test_a_page_names_only_settings_that_exist(page: str) -> None:
    named = set(re.findall(r"\bORDERTIDE_([A-Z_]*[A-Z])\b", (ROOT / page).read_text()))

    assert named - _TESTS_OWN <= {name.upper() for name in Settings.model_fields}


def test_only_one_place_hands_our_environment_on_to_the_processes_of_tests_and_benchmarks() -> None:
    # Anywhere else the settings of a real shop, which somebody has in the shell, would come along.
    found = {
        source.path
        for source in sources("tests", "bench")
        if re.search(r"\*\*os\.environ|in os\.environ\.items|os\.environ\.copy", source.text)
    }

    assert found - {"tests/architecture/test_settings.py"} == {"bench/_environment.py"}
