"""Forks `ordertide` off a process that has imported the product already; `tests/warm.py` talks to it.

To import everything costs a process two seconds of CPU, and a run of all tests starts some two hundred. A
fork goes on as `ordertide` does from there: its own arguments, environment, output and signals, then `main`.
"""

import json
import os
import selectors
import signal
import socket
import sys

from app.cli import main

_FILES = 4
"""What comes with each request: the socket that tells of the process, then its standard files."""


def wait_to_be_a_command(control: socket.socket) -> list[str]:
    """Fork whenever the tests ask; returns in forks alone, with their arguments."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    while True:
        ready = [key.fileobj for key, _ in selector.select()]
        if woken in ready:
            woken.recv(4096)
            _tell_ends(running)
        if control not in ready:
            continue
        byte, files, _, _ = socket.recv_fds(control, 1, _FILES)
        if not byte:
            sys.exit()
        told = socket.socket(fileno=files[0])
        request = _request(told)
        pid = os.fork()
        if pid:
            running[pid] = told
            told.sendall(f"{pid}\n".encode())
            for file in files[1:]:
                os.close(file)
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, interrupted)
        selector.close()
        for one in (control, woken, wakes, told, *running.values()):
            one.close()
        return _become(request, files[1:])


def _request(told: socket.socket) -> dict[str, object]:
    parts = []
    while part := told.recv(65_536):
        parts.append(part)
    return dict(json.loads(b"".join(parts)))


def _become(request: dict[str, object], files: list[int]) -> list[str]:
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(str(request["folder"]))
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    return arguments


def _tell_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as told:
            try:
                told.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            except OSError:  # nobody wants to know any more
                continue


if __name__ == "__main__":
    arguments = wait_to_be_a_command(socket.socket(fileno=int(sys.argv[1])))
    sys.argv = ["ordertide", *arguments]
    main()
