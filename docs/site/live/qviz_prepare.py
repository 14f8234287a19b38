"""Preparations in the browser before qviz is imported, so that a page becomes interactive sooner."""

import io
import logging
import sys
import types
import zipfile
from importlib.util import find_spec
from pathlib import Path


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


def few_fonts():
    """Delete the fonts that the pictures do not use: matplotlib reads all fonts at each start, in half a second."""
    fonts = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts"
    for font in fonts.rglob("*.*"):
        if not font.name.startswith("DejaVuSans"):
            font.unlink()
    logging.getLogger("matplotlib.font_manager").setLevel(
        logging.ERROR
    )  # it would warn that the fonts of formulas are missing


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


def prepare():
    """Prepare all of it."""
    sys.dont_write_bytecode = False  # Pyodide sets it
    without_ipython()
    few_fonts()
