"""Precomputed states of the explorers on PyTorch, so that they are interactive on the site, where there is no torch.

Each state holds what the explorer itself shows: its text, and its picture for a large screen and for a phone.
"""

import hashlib
import io
import itertools
import json
import pkgutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

import qviz.widgets
from qviz.widgets.controls import Slider, Toggle, controls_of
from qviz.widgets.live import COLUMN, controls_as_data, state_as_data

PROCESSES = 2  # of about 500 MB each
PHONE_DOTS = 2  # device pixels per CSS pixel; today's phones have at least 2


@dataclass(frozen=True)
class Moves:
    """The states of an explorer to compute: every combination of these values.

    Attributes
    ----------
    values : mapping of control to values, for the controls that are shown
    few : the same for tests, with so few values that they are computed in seconds
    fixed : mapping of control to value, for controls with a fixed value, as in the lesson
    work : name of the method to call in each state, such as "train"; "" for none
    """

    values: Mapping[str, tuple]
    few: Mapping[str, tuple]
    fixed: Mapping[str, object] = field(default_factory=dict)
    work: str = ""

    def chosen(self, few: bool) -> list[dict]:
        """Return the settings of every state."""
        values = self.few if few else self.values
        return [dict(zip(values, one, strict=True)) for one in itertools.product(*values.values())]


MOVES = {
    "PTQExplorer": Moves(
        values={
            "weight_bits": (2, 3, 4, 5, 6, 7, 8),
            "activation_bits": (4, 8),
            "granularity": ("per tensor", "per channel"),
            "method": ("min-max", "entropy", "mse"),
        },
        few={
            "weight_bits": (3, 8),
            "activation_bits": (8,),
            "granularity": ("per tensor",),
            "method": ("min-max", "mse"),
        },
    ),
    "QATExplorer": Moves(
        values={"weight_bits": (2, 3, 4), "per_channel": (False, True), "epochs": (0, 3, 10)},
        few={"weight_bits": (2,), "per_channel": (True,), "epochs": (0, 10)},
        fixed={"seed": 1},
        work="train",
    ),
}


def possible() -> bool:
    """Return whether torch is installed."""
    return find_spec("torch") is not None


def compute(folder: Path, few: bool = False) -> dict[str, dict]:
    """Write tables and pictures of all explorers into a folder, and return the tables by name.

    Each table contains its own path relative to the folder, under "table".
    """
    jobs = [(name, part) for name, moves in MOVES.items() for part in _parts(moves.chosen(few))]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_draw, *zip(*jobs, strict=True)))
    drawn = {name: [] for name in MOVES}
    for (name, _), part in zip(jobs, found, strict=True):
        drawn[name] += part
    return {name: _write(name, few, states, folder) for name, states in drawn.items()}


def _parts(states: list[dict]) -> list[list[dict]]:
    """Split the states by their first value, so that processes can share the work."""
    first = next(iter(states[0]))
    return [list(part) for _, part in itertools.groupby(states, key=lambda state: state[first])]


@cache
def _source(name: str):
    return pkgutil.resolve_name(name)()


def _draw(name: str, states: list[dict]) -> list[tuple[list, dict, bytes, bytes]]:
    """Return for each state its values, its data for the page, and its two pictures."""
    kind, moves = getattr(qviz.widgets, name), MOVES[name]
    explorer = kind(_source(kind.source), **moves.fixed)
    column = explorer.canvas()
    column.stack(COLUMN)
    drawn = []
    for settings in states:
        explorer.set(**settings)
        if moves.work:
            getattr(explorer, moves.work)()
        if explorer.last_error:
            raise explorer.last_error
        column.update(explorer.views(explorer.state, explorer.result))
        pictures = compact(explorer.png), compact(column.png(PHONE_DOTS))
        drawn.append((list(settings.values()), state_as_data(explorer), *pictures))
    explorer.close()
    return drawn


def compact(png: bytes) -> bytes:
    """Convert a PNG to lossless WebP, which takes less than half the bytes."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(png)).save(packed, "WEBP", lossless=True)
    return packed.getvalue()


def _write(name: str, few: bool, drawn: list, folder: Path) -> dict:
    """Write the pictures and the table of one explorer; the folder's name contains a hash of the pictures."""
    version = hashlib.sha256(b"".join(picture for _, _, *both in drawn for picture in both)).hexdigest()[:12]
    place = folder / f"{name}-{version}"
    place.mkdir(parents=True)
    states = {}
    for number, (values, told, wide, narrow) in enumerate(drawn):
        files = {"picture": f"{number}.webp", "narrow": f"{number}-narrow.webp"}
        for file, picture in zip(files.values(), (wide, narrow), strict=True):
            (place / file).write_bytes(picture)
        states[key(values)] = told | files
    table = {"controls": controls(name, few), "states": states}
    (place / "table.json").write_text(json.dumps(table), encoding="utf-8")
    return table | {"table": f"{place.name}/table.json"}


def key(values: list) -> str:
    """Return the key of a state in a table, which equals the output of JSON.stringify for its values."""
    return json.dumps(values, separators=(",", ":"))


def controls(name: str, few: bool = False) -> list[dict]:
    """Return the controls that are shown, limited to the computed values."""
    kind, moves = getattr(qviz.widgets, name), MOVES[name]
    values, declared = moves.few if few else moves.values, controls_of(kind.State)
    told = {control["name"]: control for control in controls_as_data(kind)}
    return [told[name] | {"more": False} | _limited(declared[name][0], listed) for name, listed in values.items()]


def _limited(control, values: tuple) -> dict:
    if isinstance(control, Toggle):
        return {}
    if not isinstance(control, Slider):
        return {"options": list(values)}
    if values == tuple(range(values[0], values[-1] + 1)) and len(values) > 1:
        return {"low": values[0], "high": values[-1]}
    return {"kind": "ladder", "options": list(values)}
