"""The command line as an operator runs it."""

import asyncio
import subprocess

from bench._environment import child_environment
from tests import warm


async def ordertide(url: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own, on the database at `url`; `settings` as in `mail_url`."""
    environment = child_environment(database_url=url, secret_key="k" * 32, **settings)
    return await asyncio.to_thread(warm.run, arguments, environment)
