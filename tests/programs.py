"""Client programs of their own process: they print one line of JSON for each thing they saw."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench._environment import child_environment
from tests.processes import wait_until


class Program:
    """A running program and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    def printed(self) -> list[Any]:
        """Return what it printed, line by line; the last line may not be whole yet."""
        whole, _, _ = self._output.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def complaints(self) -> str:
        """Return what it wrote to standard error."""
        return self._output.with_suffix(".err").read_text()

    def wait_for(self, count: int, *, seconds: float = 30) -> list[Any]:
        """Wait until it printed that many lines and return them all."""
        wait_until(
            lambda: len(self.printed()) >= count or self.process.poll() is not None,
            f"{self._output.stem} has not printed {count} lines: {self.complaints()}",
            seconds=seconds,
        )
        assert len(self.printed()) >= count, (self._output.stem, self.printed(), self.complaints())
        return self.printed()

    def finish(self, *, seconds: float = 60) -> list[Any]:
        """Wait until it ends by itself, and return what it printed."""
        code = self.process.wait(seconds)
        assert code == 0, (self._output.stem, self.printed(), self.complaints())
        return self.printed()


@contextmanager
def running(
    command: Sequence[str], folder: Path, name: str, environment: Mapping[str, str]
) -> Iterator[Program]:
    """Run a program until it ends or the block does; what it prints goes to `folder`."""
    output = folder / f"{name}.out"
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        process = subprocess.Popen(
            command, env={**child_environment(), **environment}, stdout=out, stderr=err
        )
    try:
        yield Program(process, output)
    finally:
        process.kill()
        process.wait()
