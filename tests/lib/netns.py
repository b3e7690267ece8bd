"""Hosts in network namespaces of their own, joined by wires that can be cut in one direction, slow, and lossy.

Owns: Wires (namespaces, veth pairs, and one thread that carries every frame between them). Each host has one address and
one wire into the namespace where the thread listens; there is no bridge and no route: a frame gets to another host only as
the thread carries it, so cuts, delay and loss need nothing of the kernel but namespaces, veth pairs and packet sockets.
All is gone with close(), whatever happened before. Where the kernel forbids namespaces, forbidden() says why.
"""
import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time

ALL_FRAMES = 3  # ETH_P_ALL
FRAME_BYTES = 65536 + 64
CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
CHECKSUMS, GENERIC_SEGMENTS = 0x17, 0x24  # ETHTOOL_STXCSUM, ETHTOOL_SGSO


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)


def forbidden():
    """Why there can be no namespaces here; None: there can."""
    name = f"vacancy-probe-{os.getpid()}"
    try:
        made = ip("netns", "add", name, check=False)
        if made.returncode:
            return made.stderr.strip() or "ip netns add failed"
        try:
            wired = ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two", check=False)
            return wired.stderr.strip() or "no veth pairs" if wired.returncode else None
        finally:
            ip("netns", "del", name, check=False)
    except FileNotFoundError:
        return "iproute2 is not installed"


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the namespace: sockets made meanwhile stay there for ever."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(path):
        with open(path, "rb") as handle:
            if libc.setns(handle.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {path}")

    with open("/proc/thread-self/ns/net", "rb") as own:
        enter(f"/run/netns/{namespace}")
        try:
            yield
        finally:
            if libc.setns(own.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns back")


def without_offload(interface):
    """The kernel writes checksums and segments itself: what we carry is what a real wire would."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for what in CHECKSUMS, GENERIC_SEGMENTS:
            value = ctypes.create_string_buffer(struct.pack("II", what, 0))
            fcntl.ioctl(asking, SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), ctypes.addressof(value)))


class Wires:
    """hosts: names. Host n has address 10.77.0.(n+1). Everybody hears everybody until links() or cut() says otherwise."""

    def __init__(self, hosts, seed=0):
        self.hosts, self.prefix = list(hosts), f"vac{os.getpid()}"
        self.address = {host: f"10.77.0.{n + 1}" for n, host in enumerate(self.hosts)}
        self.made, self.sockets = [], {}
        self.silent = set()  # (from, to)
        self.delay_s, self.loss = 0.0, 0.0
        self.randomness = random.Random(seed)
        self.lost = self.carried = 0
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True, name="wires")
        try:
            self.make()
        except BaseException:
            self.close()
            raise
        self.thread.start()

    def namespace(self, host):
        return f"{self.prefix}-{host}"

    def make(self):
        switch = self.namespace("switch")
        for name in [switch, *map(self.namespace, self.hosts)]:
            ip("netns", "add", name)
            self.made.append(name)
        for n, host in enumerate(self.hosts):
            name = self.namespace(host)
            ip("-n", switch, "link", "add", f"w{n}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", switch, "link", "set", f"w{n}", "up", "promisc", "on")
            ip("-n", name, "address", "add", f"{self.address[host]}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
            with inside(name):
                without_offload("eth0")
        with inside(switch):
            for n, host in enumerate(self.hosts):
                wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
                wire.bind((f"w{n}", ALL_FRAMES))
                wire.setblocking(False)
                self.sockets[host] = wire

    # --- from outside -----------------------------------------------------------------------------------------------
    def links(self, pairs):
        """Only these hear each other."""
        together = {frozenset(pair) for pair in pairs}
        self.silent = {(a, b) for a in self.hosts for b in self.hosts if a != b and frozenset((a, b)) not in together}

    def cut_one_way(self, sender, hearer):
        self.silent = self.silent | {(sender, hearer)}

    def heal(self):
        self.silent, self.delay_s, self.loss = set(), 0.0, 0.0

    def close(self):
        self.closing.set()
        if self.thread.is_alive():
            self.thread.join(10)
        for wire in self.sockets.values():
            wire.close()
        for name in self.made:
            for pid in ip("netns", "pids", name, check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            ip("netns", "del", name, check=False)
        left = [each.split()[0] for each in ip("netns", "list").stdout.splitlines() if each.startswith(self.prefix + "-")]
        assert not left, f"namespaces are left: {left}"

    # --- its thread -------------------------------------------------------------------------------------------------
    def run(self):
        owner = {wire.fileno(): host for host, wire in self.sockets.items()}
        mac, waiting, serial = {}, [], 0
        poller = select.poll()
        for fileno in owner:
            poller.register(fileno, select.POLLIN)
        while not self.closing.is_set():
            left_s = waiting[0][0] - time.monotonic() if waiting else 0.1
            for fileno, _ in poller.poll(max(0, min(0.1, left_s)) * 1000):
                sender = owner[fileno]
                for frame in self.frames(self.sockets[sender]):
                    mac[frame[6:12]] = sender
                    target = mac.get(frame[:6])
                    for hearer in [target] if target else self.hosts:
                        if hearer != sender and (sender, hearer) not in self.silent:
                            serial += 1
                            heapq.heappush(waiting, (time.monotonic() + self.delay_s, serial, hearer, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                self.carry(*heapq.heappop(waiting)[2:])

    @staticmethod
    def frames(wire):
        for _ in range(64):
            try:
                frame, about = wire.recvfrom(FRAME_BYTES)
            except (BlockingIOError, OSError):
                return
            if about[2] != socket.PACKET_OUTGOING:
                yield frame

    def carry(self, hearer, frame):
        if self.randomness.random() < self.loss:
            self.lost += 1
            return
        self.carried += 1
        with contextlib.suppress(OSError):  # its queue is full: lost, as on any wire
            self.sockets[hearer].send(frame)
