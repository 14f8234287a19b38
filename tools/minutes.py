"""Estimate how long a page takes, from counts of its cells and an assumed pace.

Words, lines of code, explorers, questions and exercises are counted. The pace is an assumption: people read English
non-fiction silently at 238 words per minute (M. Brysbaert, 2019, https://doi.org/10.1016/j.jml.2019.104047); half of
that is assumed here, because readers keep looking at pictures and numbers. No class has been timed yet.
"""

import re
from dataclasses import dataclass

WORDS_A_MINUTE = 120
SECONDS_A_LINE = 6  # of code, including its output
MINUTES_AN_EXPLORER = 2
MINUTES_A_REPAIR = 1.5  # of a cell that fails on purpose: read it, fix it, run it again
MINUTES_A_QUESTION = 0.5
MINUTES_FIRST_EXERCISE = 3  # and one minute more for each further exercise, because they get harder

LINKED = r'\]\((?:[^)"]|"[^"]*")*\)'  # where a link leads, with its tooltip


@dataclass(frozen=True)
class Count:
    """Counts of one page; only `exercises` refers to its exercises."""

    words: int
    lines: int
    explorers: int
    repairs: int
    questions: int
    exercises: int

    @property
    def hands_on(self):
        """Explorers to move and cells to repair."""
        return self.explorers + self.repairs

    @property
    def reading(self):
        """Minutes to read the page, answer its questions and move its explorers."""
        read = self.words / WORDS_A_MINUTE + self.lines * SECONDS_A_LINE / 60
        done = self.explorers * MINUTES_AN_EXPLORER + self.repairs * MINUTES_A_REPAIR
        return rounded(read + done + self.questions * MINUTES_A_QUESTION)

    @property
    def exercising(self):
        """Minutes for the exercises."""
        return rounded(sum(MINUTES_FIRST_EXERCISE + n for n in range(self.exercises)))

    @property
    def told(self):
        """The line about time in the head of the page."""
        return f"Time: {self.reading} minutes{f', exercises {self.exercising} more' if self.exercises else ''}."


def rounded(minutes):
    """Round to five minutes, because the estimate is not more precise."""
    return 5 * round(minutes / 5)


def count(cells):
    """Count words, code lines and so on in the cells of a page, as written by its author and tagged by the build."""
    body = [cell for cell in cells if "exercise" not in cell["metadata"].get("tags", [])]
    prose = " ".join(c["source"] for c in body if c["cell_type"] == "markdown").split("## Sources")[0]
    code = [c for c in body if c["cell_type"] == "code"]
    shown = [c["source"] for c in code if not c["metadata"].get("jupyter", {}).get("source_hidden")]
    text = "\n".join(c["source"] for c in code)
    return Count(
        words=len(re.findall(r"\w[\w'-]*", re.sub(LINKED, "]", prose))),
        lines=sum(len(source.splitlines()) for source in shown),
        explorers=len(re.findall(r"\b\w+Explorer\(", text)),
        repairs=text.count("failures.check_repair("),
        questions=text.count("Prediction(") + 9 * text.count("_the_course()"),
        exercises=sum(cell["source"].startswith("check(") for cell in cells),
    )
