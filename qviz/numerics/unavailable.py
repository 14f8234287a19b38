"""The error for a feature that this machine lacks, as opposed to a bug."""


class Unavailable(OSError, ValueError):
    """Raised if a machine lacks, for instance, a quantized engine or an energy counter.

    A page shows the message in place of the result (`qviz.lessons.LocalResult`). Any other error stops the page.

    Examples
    --------
    >>> raise Unavailable("this machine has no energy counter")
    Traceback (most recent call last):
    qviz.numerics.unavailable.Unavailable: this machine has no energy counter
    """
