"""What exported graphs come to, done beforehand: to export and to lower them a page would wait for torch's compiler.

`tools/make_migration.py` writes the file; a test exports and lowers all of them anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from qviz.data._files import load_shipped

FILE = "migration.npz"
NAMES = ("PT2E", "PT2E without floats", "PT2E histogram", "PT2E lowered")


@dataclass(frozen=True, eq=False)
class StoredResult:
    """What one way answers, and with what.

    Attributes
    ----------
    logits : (359, 10) float32 tensor: of the test images
    operations : tuple of str: torch's names of those that ran for one batch, in order
    size_bytes : float: of the state dict, saved; NaN where it cannot be saved
    """

    logits: torch.Tensor
    operations: tuple[str, ...]
    size_bytes: float


@cache
def stored_results() -> Mapping[str, StoredResult]:
    """Return the results that ship with qviz, by the name of the way.

    Examples
    --------
    >>> result = stored_results()["PT2E lowered"]
    >>> result.logits.shape, result.operations.count("onednn::qlinear_pointwise")
    (torch.Size([359, 10]), 2)
    """
    columns = load_shipped(FILE)
    return {
        name: StoredResult(
            torch.tensor(columns[f"{name} logits"]),
            tuple(map(str, columns[f"{name} operations"])),
            float(columns[f"{name} size"]),
        )
        for name in NAMES
    }


def stored_counts() -> tuple[tuple[int, int], ...]:
    """Return what came of each line of the table of moves: how many are the same, and of how many.

    Examples
    --------
    >>> stored_counts()[1]
    (3590, 3590)
    """
    return tuple((int(same), int(of)) for same, of in load_shipped(FILE)["counts"])


def packed(results: Mapping[str, StoredResult], counts) -> dict[str, np.ndarray]:
    """Return what the file holds."""
    arrays = {"counts": np.array(counts, np.int64)}
    for name, result in results.items():
        arrays[f"{name} logits"] = result.logits.numpy()
        arrays[f"{name} operations"] = np.array(result.operations)
        arrays[f"{name} size"] = np.float64(result.size_bytes)
    return arrays
