"""The error that means "this machine cannot", and not "this program is wrong"."""


class Unavailable(OSError, ValueError):
    """A part that this machine does not have: an engine, a counter of energy.

    A page shows the message where an answer of the machine would stand (`qviz.lessons.Here`). Every other error is a
    fault, and stops the page.

    Examples
    --------
    >>> raise Unavailable("this machine has no energy counter")
    Traceback (most recent call last):
    qviz.numerics.unavailable.Unavailable: this machine has no energy counter
    """
