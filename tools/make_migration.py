"""Make migration.npz, what exported graphs come to, in some seconds: `python tools/make_migration.py`."""

from pathlib import Path

from make_data import write

from qviz.pytorch.migration.migration_lab import MigrationLab
from qviz.pytorch.migration.migration_table import MOVES, run
from qviz.pytorch.migration.stored_results import FILE, NAMES, packed

FILES = Path(__file__).resolve().parent.parent / "qviz" / "data" / "files"

if __name__ == "__main__":
    lab = MigrationLab()
    counted = [run(move, lab) for move in MOVES]
    write(FILES / FILE, packed({name: lab.result(name) for name in NAMES}, [(c.same, c.of) for c in counted]))
