import subprocess
import sys

PROBE = """
import sys
from qviz import TENSORS, tensor
from qviz.data import read_array
for name in TENSORS:
    tensor(name, outliers=0.01)
read_array([1, 2])
print(sorted({"torch", "sklearn", "skimage", "PIL", "safetensors"} & set(sys.modules)))
"""


def test_using_the_data_loads_numpy_alone():
    out = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
