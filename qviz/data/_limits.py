"""Checks of the reader's own arrays and files, with their error messages."""

from difflib import get_close_matches


def check_dtype(dtype, where):
    """Refuse any dtype but integers and floats."""
    if dtype.kind in "iuf":
        return
    advice = {
        "O": "check that rows are equally long, then convert with .astype('float32')",
        "c": "take .real, .imag or abs()",
        "b": "convert with .astype('uint8')",
    }.get(dtype.kind, "convert with .astype('float32')")
    if dtype.names:
        advice = f"take one field, such as x[{dtype.names[0]!r}]"
    raise TypeError(f"{where} must hold real numbers (integers or floats): got dtype {dtype}; {advice}")


def check_size(size_bytes, max_bytes, where):
    """Refuse an array of more than max_bytes."""
    if size_bytes > max_bytes:
        raise ValueError(
            f"{where} must take at most max_bytes = {max_bytes} bytes: it takes {size_bytes};"
            " pass a part of it, or raise max_bytes"
        )


def damaged(path, reason):
    """Return the error for a file whose content does not match its extension."""
    return ValueError(f"{path} is damaged or not a {path.suffix} file: {reason}; save or download it again")


def choose(key, names, path, argument="key"):
    """Return `key` if it is among the file's names, or the only name if `key` is None."""
    if not names:
        raise ValueError(f"{path} holds no arrays; save it again with at least one")
    if key is None and len(names) == 1:
        return next(iter(names))
    if key in names:
        return key
    several = f"{argument} must be given, because {path} holds several arrays"
    raise ValueError(f"{several if key is None else f'{argument} {key!r} is not in {path}'}; {suggest(key, names)}")


def suggest(name, names):
    """Return a hint for a name that is not among `names`: the most similar ones, or the first 20."""
    names = list(names)
    like, lower = str(name).lower(), {str(each).lower(): each for each in reversed(names)}
    near = [lower[match] for match in get_close_matches(like, lower, cutoff=0.7)]
    near += [each for text, each in lower.items() if like and like in text and each not in near][:5]
    shown = ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else ""
    return hint if near and len(names) > 20 else f"{hint} choose from {shown}".strip()
