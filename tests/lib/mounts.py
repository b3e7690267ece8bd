"""Small file systems of their own for tests of full disks and power cuts. Where mounting is impossible the test is skipped
and says so."""
import contextlib
import fcntl
import os
import struct
import subprocess

import pytest

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2


def mount(folder, *arguments):
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs to mount a file system: {done.stderr.strip() or 'mount failed'}")
    os.chmod(folder, 0o700)


def unmount(folder):
    subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def tmpfs(folder, size_bytes):
    mount(folder, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs")
    try:
        yield folder
    finally:
        unmount(folder)


def make_ext4(image, size_bytes):
    with open(image, "wb") as handle:
        handle.truncate(size_bytes)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)


@contextlib.contextmanager
def ext4(folder, image, size_bytes):
    make_ext4(image, size_bytes)
    mount(folder, "-o", "loop", str(image))
    try:
        yield folder
    finally:
        unmount(folder)


def cut_power(folder):
    """The file system stops at once: nothing that is not on its disk gets there, not even its own journal."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(handle)


def left_bytes(folder):
    about = os.statvfs(folder)
    return about.f_bavail * about.f_frsize


def fill(folder, leave_bytes, name="filler"):
    """Writes a file that leaves about so much; its path."""
    path = os.path.join(folder, name)
    with open(path, "ab") as handle:
        try:
            while left_bytes(folder) > leave_bytes:
                handle.write(bytes(min(1 << 20, max(4096, left_bytes(folder) - leave_bytes))))
                handle.flush()
        except OSError:
            pass
    return path
