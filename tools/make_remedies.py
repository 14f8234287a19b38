"""Make qviz/data/files/hard_to_quantize.npz, the results of every setting of the remedies, in about ten minutes."""

from pathlib import Path

from make_data import write

from qviz.experiments.hard_to_quantize_table import FILE, make_table

if __name__ == "__main__":
    write(Path(__file__).resolve().parent.parent / "qviz" / "data" / "files" / FILE, make_table())
