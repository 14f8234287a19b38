"""What makes the explorers of the site move: a place for each in its page, qviz packed for the browser, and Pyodide."""

import ast
import hashlib
import html
import io
import json
import shutil
import zipfile
from importlib import metadata
from pathlib import Path

import pyodide as pinned

import qviz.widgets
from qviz.widgets import gallery
from qviz.widgets.links import PAGE, write_link
from qviz.widgets.live import controls_as_data, live_explorers

ROOT = Path(__file__).resolve().parent.parent
LIVE = ROOT / "docs" / "site" / "live"
PACKED = ("ipywidgets", "comm")  # what qviz needs and Pyodide does not have; both are Python alone
NOT_PACKED = ("qviz/pytorch/",)  # a browser has no torch
LOADS = "Python loads into this page: about 19 MB the first time, nothing later. You can read on meanwhile."
NEEDS_TORCH = (
    "This explorer needs PyTorch, which no browser runs. {binder}On your own machine: "
    "<code>python3 start.py lab</code>."
)
BINDER = 'Open it <a href="https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/notebooks">on Binder</a>. '


def let_explorers_move(notebook, repository=""):
    """Put before each picture of an explorer what the page's script needs, or what the reader does."""
    made = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        shown = explorer_shown("".join(cell["source"]), made)
        if shown and any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            place = block(*shown) if shown[0] in live_explorers() else needs_torch(repository)
            cell["outputs"].insert(0, {"output_type": "display_data", "metadata": {}, "data": {"text/html": place}})


def explorer_shown(source, made):
    """Return (name of the class, settings) of the explorer that a cell shows; `made` keeps those of earlier cells."""
    body = ast.parse(source).body
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (found := _made_by(node.value)):
            made[node.targets[0].id] = found
    if not body or not isinstance(body[-1], ast.Expr):
        return None
    last = body[-1].value
    return made.get(last.id) if isinstance(last, ast.Name) else _made_by(last)


def _made_by(node):
    """Return (name of the class, settings) where this makes an explorer."""
    if not isinstance(node, ast.Call):
        return None
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if not name.endswith("Explorer") or name not in qviz.widgets.__all__:
        return None
    live = name in live_explorers()
    return name, {k.arg: ast.literal_eval(k.value) for k in node.keywords} if live else {}


def block(name, settings, inside=""):
    """Return the place of an explorer in a page; the script fills it."""
    kind = live_explorers()[name]
    link = write_link(kind, settings)
    data = {"explorer": name, "settings": settings, "controls": controls_as_data(kind), "link": link}
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in data.items()}
    attributes = " ".join(f'data-{key}="{html.escape(value)}"' for key, value in told.items())
    return f'<div class="qviz-live" {attributes}>{inside}</div>'


def explore(pictures):
    """Return the place of all explorers, one at a time; their first pictures go into a folder."""
    kinds = {name: stored(name, kind, pictures) for name, kind in live_explorers().items()}
    data = json.dumps(kinds).replace("</", "<\\/")
    first = next(iter(kinds))
    inside = f'{picture(kinds[first])}<script type="application/json">{data}</script>'
    return block(first, {}, inside)


def one(name, settings, pictures):
    """Return the place of one explorer, with its picture and its readout."""
    return block(name, settings, picture(stored(name, live_explorers()[name], pictures, **settings)))


def stored(name, kind, pictures, **settings):
    """Return what a page shows of an explorer before it moves, and put its picture into a folder."""
    explorer = kind(**settings)
    state = "-".join([name, *map(str, settings.values())])
    (pictures / f"{state}.png").write_bytes(explorer.png)
    told = {
        "about": gallery.told(kind),
        "controls": controls_as_data(kind),
        "picture": f"_static/live/pictures/{state}.png",
        "words": f"Picture: {explorer._canvas.description.splitlines()[0]}",
        "readout": explorer.readout,
        "link": write_link(kind, settings),
    }
    explorer.close()
    return told


def picture(told):
    words, readout = html.escape(told["words"]), html.escape(told["readout"])
    return f'<img src="{told["picture"]}" alt="{words}"><div class="output"><pre>{readout}</pre></div>'


def needs_torch(repository):
    name = repository.removeprefix("https://github.com/")
    binder = BINDER.format(repository=name) if name else ""
    return f'<p class="qviz-torch">{NEEDS_TORCH.format(binder=binder)}</p>'


def gather(source, pyodide):
    """Put scripts, qviz and, where it is asked for, Pyodide among the static files; say where they are in live.json."""
    static = source / "static" / "live"
    pictures = static / "pictures"
    pictures.mkdir(parents=True)
    (source / "explore.txt").write_text(explore(pictures), encoding="utf-8")
    (source / "first.txt").write_text(one("PhotoExplorer", {"bits": 3}, pictures), encoding="utf-8")
    for name in ("live.js", "guesses.js", "live.css", "worker.js", "pyodide-lock.json"):
        shutil.copy(LIVE / name, static)
    packed = bundle()
    version = hashlib.sha256(packed).hexdigest()[:12]
    (static / f"qviz-{version}.zip").write_bytes(packed)
    sizes = {name: file["bytes"] for name, file in pinned.PINNED["files"].items()}
    if pyodide:
        if wrong := pinned.wrong(pyodide):
            raise SystemExit(f"--pyodide {pyodide}: {', '.join(wrong)} must be as tools/pyodide.py fetches them")
        (static / "pyodide").mkdir()
        for name in sizes:
            shutil.copy(pyodide / name, static / "pyodide")
    worker = hashlib.sha256((LIVE / "worker.js").read_bytes()).hexdigest()[:12]
    setup = {
        "worker": f"worker.js?v={worker}",
        "pyodide": "pyodide/" if pyodide else pinned.PINNED["cdn"],
        "lock": "pyodide-lock.json",
        "explore": f"../../{PAGE}",
        "bundle": f"qviz-{version}.zip",
        "sizes": sizes | {f"qviz-{version}.zip": len(packed)},
        "loads": LOADS,
    }
    (source / "live.json").write_text(json.dumps(setup), encoding="utf-8")


def bundle():
    """Return qviz, and what it needs and Pyodide has not, as one zip file; the same bytes each time."""
    qviz_files = [path for path in (ROOT / "qviz").rglob("*") if path.suffix in (".py", ".npz")]
    files = {path.relative_to(ROOT).as_posix(): path for path in qviz_files}
    files = {name: path for name, path in files.items() if not name.startswith(NOT_PACKED)}
    files |= {"qviz_prepare.py": LIVE / "qviz_prepare.py"}
    for package in PACKED:
        files |= {str(file): Path(file.locate()) for file in metadata.files(package) if file.suffix == ".py"}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)  # its date is that of all: 1980
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())
    return packed.getvalue()
