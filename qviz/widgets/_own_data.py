"""The reader's own data: an array or a file, and the widgets to open a file and to choose one of its arrays."""

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from qviz.data import list_arrays
from qviz.data._limits import choose, suggest
from qviz.data._stored import MAX_BYTES, Stored
from qviz.data.reading import check_object, is_path

from ._layout import LABELLED, ROW, SettingError, setting_errors

NO_LIST = "tensor is only for a file: give data='model.safetensors' too, or leave it out"


@dataclass(frozen=True, eq=False)
class Own:
    """The reader's array, float32, read-only, in its original shape; for a file also its path and its arrays."""

    values: np.ndarray
    path: str = ""
    name: str = ""
    arrays: dict[str, Stored] = field(default_factory=dict)

    @property
    def several(self) -> bool:
        """Whether there is more than one array to choose from."""
        return len(self.arrays) > 1

    def choose(self, name: str) -> "Own":
        """Return a copy with another array of the file; the error for an unknown name suggests similar ones."""
        if not self.arrays:
            raise SettingError(NO_LIST)
        with setting_errors():
            choose(name, self.arrays, self.path, "tensor")
            return replace(self, name=name, values=_checked(self.arrays[name].read(MAX_BYTES), name))


def own_data(source, tensor: str | None, names: Iterable[str]) -> Own:
    """Read the reader's array; `names` are those on the Data list, to suggest one for a misspelled source."""
    with setting_errors():
        if not is_path(source):
            if tensor is not None:
                raise ValueError(NO_LIST)
            values = check_object(source, argument="data")
            return Own(_checked(values, "data", copy=True))  # the reader may change the original later
        if not Path(source).suffix and not Path(source).exists():
            raise ValueError(
                f"data must be a name on the list, an array, or a file that ends in .npy, .npz or .safetensors: "
                f"got {str(source)!r}; {suggest(source, names)}"
            )
        arrays = list_arrays(source, argument="data")
        arrays = {name: arrays[name] for name in sorted(arrays, key=_natural)}
        name = choose(_first(arrays) if tensor is None else tensor, arrays, source, "tensor")
        return Own(_checked(arrays[name].read(MAX_BYTES), name), str(source), name, arrays)


def _first(arrays: dict[str, Stored]) -> str | None:
    """Return the first matrix that is not too large, or else the first array: a bias alone shows little."""
    fit = (n for n, a in arrays.items() if len(a.shape) > 1 and 0 < 4 * np.prod(a.shape, dtype=float) <= MAX_BYTES)
    return next(fit, next(iter(arrays), None))


def _natural(name: str) -> list:
    """Return a sort key that puts layer 2 before layer 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _checked(values: np.ndarray, name: str, copy: bool | None = None) -> np.ndarray:
    """Return a read-only float32 array, or raise a ValueError if it cannot be shown."""
    if values.size == 0:
        raise ValueError(f"{name} must hold at least one value: got shape {values.shape}")
    with np.errstate(over="ignore"):
        own = np.array(values, np.float32, order="C", copy=copy)
    if not np.isfinite([own.min(), own.max()]).all():
        for what, bad in (("NaN", np.isnan(values)), ("infinite", np.isinf(values)), ("too large", np.isinf(own))):
            if bad.any():
                first = ", ".join(str(int(i)) for i in np.argwhere(bad)[0])
                raise ValueError(
                    f"{name} must hold finite numbers of at most 3.4e38, the largest float32: "
                    f"{np.count_nonzero(bad):,} of {own.size:,} are {what}, the first at [{first}]; replace them"
                )
    own.flags.writeable = False
    return own


class OpenFile(widgets.FileUpload):
    """A button that sends a file from the reader's computer to the kernel, which may run on another one.

    Parameters
    ----------
    opened : function of the path of the copy and the file's original name
        The copy is deleted together with this widget.
    """

    def __init__(self, opened: Callable[[str, str], None]):
        super().__init__(
            accept=".npy,.npz,.safetensors",
            description="Open a file",
            tooltip="Show an array of a .npy, .npz or .safetensors file of this computer; or drop one on the picture",
            layout={"width": "auto"},
        )
        self._opened = opened
        self.observe(self._take, "value")

    def _take(self, change) -> None:
        if not change.new:
            return
        (file,) = change.new
        folder = tempfile.mkdtemp(prefix="qviz-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder) / Path(file["name"]).name
        path.write_bytes(file["content"])
        self.value = ()  # frees the memory, and allows opening the same file again
        self._opened(str(path), path.name)


class TensorList(widgets.VBox):
    """The arrays of a file by name, shape and type, and a box that filters the list while the reader types.

    Parameters
    ----------
    chosen : function of a name
        Called when the reader chooses an array.
    """

    def __init__(self, chosen: Callable[[str], None]):
        self._labels: dict[str, str] = {}
        self._chosen, self._own, self._name, self._showing = chosen, None, None, False
        self._find = widgets.Text(
            description="Find", tooltip="Find a tensor by part of its name, shape or type", **LABELLED, layout=ROW
        )
        self._list = widgets.Select(
            description="Tensor", tooltip="Tensor", rows=5, **LABELLED, layout={"width": "700px", "max_width": "100%"}
        )
        super().__init__([self._find, self._list])
        self.add_class("qviz-tensors")
        self._find.observe(lambda _: self.filter(), "value")
        self._list.observe(self._take, "value")
        self.layout.display = "none"

    def show(self, own: Own | None) -> None:
        """List the arrays of a file that has several, and select the one that is shown."""
        if own is self._own:
            return
        self._own, (arrays, self._name) = own, (own.arrays, own.name) if own and own.several else ({}, None)
        labels = {n: f"{n}   {' x '.join(map(str, a.shape)) or 'one value'}   {a.dtype}" for n, a in arrays.items()}
        if labels != self._labels:
            self._labels, self._find.value = labels, ""
        self.layout.display = None if labels else "none"
        self.filter()

    def filter(self) -> None:
        """List the arrays that match all words in the box, and select the one that is shown."""
        words = self._find.value.lower().split()
        options = [(label, name) for name, label in self._labels.items() if all(w in label.lower() for w in words)]
        self._showing = True
        if [name for _, name in options] != [name for _, name in self._list.options]:
            self._list.options = options
        self._list.value = self._name if self._name in dict(map(reversed, options)) else None
        self._showing = False

    def _take(self, change) -> None:
        if not self._showing and change.new is not None:
            self._chosen(change.new)
