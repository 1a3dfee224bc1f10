"""The embedded PostgreSQL of root with a strict umask, and of an ordinary user: who runs what, where."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.embedded_install import reachable_by_others
from tests.processes import postgres_in, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(sysconfig.get_paths()["purelib"])
USE = """
import asyncio, os, sys
from pathlib import Path
import asyncpg
from persistence.embedded import EmbeddedServer

async def answer(url):
    connection = await asyncpg.connect(url)
    return await connection.fetchval("SELECT 42")

with EmbeddedServer.acquire(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"}) as server:
    print(asyncio.run(answer(server.url)), server.socket)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can pass through; nothing runs in it afterwards."""
    made = Path(tempfile.mkdtemp(prefix="ordertide-home-"))
    made.chmod(0o755)
    yield made
    wait_until(lambda: not postgres_in(made), "a process of the server is left")
    shutil.rmtree(made)


@pytest.fixture
def python(folder: Path) -> str:
    """This Python with these packages, where any user can execute it."""
    name = f"python3.{sys.version_info.minor}"
    candidates = (Path(sys.executable).resolve(), Path(f"/usr/bin/{name}"), Path(f"/usr/local/bin/{name}"))
    found = next((one for one in candidates if one.is_file() and reachable_by_others(one)), None)
    if found is None or not all(reachable_by_others(one / "any") for one in (ROOT, PACKAGES)):
        pytest.skip("nobody but root can reach this Python or its packages")
    subprocess.run([found, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    (packages / "all.pth").write_text(f"{ROOT}\n{PACKAGES}\n")
    return str(folder / "venv" / "bin" / "python")


def test_an_ordinary_user_runs_it_as_themselves(folder: Path, python: str) -> None:
    nobody = pwd.getpwnam("nobody")
    home = folder / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)

    said = subprocess.run(
        [python, "-c", USE, str(home)],
        cwd="/", capture_output=True, text=True, timeout=120, check=False,
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
    )  # fmt: skip

    assert said.stdout == f"42 {home}/postgres/run/.s.PGSQL.5432\n", said.stderr
    owners = {path.lstat().st_uid for path in home.rglob("*")}
    assert owners == {nobody.pw_uid}


def test_root_with_a_strict_umask_makes_a_home_that_the_service_user_can_pass_through(folder: Path) -> None:
    home = folder / "made" / "by root"

    said = subprocess.run(
        [sys.executable, "-c", USE, str(home)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, umask=0o077,
    )  # fmt: skip

    assert said.stdout == f"42 {home}/postgres/run/.s.PGSQL.5432\n", said.stderr
    assert (home / "postgres" / "data").stat().st_mode & 0o777 == 0o700
