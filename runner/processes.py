"""Whether a process of this machine lives, and since when."""

from __future__ import annotations

import os


def started(pid: int) -> str | None:
    """When a process was started: ticks of the clock since the boot, as Linux tells them.

    None: none of that number lives; one that has ended and is only waited for does not, as far as
    Linux tells. Empty: it lives, or may live, and nothing tells since when.
    """
    if os.name == "nt":  # where asking could end it
        return ""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass  # it is another user's
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - a Path costs as much
            # The name, in parentheses, may hold anything; what follows are fields 3 to 52, see
            # proc(5).
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()
