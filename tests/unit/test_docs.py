"""The documents say what the code does, as far as that can be checked."""

import re
from pathlib import Path

import pytest

from app.config import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_setting_is_documented_and_nothing_else() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    written = (ROOT / "docs" / "operations.md").read_text()

    assert set(re.findall(rf"{PREFIX}[A-Z_]+", written)) == known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []
