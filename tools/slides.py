"""Show a lesson as slides whose explorers are alive: the stored notebook, served by Voila with a template of our own.

    python3 start.py slides calibration                  by its number or the beginning of its name
    python3 start.py slides calibration --no-browser     the rest is Voila's

Arrow keys, Page Up and Page Down turn the slides; Escape leaves a control, so that they do so again.
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
    """Replace this process by Voila, showing the lesson of that name."""
    try:
        (path,) = find([name or "01"], course.STUDENT)
    except NotebookError as error:
        sys.exit(str(error))
    start.run(sys.executable, "-m", "voila", str(path), *OPTIONS, *options)


if __name__ == "__main__":
    main(*sys.argv[1:])
