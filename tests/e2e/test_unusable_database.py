"""A database that is not there or refuses us is told in one line by every command, without its password."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bench._environment import child_environment
from tests import warm
from tests.server import SECRET_KEY, free_port

PASSWORD = "hunter2-is-no-password"
COMMANDS = [
    "migrate",
    "worker",
    "app list",
    "check stock",
    "check ledger",
    "ledger balances",
    "payments reconcile",
    "sandbox charges",
    "import catalog",
    "import orders",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_the_setting_when_nobody_listens(command: str, tmp_path: Path) -> None:
    url = f"postgresql://shop:{PASSWORD}@127.0.0.1:{free_port()}/shop"

    _is_one_line(_run(command, tmp_path, database_url=url), "ORDERTIDE_DATABASE_URL: ")


def test_a_database_that_does_not_exist_is_told_by_its_name(fresh_database_url: str, tmp_path: Path) -> None:
    url = make_url(fresh_database_url).set(database="no_such_shop").render_as_string(hide_password=False)

    _is_one_line(_run("app list", tmp_path, database_url=url), '"no_such_shop" does not exist')


def test_the_same_holds_where_nothing_is_migrated(tmp_path: Path) -> None:
    url = f"postgresql://shop:{PASSWORD}@127.0.0.1:{free_port()}/shop"

    said = _run("check stock", tmp_path, database_url=url, migrate_on_start="false")

    _is_one_line(said, "ORDERTIDE_DATABASE_URL: ")


def test_of_two_addresses_the_one_that_fails_is_named(fresh_database_url: str, tmp_path: Path) -> None:
    url = f"postgresql://shop:{PASSWORD}@127.0.0.1:{free_port()}/shop"

    said = _run("migrate", tmp_path, database_url=fresh_database_url, database_direct_url=url)

    _is_one_line(said, "ORDERTIDE_DATABASE_DIRECT_URL: ")


def test_a_file_that_cannot_be_read_is_still_blamed_itself(fresh_database_url: str, tmp_path: Path) -> None:
    said = _run("import orders", tmp_path / "missing", database_url=fresh_database_url)

    _is_one_line(said, f"{tmp_path / 'missing' / 'file.csv'}: ")


def _run(command: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    words = command.split()
    if words[0] == "import":
        words.append(str(folder / "file.csv"))
        if folder.is_dir():
            (folder / "file.csv").write_text("sku,name\nMUG,Mug\n")
    return warm.run(words, child_environment(secret_key=SECRET_KEY, **settings))


def _is_one_line(done: "subprocess.CompletedProcess[str]", words: str) -> None:
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("ordertide: ")]
    assert len(lines) == 1, done.stderr
    assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
