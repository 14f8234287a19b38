"""`import qviz` is light, and shows everything there is."""

import subprocess
import sys
from pathlib import Path

import pytest

import qviz

ROOT = Path(qviz.__file__).parent


def test_every_package_is_listed_and_loads_when_it_is_asked_for():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(qviz._PACKAGES) and packages | set(qviz.__all__) <= set(dir(qviz))
    program = "import qviz, sys; print('qviz.plots' in sys.modules, qviz.plots.__name__, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "qviz.plots", "True"]


def test_a_misspelt_name_is_told_what_there_is():
    with pytest.raises(AttributeError, match="no attribute 'dta'; its packages are data, experiments, lessons"):
        qviz.dta  # noqa: B018
