"""Show a lesson as slides with live explorers: the stored notebook, served by Voila with our own template.

    python3 start.py slides calibration                  by its number or the beginning of its name
    python3 start.py slides calibration --no-browser     further options are passed to Voila

Arrow keys, Page Up and Page Down turn the slides; while a control has the focus, press Escape first.
"""

import sys
from pathlib import Path

import course
from notebooks import NotebookError, find

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import start  # noqa: E402

OPTIONS = [start.WIDGETS_ONLY, "--template=slides", "--VoilaConfiguration.strip_sources=False"]


def main(name="", *options):
    """Replace this process by Voila, which shows the lesson of this name."""
    try:
        (path,) = find([name or "01"], course.STUDENT)
    except NotebookError as error:
        sys.exit(str(error))
    start.run(sys.executable, "-m", "voila", str(path), *OPTIONS, *options)


if __name__ == "__main__":
    main(*sys.argv[1:])
