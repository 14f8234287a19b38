"""Block the network for every Python process with this folder on PYTHONPATH, except loopback, which kernels need.

An audit hook sees each call inside the interpreter and cannot be removed; child processes inherit PYTHONPATH.
"""

import sys

CALLS = {
    "socket.connect": lambda sock, address: address,
    "socket.sendto": lambda sock, address: address,
    "socket.sendmsg": lambda sock, address: address,
    "socket.getaddrinfo": lambda host, *rest: host,
    "socket.gethostbyname": lambda host: host,
}


def is_local(address):
    """Return whether an address is loopback, a wildcard of this machine, or a Unix socket."""
    host = address[0] if isinstance(address, tuple) else address
    host = host.decode() if isinstance(host, bytes) else host
    if not isinstance(host, str) or host.startswith(("/", "\0")):
        return True
    return host in ("", "localhost", "::1", "::", "0.0.0.0") or host.startswith("127.")


def refuse(event, arguments):
    """Raise OSError before a call to the network is made."""
    if event in CALLS and not is_local(CALLS[event](*arguments)):
        raise OSError(f"the network is cut off here: {event} {CALLS[event](*arguments)!r}")


sys.addaudithook(refuse)
