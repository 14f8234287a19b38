"""What a course needs besides pictures.

* prediction: the reader guesses first, and sees the truth later
* environment: what is missing on this machine, and how to mend it
"""

from .environment import check_environment
from .prediction import Prediction

__all__ = ["Prediction", "check_environment"]
