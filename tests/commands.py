"""The command line as an operator runs it."""

import asyncio
import subprocess
import sys
from pathlib import Path

from bench._environment import child_environment


async def ordertide(url: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own, on the database at `url`; `settings` as in `mail_url`."""
    command = [str(Path(sys.executable).with_name("ordertide")), *arguments]
    environment = child_environment(database_url=url, secret_key="k" * 32, **settings)
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
