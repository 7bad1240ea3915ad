"""What the board talks to: a web server, an origin that is silent, one that echoes datagrams, and SOCKS clients."""

import contextlib
import functools
import hashlib
import http.server
import os
import pathlib
import socket
import struct
import tempfile
import threading

SECONDS = 60


class Refused(Exception):
    """A proxy's refusal, with its reply code."""

    def __init__(self, code):
        super().__init__(f"reply {code}")
        self.code = code


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Host:
    """Servers on loopback, for as long as it is entered."""

    def __init__(self, megabytes):
        self.megabytes = megabytes

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        content = os.urandom(self.megabytes * 1_000_000)
        self.digest = hashlib.sha256(content).hexdigest()
        pathlib.Path(folder, "file").write_bytes(content)
        handler = functools.partial(Quiet, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.stack.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.http = server.server_address[1]
        silent = self.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        self.silent = silent.getsockname()[1]
        echo = self.stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        echo.bind(("127.0.0.1", 0))
        self.udp = echo.getsockname()[1]
        threading.Thread(target=echo_datagrams, args=(echo,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def ask_udp(self, port, target, payload):
        """Sends a datagram through an association, and returns what comes back, header and all."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.settimeout(2)
            whole = b"\0\0\0\1" + socket.inet_aton(target[0]) + struct.pack(">H", target[1]) + payload
            for _ in range(5):
                ours.sendto(whole, ("127.0.0.1", port))
                with contextlib.suppress(TimeoutError):
                    return ours.recv(2_000)
        raise AssertionError("nothing came back")

    def echo(self, port):
        """Sends octets to an echo, and compares what comes back."""
        content = os.urandom(20_000)
        heard = b""
        with socket.create_connection(("127.0.0.1", port), SECONDS) as ours:
            threading.Thread(target=send_and_end, args=(ours, content), daemon=True).start()
            while octets := ours.recv(65_536):
                heard += octets
        if heard != content:
            raise AssertionError(f"{len(heard)} octets came back, or others")
        return f"{len(content):,} octets"


def send_and_end(connection, content):
    connection.sendall(content)
    connection.shutdown(socket.SHUT_WR)


def echo_datagrams(echo):
    with contextlib.suppress(OSError):
        while True:
            payload, sender = echo.recvfrom(2_000)
            echo.sendto(payload, sender)


def exactly(connection, count):
    octets = b""
    while len(octets) < count:
        more = connection.recv(count - len(octets))
        if not more:
            raise ConnectionError("the proxy ended early")
        octets += more
    return octets


def ask(proxy, command, target):
    """Returns a connection whose request was granted, and the address in the reply."""
    connection = socket.create_connection(("127.0.0.1", proxy), SECONDS)
    connection.sendall(b"\5\1\0")
    if exactly(connection, 2) != b"\5\0":
        raise ConnectionError("no method is wanted")
    connection.sendall(bytes([5, command, 0, 1]) + socket.inet_aton(target[0]) + struct.pack(">H", target[1]))
    reply = exactly(connection, 10)
    if reply[1] != 0:
        connection.close()
        raise Refused(reply[1])
    return connection, struct.unpack(">H", reply[8:])[0]


def socks(proxy, command, target):
    """Returns a connection to a target through the proxy."""
    return ask(proxy, command, target)[0]


def reset(connection):
    """Ends a connection at once: its peer hears a reset, and not the end of one direction."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def associate(proxy):
    """Returns the connection of an association, and its port on the board."""
    return ask(proxy, 3, ("0.0.0.0", 0))


def drop(proxy, way, at):
    """Opens a connection and leaves it in a bad way."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", proxy), 5) as ours:
        if way == "nonsense":
            ours.sendall(bytes((at * 7 + place) % 256 for place in range(200)))
        else:
            ours.sendall(b"\5\1\0\5\1"[: at % 6])
        if way == "reset":
            reset(ours)
