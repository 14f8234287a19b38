"""Make the explorers of the site interactive: placeholders in the pages, qviz packed for the browser, and Pyodide."""

import ast
import base64
import hashlib
import html
import io
import json
import shutil
import zipfile
from importlib import metadata
from pathlib import Path

import pyodide as pinned
import torch_states

import qviz.widgets
from qviz.widgets import gallery
from qviz.widgets.controls import controls_of
from qviz.widgets.explorer import Screen
from qviz.widgets.links import PAGE, write_link
from qviz.widgets.live import COLUMN, controls_as_data, live_explorers, state_as_data

ROOT = Path(__file__).resolve().parent.parent
LIVE = ROOT / "docs" / "site" / "live"
PACKED = ("ipywidgets", "comm")  # dependencies of qviz that Pyodide lacks; both are pure Python
NOT_PACKED = ("qviz/pytorch/",)  # a browser has no torch
LOADS = "Python loads into this page: about 19 MB the first time, nothing later. You can read on meanwhile."
PHONE = Screen(torch_states.PHONE_DOTS, COLUMN)
STATES = "states/"  # of explorers on torch, among the static files
ELSEWHERE = "{binder}On your own machine: <code>python3 start.py lab</code>."
NEEDS_TORCH = f"This explorer needs PyTorch, which no browser runs. {ELSEWHERE}"
SOME_STATES = (
    "This explorer needs PyTorch, which no browser runs; the {count} settings that these controls offer were computed "
    f"when the site was built. For all others: {ELSEWHERE}"
)
BINDER = 'Open it <a href="https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/notebooks">on Binder</a>. '


def let_explorers_move(notebook, pictures, tables, repository=""):
    """Insert before each picture of an explorer the data for the page's script, or a note for the reader.

    `pictures` is the folder for phone-sized pictures; `tables` holds the computed states of explorers on torch, see
    torch_states.
    """
    made = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        shown = explorer_shown("".join(cell["source"]), made)
        if shown and any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            place = _place(*shown, pictures, tables, repository)
            cell["outputs"].insert(0, {"output_type": "display_data", "metadata": {}, "data": {"text/html": place}})


def _place(name, settings, pictures, tables, repository):
    if name in live_explorers():
        return block(name, settings, **_at_first(live_explorers()[name], settings, pictures))
    if name in tables:
        return stored_block(name, settings, tables[name], repository)
    return needs_torch(repository)


def _at_first(kind, settings, pictures):
    """Return an explorer's figures, and its picture for a phone, which the notebook does not store."""
    explorer = kind(_screen=PHONE, **settings)
    figures = state_as_data(explorer)["figures"]
    picture = torch_states.compact(bytes(explorer._image.value))
    file = f"{hashlib.sha256(picture).hexdigest()[:12]}.webp"
    (pictures / file).write_bytes(picture)
    explorer.close()
    return {"figures": figures, "narrow": f"pictures/{file}"}


def explorer_shown(source, made):
    """Return (class name, settings) of the explorer that a cell shows; `made` collects those of earlier cells."""
    body = ast.parse(source).body
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (found := _made_by(node.value)):
            made[node.targets[0].id] = found
        elif moved := _moved_by(node, made):  # part of the page's initial state, which Reset restores
            name, setting, value = moved
            made[name] = (made[name][0], made[name][1] | {setting: value})
    if not body or not isinstance(body[-1], ast.Expr):
        return None
    last = body[-1].value
    return made.get(last.id) if isinstance(last, ast.Name) else _made_by(last)


def _moved_by(node, made):
    """Return (variable, setting, value) if a statement sets a control, such as `explorer.bits = 3`."""
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in made:
        return target.value.id, target.attr, ast.literal_eval(node.value)
    return None


def _made_by(node):
    """Return (class name, settings) if an expression creates an explorer."""
    if not isinstance(node, ast.Call):
        return None
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if not name.endswith("Explorer") or name not in qviz.widgets.__all__:
        return None
    return name, {k.arg: ast.literal_eval(k.value) for k in node.keywords}


def block(name, settings, inside="", figures=None, **more):
    """Return the placeholder of an explorer, which the page's script fills."""
    kind = getattr(qviz.widgets, name)
    link = write_link(kind, settings)
    data = {"explorer": name, "settings": settings, "controls": controls_as_data(kind), "link": link}
    data |= {"figures": figures or {}} | more
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in data.items()}
    attributes = " ".join(f'data-{key}="{html.escape(value)}"' for key, value in told.items())
    return f'<div class="qviz-live" {attributes}>{inside}</div>'


def stored_block(name, settings, table, repository):
    """Return the placeholder of an explorer on torch, which shows precomputed states."""
    moves, kind = torch_states.MOVES[name], getattr(qviz.widgets, name)
    start = {key: default for key, (_, default) in controls_of(kind.State).items()} | moves.fixed | settings
    key = torch_states.key([start[control["name"]] for control in table["controls"]])
    told = table["states"].get(key)
    if told is None or told["state"] != start:
        raise SystemExit(f"{name}: tools/torch_states.py must compute the state that its lesson shows, {settings}")
    folder = f"{STATES}{table['table'].partition('/')[0]}"
    more = {"controls": table["controls"], "table": f"{STATES}{table['table']}", "narrow": f"{folder}/{told['narrow']}"}
    return block(name, start, figures=told["figures"], **more) + some_states(table, repository)


def some_states(table, repository):
    said = SOME_STATES.format(count=len(table["states"]), binder=_binder(repository))
    return f'<p class="qviz-torch">{said}</p>'


def explore(pictures, tables):
    """Return the placeholder that shows any explorer, one at a time, and write their first pictures into a folder."""
    kinds = {name: stored(name, kind, pictures) for name, kind in live_explorers().items()}
    kinds |= {name: first_of(name, table) for name, table in tables.items()}
    data = json.dumps(kinds).replace("</", "<\\/")
    first = next(iter(live_explorers()))
    inside = f'{picture(kinds[first])}<script type="application/json">{data}</script>'
    return block(first, {}, inside, kinds[first]["figures"], narrow=kinds[first]["narrow"])


def first_of(name, table):
    """Return the initial data of an explorer on torch."""
    told = next(iter(table["states"].values()))
    folder = f"{STATES}{table['table'].partition('/')[0]}"
    return {
        "about": f"{gallery.summary(getattr(qviz.widgets, name))} (settings computed before)",
        "controls": table["controls"],
        "picture": f"_static/live/{folder}/{told['picture']}",
        "narrow": f"{folder}/{told['narrow']}",
        "words": f"Picture: {told['words'].splitlines()[0]}",
        "table": f"{STATES}{table['table']}",
    } | {key: told[key] for key in ("readout", "figures", "link", "state")}


def one(name, settings, pictures):
    """Return the placeholder of one explorer, with its picture and readout."""
    told = stored(name, live_explorers()[name], pictures, **settings)
    return block(name, settings, picture(told), told["figures"], narrow=told["narrow"])


def stored(name, kind, pictures, **settings):
    """Return the initial data of an explorer, and write its picture into a folder."""
    explorer = kind(**settings)
    file = "-".join([name, *map(str, settings.values())])
    (pictures / f"{file}.png").write_bytes(explorer.png)
    state = state_as_data(explorer)
    told = {
        "about": gallery.summary(kind),
        "controls": controls_as_data(kind),
        "picture": f"_static/live/pictures/{file}.png",
        "words": f"Picture: {state['words'].splitlines()[0]}",
        "readout": state["readout"],
        "link": write_link(kind, settings),
    }
    explorer.close()
    return told | _at_first(kind, settings, pictures)


def picture(told):
    words, readout = html.escape(told["words"]), html.escape(told["readout"])
    return f'<img src="{told["picture"]}" alt="{words}"><div class="output"><pre>{readout}</pre></div>'


def needs_torch(repository):
    return f'<p class="qviz-torch">{NEEDS_TORCH.format(binder=_binder(repository))}</p>'


def _binder(repository):
    name = repository.removeprefix("https://github.com/")
    return BINDER.format(repository=name) if name else ""


def computed(source, states):
    """Compute the tables of explorers on torch, and write them and their pictures to the static files."""
    if states == "none":
        return {}
    if not torch_states.possible():
        print("no torch here: its explorers stay pictures (start.py site installs it)")
        return {}
    return torch_states.compute(source / "static" / "live" / STATES, few=states == "few")


def gather(source, pyodide, tables):
    """Copy scripts, qviz and, if requested, Pyodide to the static files, and list their paths in live.json."""
    static = source / "static" / "live"
    pictures = static / "pictures"
    pictures.mkdir(parents=True)
    (source / "explore.txt").write_text(explore(pictures, tables), encoding="utf-8")
    (source / "first.txt").write_text(one("PhotoExplorer", {"bits": 3}, pictures), encoding="utf-8")
    for name in ("live.js", "guesses.js", "live.css", "worker.js", "pyodide-lock.json"):
        shutil.copy(LIVE / name, static)
    packed = bundle()
    version = hashlib.sha256(packed).hexdigest()[:12]
    (static / f"qviz-{version}.zip").write_bytes(packed)
    if pyodide:
        if bad := pinned.bad_files(pyodide):
            raise SystemExit(f"--pyodide {pyodide}: {', '.join(bad)} must be as tools/pyodide.py fetches them")
        (static / "pyodide").mkdir()
        for name in pinned.PINNED["files"]:
            shutil.copy(pyodide / name, static / "pyodide")
    told = setup(f"qviz-{version}.zip", len(packed), "pyodide/" if pyodide else pinned.PINNED["cdn"])
    (source / "live.json").write_text(json.dumps(told), encoding="utf-8")


def setup(bundle, size, pyodide):
    """Return what the page's script has to know: where everything is, how large, and what Pyodide's files must be."""
    worker = hashlib.sha256((LIVE / "worker.js").read_bytes()).hexdigest()[:12]
    files = pinned.PINNED["files"]
    return {
        "worker": f"worker.js?v={worker}",
        "pyodide": pyodide,
        "lock": "pyodide-lock.json",
        "explore": f"../../{PAGE}",
        "bundle": bundle,
        "sha256": {name: _base64(file["sha256"]) for name, file in files.items()},
        "offline": "../../service-worker.js",
        "sizes": {name: file["bytes"] for name, file in files.items()} | {bundle: size},
        "loads": LOADS,
    }


def _base64(digest):
    return base64.b64encode(bytes.fromhex(digest)).decode()


def bundle():
    """Return qviz and the dependencies that Pyodide lacks as one zip file, with reproducible bytes."""
    qviz_files = [path for path in (ROOT / "qviz").rglob("*") if path.suffix in (".py", ".npz")]
    files = {path.relative_to(ROOT).as_posix(): path for path in qviz_files}
    files = {name: path for name, path in files.items() if not name.startswith(NOT_PACKED)}
    files |= {"qviz_prepare.py": LIVE / "qviz_prepare.py"}
    for package in PACKED:
        files |= {str(file): Path(file.locate()) for file in metadata.files(package) if file.suffix == ".py"}
    return zipped({name: files[name].read_bytes() for name in sorted(files)})


def zipped(files):
    """Return a zip file of these bytes by name, itself as bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():  # ZipInfo is always dated 1980, so that the bytes are reproducible
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
