"""Real input: real shops' invoices and payments through the API, counted to the unit and the penny.

    make real-input          or: python -m tests.acceptance.real_input

Needs ORDERTIDE_TEST_DATA, a folder with online_retail/lines.csv.gz (UCI Online Retail, one invoice
line a row) or olist/ (Brazilian E-Commerce Public Dataset by Olist, CC BY-NC-SA 4.0: never in this
repository, to measure and test with only); what is not there is skipped. Each part has a server and a
database of its own:

1. Every sale invoice of December 2010 becomes a cart and an order over HTTP at catalogue prices, every
   second one line by line; wholly cancelled invoices are cancelled. Units and remaining stock must equal
   the file, revenue must equal the sum of quantity x catalogue price.
2. `ordertide import orders` takes the same month at its recorded prices: revenue must equal the file.
3. Olist's orders of 2017 are entered by staff and paid as they were: a card, two cards, vouchers and a card,
   boletos; canceled ones get their money back. Of every order whose payments sum to lines and freight, each
   payment must equal the file, and so must the sums by means, the sandbox's own record and the ledger.
   --until 2017-03 stops after that month.
"""

import argparse
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from bench import _harness
from tests.acceptance import imported, olist, online_retail, sales, tenders
from tests.acceptance.report import CONSOLE, Report

_Part = Callable[[_harness.Server, Report], Coroutine[Any, Any, None]]


def main() -> int:
    """Run the parts whose data is there; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--until", default=f"{olist.YEAR}-12", metavar="MONTH", help="part 3's last month")
    until = parser.parse_args().until
    folder = os.environ.get("ORDERTIDE_TEST_DATA")
    if not folder:
        CONSOLE.print("skipped: set ORDERTIDE_TEST_DATA to a folder that has the data")
        return 0
    report = Report()
    for part in _parts(Path(folder), until):
        with _harness.home() as place, _harness.serve(place) as server:
            _harness.run(part(server, report))
    CONSOLE.print("[red]DIFFERENT[/]" if report.failed else "[green]everything is equal[/]")
    return int(report.failed)


def _parts(folder: Path, until: str) -> Iterator[_Part]:
    if (folder / online_retail.FILE).is_file():
        month = online_retail.load(folder)
        yield lambda server, report: sales.check(server, month, report)
        yield lambda server, report: imported.check(server, month, report)
    else:
        CONSOLE.print(f"skipped parts 1 and 2: ORDERTIDE_TEST_DATA has no {online_retail.FILE}")
    if missing := olist.missing(folder):
        CONSOLE.print(f"skipped part 3: ORDERTIDE_TEST_DATA has no {', '.join(missing)}")
    else:
        year = olist.load(folder).until(until)
        yield lambda server, report: tenders.check(server, year, report)


if __name__ == "__main__":
    sys.exit(main())
