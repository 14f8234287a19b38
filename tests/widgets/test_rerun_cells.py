"""A cell that is run again, in a real kernel: what its last run showed is freed, unless it is still used."""

import pytest
from jupyter_client.manager import start_new_kernel

SETUP = """
import gc, weakref
import ipywidgets, numpy as np
import qviz.widgets
from matplotlib.figure import Figure
from qviz.widgets._own_data import Own
made, kept = [], []

def count():
    gc.collect()
    alive = [ref() for ref in made if ref() is not None]
    arrays = sum(type(x) is Own and x.values.size == 123_457 for x in gc.get_objects())
    figures = sum(issubclass(type(x), Figure) for x in gc.get_objects())
    return len(alive), arrays, figures, len(ipywidgets.widgets.widget._instances)
"""
MAKE = """
explorer = qviz.widgets.ArenaExplorer(data=np.random.default_rng(0).standard_normal(123_457), batches=1)
made.append(weakref.ref(explorer))
"""


@pytest.fixture(scope="module")
def kernel():
    """Return a function that runs code in one kernel as a cell of JupyterLab, and gives what it prints."""
    manager, client = start_new_kernel()

    def run(code, cell=None):
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        client.shell_channel.send(message)
        printed = []
        while True:
            reply = client.get_iopub_msg(timeout=60)
            if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if reply["msg_type"] == "error":
                raise AssertionError("\n".join(reply["content"]["traceback"]))
            if reply["msg_type"] == "stream":
                printed.append(reply["content"]["text"])
            if reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle":
                return "".join(printed)

    run(SETUP)
    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("last_line", ["explorer", "display(explorer)", ""])
def test_a_cell_run_five_times_keeps_one_explorer(kernel, last_line):
    kernel("made.clear()")
    cell = f"cell {last_line}"
    kernel(MAKE + last_line, cell)
    first = kernel("print(*count())")
    for _ in range(4):
        kernel(MAKE + last_line, cell)
    assert kernel("print(*count())") == first
    assert first.split()[0] == "1"
    assert kernel("explorer.bits = 3; print(explorer.readout[:5])") == "uint3\n"


def test_what_is_used_elsewhere_stays_as_it_was(kernel):
    """In a list of the reader's, or on show in another cell: it still hears its controls."""
    kernel("made.clear()")
    for _ in range(3):
        kernel(MAKE + "kept.append(explorer)\nexplorer", "kept")
    assert kernel("print(count()[0])") == "3\n"
    assert kernel("old = kept[0]; old._linked['bits'][0].value = 2; print(old.readout[:5])") == "uint2\n"
    assert kernel("print(old.comm.comm_id in ipywidgets.widgets.widget._instances, old.bits)") == "True 2\n"
    heard = "old.comm._msg_callback({'content': {'data': {'method': 'update', 'state': {}}}}); print('heard')"
    assert kernel(heard) == "heard\n"
    kernel("kept.clear(); del old")

    kernel("made.clear()")
    kernel(MAKE, "made here")
    kernel("explorer", "shown here")
    kernel(MAKE, "made here")
    assert kernel("print(count()[0])") == "2\n"  # the first is still on show below
    kernel("explorer", "shown here")
    assert kernel("print(count()[0])") == "1\n"


def test_a_gallery_goes_with_its_explorer(kernel):
    code = "gallery = qviz.widgets.Gallery([qviz.widgets.ArenaExplorer])\n"
    code += "made.append(weakref.ref(gallery.explorer))\ngallery"
    kernel("made.clear()")
    kernel(code, "gallery")
    first = kernel("print(*count())")
    kernel(code, "gallery")
    assert kernel("print(*count())") == first
