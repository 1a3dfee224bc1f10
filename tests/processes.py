"""Looking at processes from outside, and waiting for what they have to do in time."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def living(is_wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the processes of this machine that are wanted; what cannot be asked is not."""
    found = []
    for process in psutil.process_iter():
        try:
            if is_wanted(process):
                found.append(process)
        except psutil.Error:  # ended meanwhile, a zombie, or another user's
            continue
    return found


def postgres_in(home: Path) -> list[psutil.Process]:
    """Return the living processes of the embedded PostgreSQL of this home."""
    return living(lambda one: one.name() == "postgres" and one.cwd().startswith(str(home)))


def postmaster_of(home: Path) -> int:
    """Return the number of that PostgreSQL's first process, 0 while there is none."""
    try:
        return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return 0


def wait_until(holds: Callable[[], bool], else_say: str = "waited in vain", *, seconds: float = 20) -> None:
    """Wait for what has to come true within so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, else_say
        time.sleep(0.05)
