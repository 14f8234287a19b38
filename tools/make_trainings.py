"""Make trainings.npz and capstone.npz, the shipped trainings, in a minute: `python tools/make_trainings.py`."""

from pathlib import Path

from make_data import write

from qviz.pytorch.labs import capstone
from qviz.pytorch.labs.stored_trainings import FILE, control, packed, settings, trained_anew

FILES = Path(__file__).resolve().parent.parent / "qviz" / "data" / "files"

if __name__ == "__main__":
    write(FILES / capstone.FILE, capstone.packed(capstone.trained_anew()))
    results = [trained_anew(config) for config in settings()]
    write(FILES / FILE, packed(results, control(again=True)))
