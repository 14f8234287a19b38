"""Make qviz/data/files/trainings.npz, the shipped trainings, in a minute: `python tools/make_trainings.py`."""

from pathlib import Path

from make_data import write

from qviz.pytorch.labs.stored_trainings import FILE, control, packed, settings, trained_anew

if __name__ == "__main__":
    results = [trained_anew(config) for config in settings()]
    write(
        Path(__file__).resolve().parent.parent / "qviz" / "data" / "files" / FILE, packed(results, control(again=True))
    )
