from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from runner.errors import SetupError
from runner.store.database import FILE_NAME, opened
from runner.store.mounts import network_of, type_of
from runner.store.store import Store

LAPTOP: Final = r"""
22 29 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
25 29 0:23 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw,inode64
29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
30 29 0:26 / /home rw,relatime shared:15 - autofs systemd-1 rw,fd=47,pgrp=1,timeout=0,direct
95 29 0:50 /ada /home rw,relatime shared:49 - nfs4 files:/ada rw,vers=4.2,addr=10.0.0.2
96 95 0:51 / /home/ada/My\040Files\134old rw,relatime shared:50 master:3 - cifs //nas/x rw,vers=3
97 95 259:3 / /home/ada/scratch rw,relatime - xfs /dev/nvme0n1p3 rw,attr2,inode64
98 29 0:52 / /mnt/ssh rw,nosuid,nodev,relatime shared:51 - fuse.sshfs ada@far:/srv rw,user_id=1000
99 29 0:53 / /mnt/host rw,relatime - 9p host rw,trans=virtio,access=client
"""
CONTAINER: Final = """
1 0 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
2 1 0:61 / /work rw,relatime - virtiofs work rw
3 1 0:62 /v /data rw,relatime - ceph 10.0.0.3:6789:/ rw,name=k8s
"""


@pytest.mark.parametrize(
    ("path", "mountinfo", "found"),
    [
        pytest.param("/srv/app", LAPTOP, "ext4", id="root"),
        pytest.param("/", LAPTOP, "ext4", id="root-itself"),
        pytest.param("/home/ada/app/.runner", LAPTOP, "nfs4", id="the-last-of-equal-places"),
        pytest.param("/home", LAPTOP, "nfs4", id="the-place-itself"),
        pytest.param("/homes/ada", LAPTOP, "ext4", id="a-name-that-begins-alike"),
        pytest.param("/home/ada/scratch/.runner", LAPTOP, "xfs", id="a-disk-below-a-network"),
        pytest.param(r"/home/ada/My Files\old/a", LAPTOP, "cifs", id="escapes"),
        pytest.param("/mnt/ssh/x", LAPTOP, "fuse.sshfs", id="fuse"),
        pytest.param("/mnt/host/x", LAPTOP, "9p", id="host"),
        pytest.param("/work/app", CONTAINER, "virtiofs", id="no-optional-fields"),
        pytest.param("/data/app", CONTAINER, "ceph", id="ceph"),
        pytest.param("/app", CONTAINER, "overlay", id="overlay"),
        pytest.param("/app", "", "", id="nothing"),
        pytest.param("/app", "what is this\n", "", id="no-mountinfo"),
    ],
)
def test_type_of(path: str, mountinfo: str, found: str) -> None:
    assert type_of(path, mountinfo) == found


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """What is mounted, if a folder `net` were on NFS."""
    path = tmp_path / "mountinfo"
    network = f"300 29 0:99 / {os.path.realpath(tmp_path)}/net rw,relatime - nfs files:/net rw\n"
    path.write_text(LAPTOP + network, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("folder", "network"),
    [
        pytest.param("disk/.runner", None, id="disk"),
        pytest.param("net/app/.runner", "nfs", id="to-be-made"),
        pytest.param("link/.runner", "nfs", id="through-a-link"),
        pytest.param("net/../disk", None, id="back"),
    ],
)
def test_network_of(tmp_path: Path, mounts: Path, folder: str, network: str | None) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "link").symlink_to("net")

    assert network_of(tmp_path / folder, mounts) == network


def test_where_nobody_tells_nothing_is_of_a_network(tmp_path: Path) -> None:
    assert network_of(tmp_path / "net", tmp_path / "none") is None


def test_a_database_on_a_network_is_refused_before_anything_is_made(
    tmp_path: Path, mounts: Path
) -> None:
    folder = tmp_path / "net" / ".runner"

    with pytest.raises(SetupError) as caught:
        opened(folder, durable=False, may_be_shared=False, mounts=mounts)

    assert caught.value.code == "RUN508"
    assert str(caught.value) == (
        f"storage folder: {folder} cannot be used: it is on a network file system (nfs),"
        " where other machines may damage its record"
    )
    assert caught.value.hint == "set [CORE] storage_folder to a folder of a local disk"
    assert not folder.parent.exists()


@pytest.mark.parametrize("there", [False, True], ids=["new", "from-a-disk"])
def test_a_database_that_may_be_shared_needs_no_memory_in_common(
    tmp_path: Path, mounts: Path, there: bool
) -> None:
    folder = tmp_path / "net" / ".runner"
    if there:
        Store.open(folder).close()
    one, other = (
        Store(opened(folder, durable=False, mounts=mounts), folder / FILE_NAME) for _ in range(2)
    )
    with one, other:
        one.keep_codes({"c0de": "[]"})
        other.keep_codes({"c0de2": "[]"})

        assert (one.code("c0de2"), other.code("c0de")) == ("[]", "[]")
        assert {each.name for each in folder.iterdir()} == {FILE_NAME}


CONFIG: Final = """
[DATA_NODE.a]
default_data = 1
[DATA_NODE.b]
[TASK.t]
function = "builtins.abs"
inputs = ["a"]
outputs = ["b"]
[SCENARIO.s]
tasks = ["t"]
"""
ELSEWHERE: Final = 'mount --bind "$0" /proc/$$/mountinfo && exec "$@"'
"""Runs a command that is told something else of what is mounted."""


def told(mounts: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", ELSEWHERE, str(mounts), *command],
        cwd=mounts.parent / "net",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_run_on_a_network_is_refused(tmp_path: Path, mounts: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    if sys.platform != "linux" or told(mounts, "true").returncode:
        pytest.skip("nothing can be mounted here")
    (folder / "runner.toml").write_text(CONFIG, encoding="utf-8")
    program = (sys.executable, "-m", "runner")

    refused = told(mounts, *program, "execute")
    deep = told(mounts, *program, "check", "--deep")

    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr.startswith("error[RUN508]: storage folder: ")
    assert deep.returncode == 1
    assert "it is on a network file system (nfs)" in deep.stdout
    assert [each.name for each in folder.iterdir()] == ["runner.toml"]
    assert told(mounts, *program, "check").returncode == 0
    kept = told(mounts, *program, "execute", "--set", f"CORE.storage_folder={tmp_path}/disk")
    assert kept.returncode == 0, kept.stderr
