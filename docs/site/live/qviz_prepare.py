"""What is done in the browser before qviz is imported, so that a page moves sooner."""

import io
import logging
import sys
import types
import zipfile
from importlib.util import find_spec
from pathlib import Path


def without_ipython():
    """Stand in for the few names that ipywidgets and qviz ask of IPython: 3 MB and two seconds less."""

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
    """Leave matplotlib the fonts that the pictures use: it reads every font at each start, half a second for all."""
    fonts = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts"
    for font in fonts.rglob("*.*"):
        if not font.name.startswith("DejaVuSans"):
            font.unlink()
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it would miss those of formulas


def compiled(folder) -> bytes:
    """Return the bytecode of all that was imported from a folder, as a zip file that a later visit unpacks there.

    A third of the time until a page moves goes into compiling. Bytecode is marked as one that is not compared with its
    source (PEP 552), whose files get other dates at each visit.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in Path(folder).rglob("*.pyc"):
            code = path.read_bytes()
            archive.writestr(path.relative_to(folder).as_posix(), code[:4] + b"\x01\0\0\0" + bytes(8) + code[16:])
    return packed.getvalue()


def prepare():
    """Do all of it."""
    sys.dont_write_bytecode = False  # Pyodide sets it
    without_ipython()
    few_fonts()
