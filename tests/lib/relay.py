"""A relay between two hubs that can go silent: what a broken network looks like to TCP, without touching the kernel.

Owns: one thread, one listening socket, and what passes through it. While a direction is cut its bytes are read and dropped,
and new connections are taken but nothing of them arrives: neither side hears a reset or a refusal, only silence. A stream
of which bytes were dropped can't go on, so `heal` ends those; the hubs dial anew, as after any broken link. While it stalls
nothing is lost, but waits: what was asked before arrives late.

    relay = Relay(("127.0.0.1", hub_port))      # others are told relay.port instead of hub_port
    relay.cut() or relay.cut("to"), relay.cut("from")
    relay.heal()
    relay.stall(), relay.go_on()
    relay.close()

"to" is towards the target, "from" is what it answers. All functions may be called from any thread.
"""
import contextlib
import selectors
import socket
import threading

import netns

BUFFER_BYTES = 256 * 1024
READ_BYTES = 64 * 1024


class Side:
    """One socket of a connection, and what waits to be written to the other."""

    def __init__(self, direction, sock):
        self.direction, self.socket = direction, sock
        self.other, self.buffer, self.ended = None, bytearray(), False


class Relay:
    def __init__(self, target, host="127.0.0.1", port=0, namespace=None):
        self.target, self.namespace = target, namespace  # the target is in this network namespace (netns.py)
        self.passed, self.dropped = 0, 0
        self.silent = set()
        self.closing = self.healing = self.stalled = self.going_on = False
        self.sides = set()
        self.poisoned = set()
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server((host, port), backlog=64)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.waker, self.woken = socket.socketpair()
        self.woken.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(self.woken, selectors.EVENT_READ, self.wake)
        self.thread = threading.Thread(target=self.run, daemon=True, name=f"relay to {target[1]}")
        self.thread.start()

    # --- from outside -------------------------------------------------------------------------------------------------
    def cut(self, *directions):
        """Silence from now on, in the directions given ("to", "from"; none: both)."""
        with self.lock:
            self.silent |= set(directions or ("to", "from"))

    def heal(self):
        with self.lock:
            self.silent.clear()
            self.healing = True
            self.stalled, self.going_on = False, True
        self.waker.send(b".")

    def stall(self):
        """What comes from now on waits, in both directions."""
        with self.lock:
            self.stalled = True

    def go_on(self):
        with self.lock:
            self.stalled, self.going_on = False, True
        self.waker.send(b".")

    def close(self):
        self.closing = True
        self.waker.send(b".")
        self.thread.join(10)
        assert not self.thread.is_alive(), "the relay hangs"
        for each in (self.listener, self.waker, self.woken):
            each.close()

    # --- its thread ---------------------------------------------------------------------------------------------------
    def run(self):
        while not self.closing:
            for key, what in self.selector.select():
                key.data(what)
        for side in list(self.sides):
            side.socket.close()
        self.selector.close()

    def wake(self, _what):
        self.woken.recv(64)
        with self.lock:
            healing, self.healing = self.healing, False
            going_on, self.going_on = self.going_on, False
        if healing:
            for side in list(self.poisoned):
                self.drop(side)
        if going_on:
            for side in self.sides:
                self.settle(side)

    def accept(self, _what):
        try:
            near, _ = self.listener.accept()
        except OSError:
            return
        with netns.inside(self.namespace) if self.namespace else contextlib.nullcontext():
            far = socket.socket()
        near.setblocking(False)
        far.setblocking(False)
        for each in (near, far):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.connect_ex(self.target)
        to, back = Side("to", near), Side("from", far)
        to.other, back.other = back, to
        for side in (to, back):
            self.sides.add(side)
            self.selector.register(side.socket, selectors.EVENT_READ, lambda what, side=side: self.event(side, what))

    def event(self, side, what):
        if side not in self.sides:
            return  # ended earlier in this turn
        try:
            if what & selectors.EVENT_READ:
                self.read(side)
            if what & selectors.EVENT_WRITE:
                self.write(side.other)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.drop(side)

    def read(self, side):
        with self.lock:
            silent = side.direction in self.silent or side in self.poisoned
        if self.stalled and not silent:
            self.settle(side)
            return
        try:
            octets = side.socket.recv(READ_BYTES)
        except ConnectionError:
            if not silent:
                raise
            octets = b""
        if silent:
            self.dropped += len(octets)
            # Its end is news, too, and does not get through.
            self.poisoned |= {side, side.other}
            if not octets:
                self.interest(side, 0)
            return
        self.passed += len(octets)
        side.buffer += octets
        side.ended = not octets
        self.write(side)

    def write(self, side):
        """What waits on `side`, to the other."""
        if side.buffer:
            try:
                del side.buffer[:side.other.socket.send(side.buffer)]
            except (BlockingIOError, InterruptedError):
                pass
        if side.ended and not side.buffer:
            side.other.socket.shutdown(socket.SHUT_WR)
            if side.other.ended and not side.other.buffer:
                self.drop(side)
                return
        self.settle(side)
        self.settle(side.other)

    def settle(self, side):
        """Reads while there is room, writes while something waits."""
        reading = not side.ended and len(side.buffer) < BUFFER_BYTES and not self.stalled
        self.interest(side, (selectors.EVENT_READ if reading else 0) |
                      (selectors.EVENT_WRITE if side.other.buffer else 0))

    def interest(self, side, what):
        known = side.socket in self.selector.get_map()
        handler = lambda what, side=side: self.event(side, what)  # noqa: E731
        if what and known:
            self.selector.modify(side.socket, what, handler)
        elif what:
            self.selector.register(side.socket, what, handler)
        elif known:
            self.selector.unregister(side.socket)

    def drop(self, side):
        for each in (side, side.other):
            if each in self.sides:
                self.interest(each, 0)
                self.sides.discard(each)
                self.poisoned.discard(each)
                each.socket.close()
