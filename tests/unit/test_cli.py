"""The command line as a user meets it."""

from importlib.metadata import version

from typer.testing import CliRunner

from app.cli import cli


def test_version_is_the_installed_one() -> None:
    result = CliRunner().invoke(cli, ["--version"])

    assert result.exit_code == 0
    assert result.output == f"ordertide {version('ordertide')}\n"


def test_help_without_a_command() -> None:
    result = CliRunner().invoke(cli, [])

    assert "live updates out" in result.output
