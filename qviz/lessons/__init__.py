"""What a course needs besides pictures.

* prediction, folding: the reader guesses first, and sees results and answers later
* guesses, course_record: all guesses of the course, kept in a small file, and how they changed
* exercises, answers: an answer is checked at once, with a hint that fits the mistake
* questions, quiz: what people believe before the course, and after it
* checks: the checks of every exercise, one file for each lesson
* model_report: the report on a model that ends the course, compared with what was measured
* local_result: what only this machine can say, shown and never stored
* sweep: one function on many settings, on all cores
* environment: what is missing on this machine, and how to mend it
"""

from . import checks
from .course_record import guesses_over_the_course
from .environment import check_environment
from .exercises import check
from .local_result import LocalResult
from .prediction import Prediction, record
from .quiz import after_the_course, before_the_course
from .sweep import Sweep, sweep

__all__ = [
    "LocalResult", "Prediction", "Sweep", "after_the_course", "before_the_course", "check",
    "check_environment", "checks", "guesses_over_the_course", "record", "sweep",
]  # fmt: skip
