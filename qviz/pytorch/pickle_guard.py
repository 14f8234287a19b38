"""Looks into a file of torch.save before it is loaded: nothing in it but numbers, text and plain tensors.

`torch.load(weights_only=True)` runs no stranger's program, but it makes what the file asks for, and one short line can
ask for `bytearray(400_000_000)`. A list that holds one other list twice, thirty levels deep, is short too, and its text
has a billion parts. Here the file is read as a list of instructions, of which none is carried out.
"""

import io
import pickletools
import zipfile

import torch

LARGEST_BYTES = 1 << 28  # a network of the course has 50,000
LARGEST_PICKLE = 1 << 16  # all but the tensors' numbers; a network of the course has 3,000
DEEPEST = 20  # lists within lists; a network has 7

_TENSORS = ("Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double")
GLOBALS = {"torch._utils _rebuild_tensor_v2", "collections OrderedDict", *(f"torch {kind}Storage" for kind in _TENSORS)}
_LEAVES = {"GLOBAL", "BINUNICODE", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_NESTS = {"EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_FILLS = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "REDUCE", "BINPERSID"}


def load_plain(data: bytes):
    """Load what torch.save wrote, if it is tensors, numbers, text, and lists and dicts of these.

    Parameters
    ----------
    data : bytes of the file

    Raises
    ------
    Exception
        There is more in it, or it is damaged, which shows in any of a dozen ways.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, file)
    >>> load_plain(file.getvalue())
    {'weight': tensor([1., 1.])}
    >>> torch.save({"weight": bytearray(2)}, file := io.BytesIO())
    >>> load_plain(file.getvalue())
    Traceback (most recent call last):
        ...
    ValueError: __builtin__ bytearray is not among what a network is made of
    """
    if not data.startswith(b"PK\x03\x04"):  # torch.load would take it for a file of long ago, without an archive
        raise ValueError("it does not begin as a file of torch.save does")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST_BYTES:
        raise ValueError(f"{size:,} bytes are more than any such network has")
    # torch's own reader, so that no archive shows one thing here and another one to torch.load
    check(torch._C.PyTorchFileReader(io.BytesIO(data)).get_record("data.pkl"))
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def check(pickle: bytes) -> None:
    """Follow a pickle's instructions without carrying them out, and refuse what `files.save` never writes.

    Kept is, for each value on the stack, how many levels of lists, tuples and dicts it has. A value that is used
    twice must have none: else few instructions make a tree without end.

    Raises
    ------
    ValueError, IndexError, KeyError
        There is more in it than numbers, text and plain tensors, or it is none.

    Examples
    --------
    >>> import pickle
    >>> check(pickle.dumps({"bits": [4, 8]}, protocol=2))
    >>> inner = [4, 8]
    >>> check(pickle.dumps([inner, inner], protocol=2))
    Traceback (most recent call last):
        ...
    ValueError: one list stands in two places
    """
    if len(pickle) > LARGEST_PICKLE:
        raise ValueError(f"{len(pickle):,} bytes beside the tensors are more than any such network has")
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[int, int] = {}
    for code, argument, _ in pickletools.genops(pickle):
        if code.name == "GLOBAL" and argument not in GLOBALS:
            raise ValueError(f"{argument} is not among what a network is made of")
        if code.name in _LEAVES:
            stack.append(0)
        elif code.name in _NESTS | _FILLS:
            stack.append(1 + max(_taken(code, stack, marks), default=0))
        elif code.name == "MARK":
            marks.append(len(stack))
        elif code.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif code.name in ("BINGET", "LONG_BINGET"):
            if memo[argument]:
                raise ValueError("one list stands in two places")
            stack.append(0)
        elif code.name not in ("PROTO", "STOP"):
            raise ValueError(f"{code.name} is not among what a network is made of")
        if stack and stack[-1] > DEEPEST:
            raise ValueError(f"lists stand in lists, more than {DEEPEST} levels deep")


def _taken(code: pickletools.OpcodeInfo, stack: list[int], marks: list[int]) -> list[int]:
    """Take from the stack what an instruction uses up."""
    before = code.stack_before
    if pickletools.markobject in before:
        start = marks.pop() - before.index(pickletools.markobject)
    else:
        start = len(stack) - len(before)
    if start < 0:
        raise ValueError("it takes more than there is")
    taken = stack[start:]
    del stack[start:]
    return taken
