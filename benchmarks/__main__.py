"""Find the comparisons in this folder, run them, and print one table."""

import importlib
import pkgutil
import sys

from . import __path__ as here
from .frame import machine, table


def names() -> list[str]:
    found = sorted(module.name for module in pkgutil.iter_modules(here) if not module.name.startswith("_"))
    return [name for name in found if hasattr(importlib.import_module(f"benchmarks.{name}"), "compare")]


def main(chosen: list[str]) -> int:
    known = names()
    unknown = [name for name in chosen if name not in known]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    rows = []
    for name in chosen or known:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").compare()
    print(machine())
    print(table(rows))
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
