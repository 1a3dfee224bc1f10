"""The environment of the processes that benchmarks and tests start."""

import os

from app.config import PREFIX


def child_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with `settings` (as in `home=…`) and no other of Ordertide's.

    Whoever works on a shop may have its ORDERTIDE_DATABASE_URL in the shell, and what is started here
    writes into the database that it finds.
    """
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
        **{f"{PREFIX}{name.upper()}": value for name, value in settings.items()},
    }
