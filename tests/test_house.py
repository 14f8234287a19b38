"""The house keeps its order: who imports whom, and what a room may know."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

QVIZ = Path(__file__).resolve().parent.parent / "qviz"

# room: (rooms it may import, libraries it may import); each has itself, NumPy and the standard library
ROOMS = {
    "": (
        {"numerics", "methods", "data", "networks", "plots", "widgets", "lessons"},
        set(),
    ),  # qviz/__init__.py and tensors.py
    "numerics": (set(), set()),
    "methods": ({"numerics"}, set()),
    "data": ({"numerics"}, set()),
    "networks": ({"numerics", "methods", "data"}, set()),
    "experiments": ({"numerics", "methods", "data", "networks"}, set()),
    "plots": ({"numerics"}, {"matplotlib", "PIL"}),
    "pytorch": ({"numerics", "methods", "data", "networks", "experiments", "tensors"}, {"torch", "safetensors"}),
    "widgets": (
        {"numerics", "methods", "plots", "data", "networks", "experiments", "tensors"},
        {"ipywidgets", "traitlets", "IPython"},
    ),
    "lessons": (
        {"numerics", "methods", "widgets", "data", "networks", "experiments", "tensors"},
        {"ipywidgets", "traitlets", "IPython"},
    ),
}
LAZY = {  # only inside a function: the reader may do without it
    "experiments": {"threadpoolctl"},  # to hold BLAS at one thread
    "lessons": {"joblib", "threadpoolctl", "tqdm"},
    "pytorch": {"torchao"},
}
EVERYWHERE = {"numpy", *sys.stdlib_module_names}
NEVER = ("matplotlib.pyplot", "pylab", "matplotlib.pylab")  # they hold figures in global state
UNSPOKEN = "<a name made at run time>"


def imports(tree, package):
    """Yield (dotted name, inside a function?) of every import, however it is written."""

    def visit(node, lazy):
        if isinstance(node, ast.Import):
            yield from ((alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{prefix}.{alias.name}", lazy) for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else UNSPOKEN
            yield (resolve_name(name, package) if name.startswith(".") else name), lazy
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazy)

    return visit(tree, False)


def called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def breach(room, name, lazy):
    """Return what is wrong with this import in this room, or None."""
    top, _, rest = name.partition(".")
    rooms, libraries = ROOMS[room]
    if name.startswith(NEVER):
        return f"{name} keeps global state"
    if top == "qviz":
        target = rest.split(".")[0]
        return None if target in rooms | ({room} - {""}) else f"{room or 'qviz'} may not import {name}"
    allowed = EVERYWHERE | libraries | (LAZY.get(room, set()) if lazy else set())
    return None if top in allowed else f"{room or 'qviz'} may not import {name}"


def breaches(source, relative):
    """Return every breach in the source of the file at this path inside qviz."""
    folders = Path(relative).parent.parts
    package = ".".join(("qviz", *folders))
    found = (breach(folders[0] if folders else "", *i) for i in imports(ast.parse(source), package))
    if relative == "__init__.py":  # what loads a package when a reader asks for it
        found = (text for text in found if text != "qviz may not import <a name made at run time>")
    return [text for text in found if text]


def files():
    return {str(path.relative_to(QVIZ)): path.read_text(encoding="utf-8") for path in QVIZ.rglob("*.py")}


def modules():
    """Return {module: the modules of qviz that it imports}, imports inside functions included."""
    names = {"qviz." + name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in files()}
    graph = {}
    for module, name in names.items():
        package = ".".join(("qviz", *Path(name).parent.parts))
        found = (i for i, _ in imports(ast.parse(files()[name]), package))
        graph[module] = {i if i in names else i.rpartition(".")[0] for i in found} & set(names) - {module}
    return graph


def cycle(graph):
    """Return the modules of one import cycle, in order; empty where there is none."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_itself_by_way_of_another():
    # A package's __init__ imports its modules, so what a module takes from its own package is not followed.
    graph = {m: {i for i in found if not m.startswith(i + ".")} for m, found in modules().items()}
    assert cycle(graph) == []


def test_a_cycle_is_found():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []


def test_every_room_is_known():
    assert {Path(name).parts[0] for name in files() if len(Path(name).parts) > 1} <= set(ROOMS)


def test_imports_follow_the_rule():
    assert {name: found for name, source in files().items() if (found := breaches(source, name))} == {}


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("numerics/a.py", "import torch"),
        ("numerics/a.py", "import scipy.stats"),
        ("numerics/a.py", "from qviz.plots import style"),
        ("numerics/a.py", "from qviz import plots"),
        ("numerics/a.py", "from qviz.methods import gptq"),
        ("methods/a.py", "from qviz.networks import cnn_weights"),
        ("methods/a.py", "from ..data import digits"),
        ("numerics/a.py", "from .. import data"),
        ("numerics/a.py", "from ..data import images"),
        ("numerics/a.py", "def f():\n    from ..widgets import controls"),
        ("numerics/a.py", "if 0:\n    class A:\n        import matplotlib"),
        ("numerics/a.py", "import importlib\nimportlib.import_module('qviz.data')"),
        ("numerics/a.py", "from importlib import import_module\nimport_module('..data', __package__)"),
        ("numerics/a.py", "__import__('torch')"),
        ("numerics/a.py", "import importlib\nname = 'x'\nimportlib.import_module(name)"),
        ("numerics/deep/a.py", "from ...plots import style"),
        ("numerics/a.py", "from qviz import quantize"),
        ("data/a.py", "from qviz import pytorch"),
        ("data/a.py", "from qviz.networks import cnn_weights"),
        ("networks/a.py", "from qviz.experiments import Switches"),
        ("plots/a.py", "from qviz.methods import gptq"),
        ("data/a.py", "import safetensors"),
        ("data/a.py", "class A:\n    from safetensors import numpy"),
        ("plots/a.py", "import ipywidgets"),
        ("plots/a.py", "from qviz.data import photograph"),
        ("plots/a.py", "import matplotlib.pyplot as plt"),
        ("plots/a.py", "from matplotlib import pyplot"),
        ("pytorch/a.py", "import matplotlib"),
        ("pytorch/a.py", "import torchao.quantization"),
        ("pytorch/a.py", "from ..plots import style"),
        ("pytorch/a.py", "from ..widgets import Explorer"),
        ("widgets/a.py", "import torch"),
        ("widgets/a.py", "from qviz.pytorch import ptq"),
        ("widgets/a.py", "import matplotlib"),
        ("widgets/a.py", "from ..lessons import predict"),
        ("lessons/a.py", "import qviz.plots"),
        ("lessons/a.py", "from qviz.pytorch import qat"),
        ("__init__.py", "from .pytorch import ptq"),
        ("__init__.py", "import torch"),
    ],
)
def test_a_breach_is_found(file, source):
    assert len(breaches(source, file)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("numerics/a.py", "import math, numpy as np\nfrom . import formats\nfrom .formats import INT8"),
        ("experiments/a.py", "def f():\n    import threadpoolctl"),
        ("plots/a.py", "from matplotlib.figure import Figure\nfrom qviz.numerics import affine"),
        ("widgets/__init__.py", "from .explorer import Explorer\nfrom ..plots import style"),
        ("lessons/a.py", "from qviz.widgets import Explorer\nimport ipywidgets"),
        ("__init__.py", "from .numerics import quantize"),
        ("pytorch/a.py", "import torch\nfrom qviz.data import digits"),
        ("pytorch/a.py", "def f():\n    import torchao.quantization"),
    ],
)
def test_what_is_allowed_is_no_breach(file, source):
    assert breaches(source, file) == []


@pytest.mark.parametrize("module", ["qviz", "qviz.methods", "qviz.data", "qviz.plots", "qviz.widgets", "qviz.lessons"])
def test_importing_loads_no_torch(module):
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_the_torch_test_can_fail():
    program = "import sys; sys.modules['torch'] = sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 1


def test_importing_the_package_loads_no_plot_and_no_widget():
    program = "import sys, qviz; sys.exit(bool({'matplotlib', 'ipywidgets', 'IPython'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def global_state(source):
    """Return the names in this source that change what belongs to everybody."""
    names = {"rcParams", "rc_context", "matplotlib.use", "random.seed", "simplefilter", "filterwarnings"}
    tree = ast.parse(source)
    inside = {id(n) for w in ast.walk(tree) if isinstance(w, ast.With) for n in ast.walk(w)}  # put back at its end
    dotted = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and id(n) not in inside]
    return [d for d in dotted for name in names if d == name or d.endswith("." + name)]


def test_no_global_state():
    assert {name: found for name, source in files().items() if (found := global_state(source))} == {}


def test_global_state_is_found():
    assert global_state("import matplotlib\nmatplotlib.rcParams['figure.dpi'] = 9") == ["matplotlib.rcParams"]
    assert global_state("import numpy as np\ndef f(): np.random.seed(0)") == ["np.random.seed"]
    assert global_state("import warnings\nwarnings.simplefilter('ignore')") == ["warnings.simplefilter"]
    assert global_state("with warnings.catch_warnings():\n    warnings.simplefilter('ignore')") == []


def test_every_docstring_example_runs():
    assert [name for name, source in files().items() if "doctest: +SKIP" in source] == []
