"""What `import qviz` costs a fresh interpreter that has NumPy already."""

import subprocess
import sys

from .frame import Row, median

LIMIT = 0.1  # seconds
CODE = """
import sys, time
begin = time.perf_counter()
import numpy
middle = time.perf_counter()
import qviz
end = time.perf_counter()
heavy = [name for name in ("torch", "matplotlib", "ipywidgets") if name in sys.modules]
print(end - middle, middle - begin, *heavy)
"""


def compare() -> list[Row]:
    runs = [subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True) for _ in range(12)]
    answers = [run.stdout.split() for run in runs[1:]]  # the first one may compile
    ours, numpy = ([float(answer[i]) for answer in answers] for i in (0, 1))
    heavy = sorted({name for answer in answers for name in answer[2:]})
    note = f"loads {', '.join(heavy) or 'no torch, matplotlib or ipywidgets'}"
    took = median(ours)
    return [
        Row(
            "import qviz, after numpy",
            ours,
            "import numpy",
            numpy,
            f"{took * 1000:.0f} ms",
            "<=100",
            took <= LIMIT,
            [note],
            not heavy,
        )
    ]
