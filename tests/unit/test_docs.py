"""The documents say what the code does, as far as that can be checked."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from api.root import build_schema
from api.sharing import Scope
from app.cli import cli
from app.config import PREFIX, Settings
from worker.jobs import JOBS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_setting_is_documented_and_nothing_else() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    written = (ROOT / "docs" / "operations.md").read_text()

    assert set(re.findall(rf"{PREFIX}[A-Z_]+", written)) == known


def test_every_command_is_in_the_table_and_nothing_else() -> None:
    rows = re.findall(r"^\| `ordertide .*?\|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    words = [re.findall(r"`(?:ordertide )?([a-z]+(?: [a-z]+){0,2})", row) for row in rows]

    assert sorted(command for row in words for command in row) == sorted(_commands(get_command(cli)))


def test_every_job_is_in_the_table_with_how_often_it_runs() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("## Background work")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) s \|", section, re.MULTILINE)

    assert {name: float(seconds) for name, seconds in rows} == {job.name: job.seconds for job in JOBS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_subscription_is_in_the_table_with_its_arguments_and_nothing_else() -> None:
    table = (ROOT / "docs" / "api.md").read_text().split("| subscription |")[1].split("\n\n")[0]
    served = build_schema()._schema.subscription_type
    assert served is not None
    written = {
        name: set(given.split(", "))
        for name, given in re.findall(r"^\| `(\w+)\((.*?)\)`", table, re.MULTILINE)
    }

    assert written == {name: set(field.args) for name, field in served.fields.items()}


def test_the_live_field_that_contributors_read_is_the_one_that_runs() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## Adding a live field")[1].split("\n## ")[0]
    (shown,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)

    assert shown in (ROOT / "api" / "resolvers" / "orders.py").read_text()
    for scope in Scope:
        assert f"`{scope.name}`" in section


def _commands(command: Any, name: str = "") -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield name
        return
    for word, one in command.commands.items():
        yield from _commands(one, f"{name} {word}".strip())
