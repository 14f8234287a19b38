"""Questions of a lesson on the site: the reader commits to a choice, and the folded results open.

Questions stored as text in a notebook become forms. docs/site/live/guesses.js handles them, and keeps the guesses in
the browser.
"""

import html
import re

ASKED = re.compile(r"^(\w+) = Prediction\(", re.MULTILINE)
ANSWERED = re.compile(r"^(\w+)\.reveal\(", re.MULTILINE)
RECORDED = re.compile(r"^record\(([\w, ]+)\)$", re.MULTILINE)
FOLDED = re.compile(r"(\w+)\.fold_output\(")
RESULT = re.compile(r"<details>(.*</details>)", re.DOTALL)
QUESTION = re.compile(r"(.*) \((.* / .*)\) not attempted yet", re.DOTALL)
ANSWER = re.compile(r"[\w ]+: not attempted yet\. ([\w ]+: .*)", re.DOTALL)
SUMMARY = "Make your guess above, then open the answer."


def let_readers_guess(notebook):
    """Replace questions by forms, fold answers, and prepare the record to be filled in."""
    choices = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        for output in cell.get("outputs", []):
            text, markup = ("".join(output.get("data", {}).get(kind, "")) for kind in ("text/plain", "text/html"))
            if (name := ASKED.search(source)) and (found := QUESTION.fullmatch(text)):
                choices[name[1]] = found[2].split(" / ")
                output["data"] = {"text/html": question(name[1], found[1], choices[name[1]])}
            elif (name := ANSWERED.search(source)) and (found := ANSWER.fullmatch(text)):
                output["data"] = {"text/html": answer(name[1], found[1], choices[name[1]])}
            elif names := RECORDED.search(source):
                output["data"] = {"text/html": record(names[1], text)}
            elif (name := FOLDED.match(source)) and (found := RESULT.search(markup)):
                output["data"] = {"text/html": f'<details class="qviz-result" data-guess="{name[1]}">{found[1]}'}


def question(name, words, choices):
    """Return the form of a question."""
    buttons = "".join(
        f'<label><input type="radio" name="{name}" value="{html.escape(choice)}">{html.escape(choice)}</label>'
        for choice in choices
    )
    return (
        f'<fieldset class="qviz-guess" data-guess="{name}"><legend><strong>Your guess first.</strong> '
        f'<span>{html.escape(words)}</span></legend>{buttons}<p role="status"></p></fieldset>'
    )


def answer(name, text, choices):
    """Return the folded answer, with the right choice as an attribute, so that it can be compared with the guess."""
    said = text.partition(": ")[2]
    right = max((choice for choice in choices if said.startswith(choice)), key=len, default="")
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines())
    return (
        f'<details class="qviz-answer" data-guess="{name}" data-right="{html.escape(right)}">'
        f"<summary>{SUMMARY}</summary>{lines}</details>"
    )


def record(names, text):
    """Return the placeholder for the record of a page; it shows the stored text until the script fills it."""
    return f'<div class="qviz-record" data-guesses="{names}" role="status"><pre>{html.escape(text)}</pre></div>'
