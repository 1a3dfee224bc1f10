"""Real input: a month of a real shop's invoices through the API, counted to the unit and the penny.

    make real-input          or: python -m tests.acceptance.real_input

Needs ORDERTIDE_TEST_DATA, a folder with online_retail/lines.csv.gz (UCI Online Retail, one invoice
line a row); says so and stops without it. Two runs, each against a server and a database of its own:

1. Every sale invoice of December 2010 becomes a cart and an order over HTTP at catalogue prices, every
   second one line by line; wholly cancelled invoices are cancelled. Units and remaining stock must equal
   the file, revenue must equal the sum of quantity x catalogue price.
2. `ordertide import orders` takes the same month at its recorded prices: revenue must equal the file.
"""

import os
import sys
from pathlib import Path

from bench import _harness
from tests.acceptance import imported, sales
from tests.acceptance.online_retail import FILE, load
from tests.acceptance.report import CONSOLE, Report

_PARTS = (sales.check, imported.check)


def main() -> int:
    """Run both parts; return the exit status."""
    folder = os.environ.get("ORDERTIDE_TEST_DATA")
    if not folder or not (Path(folder) / FILE).is_file():
        CONSOLE.print(f"skipped: set ORDERTIDE_TEST_DATA to a folder that has {FILE}")
        return 0
    month = load(Path(folder))
    report = Report()
    for part in _PARTS:
        with _harness.home() as place, _harness.serve(place) as server:
            _harness.run(part(server, month, report))
    CONSOLE.print("[red]DIFFERENT[/]" if report.failed else "[green]everything is equal[/]")
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
