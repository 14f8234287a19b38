"""What a course needs besides pictures.

* prediction: the reader guesses first, and sees the truth later
* exercises, answers: an answer is checked at once, with a hint that fits the mistake
* questions, quiz: what people believe before the course, and after it
* checks: the checks of every exercise, one file for each lesson
* local_result: what only this machine can say, shown and never stored
* sweep: one function on many settings, on all cores
* environment: what is missing on this machine, and how to mend it
"""

from . import checks
from .environment import check_environment
from .exercises import check
from .local_result import LocalResult
from .prediction import Prediction, record
from .quiz import after_the_course, before_the_course
from .sweep import Sweep, sweep

__all__ = [
    "LocalResult", "Prediction", "Sweep", "after_the_course", "before_the_course", "check",
    "check_environment", "checks", "record", "sweep",
]  # fmt: skip
