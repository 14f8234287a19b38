"""Check the reader's environment: what is missing, and how to install it."""

import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata

# package -> which parts of the course need it
NEEDED = {
    "numpy": "every page",
    "matplotlib": "every picture",
    "ipywidgets": "every slider",
    "jupyterlab_widgets": "every slider, in JupyterLab",
    "torch": "the pages on PyTorch",
    "torchao": "the page Moving on",
    "joblib": "sweeps, on the pages on training and on benefits",
    "threadpoolctl": "sweeps, on the pages on training and on benefits",
    "tqdm": "sweeps, on the pages on training and on benefits",
    "safetensors": "saving quantized networks",
}
IN_BROWSER = sys.platform == "emscripten"  # a browser can neither start a process nor install packages
_BROWSER_HAS = ("numpy", "matplotlib", "ipywidgets")  # all that the lessons need there
_SET_UP = "run `python3 start.py lab` in the folder of the course"
_ENGINES = "import torch; print(*torch.backends.quantized.supported_engines)"


@dataclass(frozen=True)
class Finding:
    """One requirement: whether it is met, and what to do if not."""

    name: str
    ok: bool
    fix: str

    def __str__(self) -> str:
        return f"{self.name:<20} ok" if self.ok else f"{self.name:<20} MISSING: {self.fix}"


@dataclass(frozen=True)
class Report:
    """All findings, printed one per line."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return all(f.ok for f in self.findings)

    def __repr__(self) -> str:
        last = "Everything is installed." if self.ok else "Something is missing; each line tells you how to fix it."
        return "\n".join([*map(str, self.findings), last])


def check_environment() -> Report:
    """Check for everything that the course needs.

    Returns
    -------
    Report
        It prints one line per requirement, without versions, so that the output is the same on every machine.

    Examples
    --------
    >>> check_environment().findings[0]
    Finding(name='Python 3.11 or later', ok=True, fix='install Python 3.11 or later from python.org')
    """
    python = Finding(
        "Python 3.11 or later", sys.version_info >= (3, 11), "install Python 3.11 or later from python.org"
    )
    packages = tuple(
        Finding(name, _installed(name), f"needed by {needed}; {_SET_UP}")
        for name, needed in NEEDED.items()
        if name in _BROWSER_HAS or not IN_BROWSER
    )
    return Report((python, *packages) if IN_BROWSER else (python, *packages, _int8_kernels()))


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def _int8_kernels() -> Finding:
    # In a separate process, because importing torch takes seconds and the first lessons do not need it.
    asked = subprocess.run([sys.executable, "-c", _ENGINES], capture_output=True, text=True, check=False)
    fix = (
        f"torch on this {platform.machine()} machine has no such kernels; the pages use different ones, and tell you so"
    )
    return Finding("fbgemm kernels", "fbgemm" in asked.stdout.split(), fix)
