"""Preparations in the browser before qviz is imported, so that a page becomes interactive sooner."""

import importlib
import io
import logging
import re
import sys
import types
import zipfile
from pathlib import Path

NEEDED = re.compile(r"\.(py|so)$|/matplotlibrc$|/DejaVuSans(-Bold|Display)?\.ttf$")


def without_ipython():
    """Replace IPython by the few names that ipywidgets and qviz use, which saves 3 MB and two seconds."""

    def nothing(*_arguments, **_options):
        return None

    def module(name, **names):
        made = sys.modules[name] = types.ModuleType(name)
        made.__path__ = []
        made.__dict__.update(names)
        return made

    display = module("IPython.display", display=nothing, clear_output=nothing)
    module("IPython", get_ipython=nothing, display=display, version_info=(8, 0), __version__="8.0")
    module("IPython.core")
    shell = type("InteractiveShell", (), {"initialized": nothing})
    module("IPython.core.interactiveshell", InteractiveShell=shell)


def unpack(wheel, folder):
    """Unpack of a wheel, given as JavaScript's buffer, what qviz may import or read.

    Files here lie in memory. Pyodide's own way unpacks all of them, and loads all machine code in them, 36 modules, of
    which qviz imports half: 50 MB more. Fewer fonts also start matplotlib sooner, which reads each of them.
    """
    with zipfile.ZipFile(io.BytesIO(wheel.to_bytes())) as archive:
        archive.extractall(folder, filter(NEEDED.search, archive.namelist()))


def compiled(folder) -> bytes:
    """Return the bytecode of all modules imported from a folder, as a zip file that a later visit unpacks there.

    Compiling takes a third of the time until a page is interactive. The bytecode is marked as unchecked (PEP 552),
    because the source files get new dates at each visit.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in Path(folder).rglob("*.pyc"):
            code = path.read_bytes()
            archive.writestr(path.relative_to(folder).as_posix(), code[:4] + b"\x01\0\0\0" + bytes(8) + code[16:])
    return packed.getvalue()


def forget():
    """Delete the files of the modules that were imported: they lie in memory, and are not read again."""
    for module in list(sys.modules.values()):
        for file in (getattr(module, "__file__", None), getattr(module, "__cached__", None)):
            if file and Path(file).is_file():
                Path(file).unlink()


def prepare():
    """Prepare all of it."""
    sys.dont_write_bytecode = False  # Pyodide sets it
    importlib.invalidate_caches()  # folders have been filled since they were read
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # no fonts of formulas
    without_ipython()
