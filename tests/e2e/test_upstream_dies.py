"""The application dies before, during and after its answer: who asks through proxy and gateway sees
what one sees who asks the application itself, and never takes a part for the whole."""
import os
import signal
import socket
import subprocess
import sys
import time

import wire
import world as w

BODY = bytes(range(256)) * 200  # more than a TLS record
PAUSE_S = 0.2  # so that a reset does not overtake what was said before it
REQUEST = b"GET /x HTTP/1.1\r\nHost: app\r\n\r\n"


def head(*fields):
    return b"\r\n".join((b"HTTP/1.1 200 OK", *fields, b"\r\n"))


WITH_LENGTH = head(b"Content-Length: %d" % len(BODY))
CHUNKED = head(b"Transfer-Encoding: chunked")
TO_THE_END = head(b"Connection: close")
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)

# What the application reads, what it says, and how it ends: "end", "reset" or "killed".
DEATHS = [
    ("before the request", False, b"", "reset"),
    ("before the request", False, b"", "end"),
    ("after the request", True, b"", "reset"),
    ("after the request", True, b"", "end"),
    ("in the head", True, WITH_LENGTH[:20], "reset"),
    ("in the head", True, WITH_LENGTH[:20], "end"),
    ("after the head", True, WITH_LENGTH, "reset"),
    ("after the head", True, WITH_LENGTH, "end"),
    ("in the body", True, WITH_LENGTH + BODY[:-1], "reset"),
    ("in the body", True, WITH_LENGTH + BODY[:-1], "end"),
    ("in the body", True, WITH_LENGTH + BODY[:20000], "killed"),
    ("in a chunk", True, CHUNKED + CHUNK[:-3], "reset"),
    ("in a chunk", True, CHUNKED + CHUNK[:-3], "end"),
    ("before the last chunk", True, CHUNKED + CHUNK, "reset"),
    ("before the last chunk", True, CHUNKED + CHUNK, "end"),
    ("before the last chunk", True, CHUNKED + CHUNK, "killed"),
    ("in a body without length", True, TO_THE_END + BODY, "reset"),
    ("after a body without length", True, TO_THE_END + BODY, "end"),
    ("after the whole body", True, WITH_LENGTH + BODY, "reset"),
    ("after the whole body", True, WITH_LENGTH + BODY, "end"),
    ("after the last chunk", True, CHUNKED + CHUNK + b"0\r\n\r\n", "end"),
]


class Dies(w.RawApp):
    """Every connection goes as the row says; "killed" does it in a process of its own, with bytes of
    the client's unread, as of one that crashes."""

    def __init__(self):
        self.row = None
        super().__init__()

    def one(self, connection):
        _, reads, says, how = self.row
        if how == "killed":
            child = os.fork()
            if child == 0:
                self.act(connection, False, says)
                os.kill(os.getpid(), signal.SIGKILL)
            os.waitpid(child, 0)
            connection.close()
            return
        try:
            self.act(connection, reads, says)
        except OSError:
            pass
        if how == "reset":
            wire.reset(connection)
        else:
            connection.close()

    @staticmethod
    def act(connection, reads, says):
        if reads:
            data = b""
            while not data.endswith(b"\r\n\r\n"):
                data += connection.recv(65536)
        connection.sendall(says)
        time.sleep(PAUSE_S)


def seen(endpoint, speaks=True):
    """(all bytes, "end" or "reset") of one request."""
    data = b""
    try:
        with socket.create_connection(endpoint, timeout=10) as client:
            if speaks:
                client.sendall(REQUEST)
            while more := client.recv(65536):
                data += more
        return data, "end"
    except ConnectionError:
        return data, "reset"


def curl(endpoint):
    """(exit code, body)"""
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "http://%s:%d/x" % endpoint], capture_output=True)
    return done.returncode, done.stdout


def deaths(world):
    app = Dies()
    gateway = w.Gateway(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    direct = app.listener.getsockname()
    for row in DEATHS:
        app.row = row
        when, reads, says, how = row
        speaks = reads or how == "killed"
        mine, theirs = seen(proxy.endpoint, speaks), seen(direct, speaks)
        w.case(f"dies {when}, {how}: as without a gateway", mine == theirs,
               f"{len(mine[0])} bytes, {mine[1]}; {len(theirs[0])}, {theirs[1]} without")
        w.case(f"dies {when}, {how}: what it said is all there", mine[0] == says, f"{len(mine[0])} of {len(says)}")
        if not speaks:
            continue
        mine, theirs = curl(proxy.endpoint), curl(direct)
        whole = says.startswith(TO_THE_END) and how == "end" or "whole" in when or "last chunk" in when and \
            says.endswith(b"0\r\n\r\n")
        w.case(f"dies {when}, {how}: curl says what it says without", mine[0] == theirs[0], f"{mine[0]} {theirs[0]}")
        if when == "in the head" and how == "end":
            continue  # curl takes half a head and an end for an answer without a body
        w.case(f"dies {when}, {how}: curl takes it for {'the whole' if whole else 'no answer'}", (mine[0] == 0) == whole,
               str(mine[0]))
    w.case("proxy and gateway end in order", (proxy.stop(), gateway.stop()) == (0, 0))


def nobody(world):
    """There is no application: a client through the gateway is connected already, and is reset."""
    port = w.free_port()
    gateway = w.Gateway(world, f"tcp:127.0.0.1:{port}")
    proxy = w.Proxy(world, gateway.address)
    found = seen(proxy.endpoint)
    w.case("no application: a reset, and not one byte", found == (b"", "reset"), str(found))
    w.case("no application: the gateway's log says so", w.eventually(lambda: "end=upstream" in gateway.log), gateway.log)
    server = socket.create_server(("127.0.0.1", port))
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        connection, _ = server.accept()
        connection.sendall(b"hello")
        w.case("it is there again: so is the connection", client.recv(16) == b"hello")
        connection.close()
    server.close()
    proxy.stop()
    w.case("the gateway ends in order", gateway.stop() == 0)


def main():
    with w.World() as world:
        deaths(world)
        nobody(world)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
