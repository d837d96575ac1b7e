"""Whether a folder is on a file system of a network, as Linux tells it; elsewhere nobody does."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")
"""What is mounted where: `proc_pid_mountinfo(5)`."""

_OF_NETWORKS: Final = frozenset(
    {
        "afs", "beegfs", "ceph", "cifs", "coda", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs",
        "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
        "glusterfs", "ncpfs", "nfs", "nfs4", "orangefs", "pvfs2", "smb3", "smbfs",
    }
)  # fmt: skip
"""Those on which a page that one machine has mapped does not change as another writes to it.

On Lustre and GPFS it does. What a virtual machine or a container has of the machine that it is on
(9p, virtiofs, vboxsf) is used by that one alone.
"""
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def network_of(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of a folder's file system where that is one of a network.

    Args:
        folder: it, or what is to become it.
        mounts: the file that tells what is mounted.
    """
    try:
        text = os.fsdecode(mounts.read_bytes())
    except OSError:
        return None
    found = type_of(os.path.realpath(folder), text)
    return found if found in _OF_NETWORKS else None


def type_of(path: str, mountinfo: str) -> str:
    """The type of the file system that a path is on.

    Args:
        path: absolute and without links; it need not be there.
        mountinfo: the text that tells what is mounted; of what is mounted in the same place the
            last counts.
    """
    found, nearest = "", ""
    for line in mountinfo.split("\n"):
        mount, _, about = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5:
            continue
        point = _ESCAPE.sub(lambda escape: chr(int(escape[1], 8)), fields[4])
        if len(point) >= len(nearest) and f"{path}/".startswith(f"{point.rstrip('/')}/"):
            found, nearest = about.partition(" ")[0], point
    return found
