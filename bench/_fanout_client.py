"""The load client of bench/fanout.py, in C: compiled here, driven by lines over its pipes."""

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory
from typing import Any

_SOURCE = Path(__file__).with_name("fanout_client.c")
_CONNECT_SECONDS = 300
_ANSWER_SECONDS = 30
_ROW = Struct("=qqq")


class NoCompiler(Exception):
    """There is no C compiler, and so no load client."""


async def build(folder: Path) -> Path:
    """Compile the client into `folder`; raises NoCompiler."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NoCompiler("the load client is written in C: install a C compiler (cc, gcc or clang)")
    program = folder / "fanout_client"
    building = await asyncio.create_subprocess_exec(compiler, "-O2", "-o", str(program), str(_SOURCE))
    if await building.wait() != 0:
        raise NoCompiler(f"{compiler} does not compile {_SOURCE.name}; what it said is above")
    return program


@dataclass(frozen=True, slots=True)
class Arrival:
    """A value that reached a connection, and when (seconds since the epoch)."""

    connection: int
    value: int
    at: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the connections ask for; connection i sends line i, modulo the number of lines.

    `options` are the client's, as fanout_client.c explains them.
    """

    connections: int
    inits: Sequence[Mapping[str, Any]]
    subscriptions: Sequence[Mapping[str, Any]]
    options: Mapping[str, object] = field(default_factory=dict)


class LoadClient:
    """A running client; one command at a time."""

    def __init__(self, process: Process, recorded: Path | None) -> None:
        """Use `load_client`."""
        self._process = process
        self._recorded = recorded
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._moved = asyncio.Event()
        self._turn = asyncio.Lock()
        self._listening = asyncio.create_task(self._listen())
        self.deliveries = 0
        """Since the last reset, as far as the client has told (see `tell_every`)."""

    async def connect(self) -> dict[str, Any]:
        """Open and subscribe every connection; return how it went."""
        answer = await self._ask("connect", _CONNECT_SECONDS)
        if answer["refused"]:
            raise AssertionError(f"connections were refused: {answer}, {await self.report()}")
        return answer

    async def tell_every(self, deliveries: int) -> None:
        """Have `deliveries` brought up to date after every so many; 0 for no more."""
        await self._ask(f"every {deliveries}")

    async def moved(self, seconds: float) -> None:
        """Wait for news of `deliveries`, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        self._moved.clear()

    async def reset(self) -> None:
        """Count from zero."""
        await self._ask("reset")
        self.deliveries = 0

    async def report(self) -> dict[str, Any]:
        """Return what was counted since the last reset."""
        return await self._ask("report")

    async def stall(self, first: int, count: int) -> None:
        """Have connections stop reading."""
        await self._ask(f"stall {first} {count}")

    async def read_again(self, first: int, count: int) -> None:
        """Have them read again."""
        await self._ask(f"read {first} {count}")

    async def arrivals(self) -> list[Arrival]:
        """Return every delivery so far, in order; the client must have been told which value counts."""
        await self.report()  # which has it write out what it still holds
        assert self._recorded is not None, "asked for no value"
        rows = self._recorded.read_bytes()
        return [Arrival(connection, value, at / 1e9) for connection, value, at in _ROW.iter_unpack(rows)]

    async def end(self) -> None:
        """End the client, and with it all its connections."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._listening.cancel()

    async def _ask(self, command: str, seconds: float = _ANSWER_SECONDS) -> dict[str, Any]:
        assert self._process.stdin is not None
        async with self._turn, asyncio.timeout(seconds):
            self._process.stdin.write(command.encode() + b"\n")
            answer = await self._answers.get()
        if answer["event"] == "ended":
            raise AssertionError("the load client has ended; what it said is above")
        return answer

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if said["event"] == "progress":
                self.deliveries = said["deliveries"]
                self._moved.set()
            else:
                self._answers.put_nowait(said)
        self._answers.put_nowait({"event": "ended"})


@asynccontextmanager
async def load_client(program: Path, port: int, wanted: Wanted) -> AsyncIterator[LoadClient]:
    """Run a client against the server at `port` until the block ends; it connects when told to."""
    with TemporaryDirectory(prefix="ordertide-fanout-") as name:
        folder = Path(name)
        inits, subscriptions = folder / "inits", folder / "subscriptions"
        _write(inits, wanted.inits)
        _write(subscriptions, wanted.subscriptions)
        options = dict(wanted.options)
        recorded = folder / "arrivals" if "value" in options else None
        if recorded is not None:
            options["record"] = recorded
        process = await asyncio.create_subprocess_exec(
            program, str(port), str(wanted.connections), inits, subscriptions,
            *(f"{option}={value}" for option, value in options.items()),
            stdin=PIPE, stdout=PIPE, stderr=sys.stderr,
        )  # fmt: skip
        client = LoadClient(process, recorded)
        try:
            yield client
        finally:
            await client.end()


def _write(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
