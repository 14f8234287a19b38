"""The tables of 4,096 networks that ship with qviz, so that an explorer responds at once, in a browser too.

A browser needs 16 s to compute one, a laptop 2 to 6 s. `tools/make_networks.py` writes them; a test compares them with
newly computed networks.
"""

import numpy as np

from qviz.data._files import load_shipped, read_only

FILE = "networks.npz"
SHIPPED = (("test", "min-max"), ("test", "mse"), ("calibration", "mse"), ("training", "mse"))
_TABLES = {"right": np.uint16, "noise": np.float32, "divergence": np.float32}


def packed(networks_by_name) -> dict[str, np.ndarray]:
    """Return the arrays of the file for networks by (images, method)."""
    arrays = {}
    for (images, method), networks in networks_by_name.items():
        for table, dtype in _TABLES.items():
            arrays[f"{images} {method} {table}"] = getattr(networks, table).astype(dtype)
        arrays[f"{images} {method} signal"] = np.float64(networks.signal)
        arrays[f"{images} {method} images"] = np.int64(networks.images)
    return arrays


def shipped(images: str, method: str) -> tuple | None:
    """Return right, noise, divergence, signal and images from the file; None if this table does not ship."""
    if (images, method) not in SHIPPED:
        return None
    arrays = load_shipped(FILE)
    right, noise, divergence = (arrays[f"{images} {method} {table}"] for table in _TABLES)
    tables = (right.astype(np.int64), noise.astype(np.float64), divergence.astype(np.float64))
    signal, seen = arrays[f"{images} {method} signal"], arrays[f"{images} {method} images"]
    return (*map(read_only, tables), float(signal), int(seen))
