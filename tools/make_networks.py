"""Make qviz/data/files/networks.npz, the shipped tables of networks, in 15 s: `python tools/make_networks.py`."""

from pathlib import Path

from make_data import write

from qviz.experiments.mixed_precision import WIDTHS, joined, networks_of
from qviz.experiments.mixed_precision_table import FILE, SHIPPED, packed

if __name__ == "__main__":
    found = {names: joined([networks_of(bits, *names) for bits in WIDTHS]) for names in SHIPPED}
    write(Path(__file__).resolve().parent.parent / "qviz" / "data" / "files" / FILE, packed(found))
