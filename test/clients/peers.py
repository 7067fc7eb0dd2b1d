"""ZeroMQ peers in Python: a producer for pnflow to read from, and a reader to send to."""

from __future__ import annotations

import zmq

from support import TIMEOUT


class Push:
    """A producer: a PUSH socket that keeps what it sent until it is taken (LINGER for ever while
    open, `linger` ms at close). Connects to, or binds, any number of endpoints."""

    def __init__(self, connect=(), bind=(), queue: int = 5, linger: int = 10_000):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PUSH)
        self.socket.set_hwm(queue)
        self.socket.setsockopt(zmq.LINGER, linger)
        self.socket.setsockopt(zmq.SNDTIMEO, int(TIMEOUT * 1000))
        self.endpoints: list[str] = []
        for endpoint in [connect] if isinstance(connect, str) else connect:
            self.socket.connect(endpoint)
        for endpoint in [bind] if isinstance(bind, str) else bind:
            self.socket.bind(endpoint)
            self.endpoints.append(self.socket.getsockopt_string(zmq.LAST_ENDPOINT))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.socket.setsockopt(zmq.LINGER, 0)
        self.close()

    def send(self, message: bytes):
        self.socket.send(message)

    def send_all(self, messages, end: bool = True):
        for message in messages:
            self.socket.send(message)
        if end:
            self.end()

    def send_parts(self, parts: list[bytes]):
        self.socket.send_multipart(parts)

    def end(self):
        """An empty message: pnflow's end marker."""
        self.socket.send(b"")

    def close(self):
        self.socket.close()
        self.context.term()


class Pull:
    """A PULL socket on a free port, or connected to one."""

    def __init__(self, connect=None, queue=1000):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PULL)
        self.socket.set_hwm(queue)
        self.socket.setsockopt(zmq.RCVTIMEO, 30_000)
        if connect:
            self.socket.connect(connect)
        else:
            self.socket.bind("tcp://127.0.0.1:*")
        self.endpoint = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close(0)
        self.context.term()

    def take(self) -> list[bytes]:
        """Messages up to the end marker."""
        taken = []
        while message := self.socket.recv():
            taken.append(message)
        return taken
