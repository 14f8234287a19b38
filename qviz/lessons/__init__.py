"""The interactive parts of the lessons: predictions, exercises, quizzes and helpers.

* prediction, folding: the reader guesses first, and sees results and answers afterwards
* guesses, course_record: all guesses of the course, kept in a small file, and a summary of them
* exercises, answers: checks of answers, with a hint for each common mistake
* questions, quiz: a quiz before the course, and one after it
* checks: the checks of all exercises, one file per page
* model_report: check of the report on a model, the last exercise of the course
* local_result: results that depend on the reader's machine, shown but never stored
* sweep: one function on many settings, on all cores
* environment: what is missing on this machine, and how to install it
"""

from qviz.widgets._moves_first import answer_moves

from . import checks
from .course_record import guesses_over_the_course
from .environment import check_environment
from .exercises import check
from .local_result import LocalResult
from .prediction import Prediction, record
from .quiz import after_the_course, before_the_course
from .sweep import Sweep, sweep

__all__ = [
    "LocalResult", "Prediction", "Sweep", "after_the_course", "answer_moves", "before_the_course", "check",
    "check_environment", "checks", "guesses_over_the_course", "record", "sweep",
]  # fmt: skip
