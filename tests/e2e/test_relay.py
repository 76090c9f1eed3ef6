"""What the relay promises: half-closes are passed on from either side, bytes are unchanged, a stopped
reader stops its source, a cut is never taken for an end, and none of it costs time or memory when
nothing moves."""
import asyncio
import os
import random
import resource
import signal
import socket
import struct
import sys
import threading
import time

import wire
import world as w

CONNECTIONS = 200 if w.SANITIZED and not w.FULL else 1000
# TLS state, a buffer a direction and OpenSSL's own, for every connection; the rest is the program.
RSS_MIB_CAP = 24 + CONNECTIONS * 0.1
TIMEOUT = 60


def body_of(seed, n):
    return random.Random(seed).randbytes(n)


class Peer(wire.Loop):
    """The application: the first 16 bytes of a connection say who closes first, and how many bytes
    go each way; `seen` has what came in, by connection."""

    def __init__(self):
        super().__init__()
        self.seen, self.open, self.most = {}, 0, 0
        self.upstream = f"tcp:127.0.0.1:{self.run(self.listen())}"

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            number, first, up, down = struct.unpack(">IIII", await reader.readexactly(16))
            if first == 1:  # this side ends first, and still hears everything
                await self.say(writer, number, down)
            data = await reader.read(-1)
            self.seen[number] = data == body_of(number, up)
            if first == 0:
                await self.say(writer, number, down)
        finally:
            self.open -= 1
            writer.close()

    @staticmethod
    async def say(writer, number, n):
        writer.write(body_of(number + 1, n))
        await writer.drain()
        writer.write_eof()


async def one(endpoint, number, first, up, down, gate):
    """One connection; True if all came back as planned."""
    reader, writer = await asyncio.open_connection(*endpoint)
    writer.write(struct.pack(">IIII", number, first, up, down))
    await writer.drain()
    await gate.wait()
    if first == 1:
        data = await reader.read(-1)
    writer.write(body_of(number, up))
    await writer.drain()
    writer.write_eof()
    if first == 0:
        data = await reader.read(-1)
    good = data == body_of(number + 1, down) and await reader.read(1) == b""
    writer.close()
    return good


async def many(endpoint, opened):
    gate = asyncio.Event()
    pick = random.Random(7)
    tasks = []
    for number in range(CONNECTIONS):
        plan = pick.randrange(2), pick.choice((0, 1, 16384, 16385, 70000)), pick.choice((0, 1, 16384, 50000))
        tasks.append(asyncio.ensure_future(one(endpoint, number, *plan, gate)))
    idle = await opened()
    gate.set()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), TIMEOUT)
    return results, idle


def half_closes(world):
    peer = Peer()
    gateway = w.Gateway(world, peer.upstream)
    proxy = w.Proxy(world, gateway.address)
    w.attest(gateway.address, world.policy)
    worker = gateway.child("worker")
    base = w.descriptors(worker), w.descriptors(proxy.process.pid)

    async def opened():
        """All are open and nothing moves: what that costs."""
        for _ in range(TIMEOUT * 20):
            if peer.open == CONNECTIONS:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        before = w.cpu_seconds(worker) + w.cpu_seconds(proxy.process.pid)
        await asyncio.sleep(2)
        return w.cpu_seconds(worker) + w.cpu_seconds(proxy.process.pid) - before, w.rss_mib(worker)

    results, (cpu, rss) = asyncio.run(many(proxy.endpoint, opened))
    wrong = [r for r in results if r is not True]
    w.case(f"{CONNECTIONS} connections are open at a time", peer.most == CONNECTIONS, str(peer.most))
    w.case("half-closes from either side are passed on, bytes unchanged", not wrong, f"{len(wrong)}: {wrong[:3]}")
    w.case("the application got what was sent", w.eventually(lambda: len(peer.seen) == CONNECTIONS) and
           all(peer.seen.values()), f"{sum(peer.seen.values())} of {len(peer.seen)}")
    w.case("open and idle costs no time", cpu < 0.1, f"{cpu:.2f} s of 2")
    peak = w.rss_mib(worker, "VmHWM")
    w.case(f"the worker stays below {RSS_MIB_CAP:.0f} MiB", w.SANITIZED or peak < RSS_MIB_CAP,
           f"{peak:.0f} MiB; idle {rss:.0f}")
    w.case("every descriptor is given back", w.eventually(lambda: (w.descriptors(worker),
           w.descriptors(proxy.process.pid)) == base), f"{w.descriptors(worker)} {base}")
    done = [line for line in gateway.endings if line.endswith("end=done")]
    w.case("every connection ended in order", len(done) == CONNECTIONS, "\n".join(gateway.endings[-3:]))
    w.case("proxy and gateway end in order", (proxy.stop(), gateway.stop()) == (0, 0), gateway.log[-2000:])


class Pour:
    """An application that sends without end until it is stopped; `sent` says how much went out."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.upstream = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.sent, self.over = 0, threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        block = bytes(range(256)) * 256
        try:
            while not self.over.is_set():
                self.sent += connection.send(block[self.sent % 256:])
        except OSError:
            pass
        connection.close()


def stopped_reader(world):
    pour = Pour()
    gateway = w.Gateway(world, pour.upstream)
    proxy = w.Proxy(world, gateway.address)
    worker = gateway.child("worker")
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        w.eventually(lambda: pour.sent > 0)
        last = -1
        while last != pour.sent:  # until every buffer on the way is full
            last = pour.sent
            time.sleep(0.3)
        cpu = w.cpu_seconds(worker) + w.cpu_seconds(proxy.process.pid)
        time.sleep(2)
        cpu = w.cpu_seconds(worker) + w.cpu_seconds(proxy.process.pid) - cpu
        w.case("a stopped reader stops its source", pour.sent == last and last < 64 << 20, f"{pour.sent} bytes")
        w.case("a stopped reader costs no time", cpu < 0.1, f"{cpu:.2f} s of 2")
        got, good = 0, True
        threading.Timer(0.5, pour.over.set).start()
        while data := client.recv(65536):
            start = got % 256
            good = good and data == (bytes(range(256)) * (len(data) // 256 + 2))[start:start + len(data)]
            got += len(data)
        w.case("it goes on where it stopped, nothing lost", good and got == pour.sent, f"{got} of {pour.sent}")
    proxy.stop()
    gateway.stop()


def trickle(connection):
    """Speaks on, a little at a time, whoever listens."""
    for i in range(200):
        connection.sendall(b"word %d\n" % i)
        time.sleep(0.01)


def ends_and_leaves(world):
    """A client that ends its side in order, and is gone while the application speaks on, is a cut like
    any other: it costs no time, and the others are served."""
    app = Script(trickle)
    gateway = w.Gateway(world, app.upstream)
    worker = gateway.child("worker")
    for _ in range(3):
        tls = wire.Tls(gateway.address)
        tls.send(wire.request())
        tls.frame()
        tls.send(wire.START)
        tls.read()
        tls.close_notify()
        tls.close()
    w.case("it ends its side and leaves: cut", w.eventually(lambda: len(gateway.endings) == 3) and
           all(line.endswith("end=client cut") for line in gateway.endings), gateway.log)
    w.case("the application is told", w.eventually(lambda: app.ends == ["reset"] * 3), str(app.ends))
    cpu = w.cpu_seconds(worker)
    w.case("others are served", w.attest(gateway.address, world.policy)["verdict"] == "accepted")
    time.sleep(1)
    cpu = w.cpu_seconds(worker) - cpu
    w.case("and it costs no time", cpu < 0.1, f"{cpu:.2f} s of 1")
    w.case("the gateway ends in order", gateway.stop() == 0)


def how_it_ends(endpoint, say=b"", wait=10):
    """What a local client sees: ("end" or "reset", bytes)."""
    def send(client):
        try:
            client.sendall(say)
        except OSError:
            pass

    with socket.create_connection(endpoint, timeout=wait) as client:
        data = b""
        threading.Thread(target=send, args=(client,), daemon=True).start()
        try:
            while more := client.recv(65536):
                data += more
            return "end", data
        except OSError:
            return "reset", data


class Script(w.RawApp):
    """An application whose every connection does `act(connection)`; `ends` has how each client left."""

    def __init__(self, act):
        self.act, self.ends = act, []
        super().__init__()

    def one(self, connection):
        try:
            self.act(connection)
            while connection.fileno() >= 0 and connection.recv(65536):
                pass
            self.ends.append("end")
        except OSError:
            self.ends.append("reset")
        connection.close()


def part(connection):
    connection.sendall(b"part of an answer")


def part_and_reset(connection):
    part(connection)
    time.sleep(0.2)
    wire.reset(connection)


def cuts(world):
    """A connection that breaks is a reset for both ends, never an end."""
    for name, options in (("age", ["--max-age", 1]), ("idle", ["--idle", 1])):
        app = Script(part)
        gateway = w.Gateway(world, app.upstream, *options)
        proxy = w.Proxy(world, gateway.address)
        found = how_it_ends(proxy.endpoint)
        w.case(f"too old or idle ({name}): a reset for the client", found == ("reset", b"part of an answer"),
               str(found))
        w.case(f"too old or idle ({name}): a reset for the application", w.eventually(lambda: app.ends) and
               app.ends == ["reset"], str(app.ends))
        proxy.stop()
        gateway.stop()
    app = Script(part)
    gateway = w.Gateway(world, app.upstream)
    proxy = w.Proxy(world, gateway.address, policy=world.policy_with(max_connection_age=1))
    found = how_it_ends(proxy.endpoint)
    w.case("older than the policy allows: a reset for the client", found == ("reset", b"part of an answer"),
           str(found))
    w.case("older than the policy allows: a reset for the application", w.eventually(lambda: app.ends) and
           app.ends == ["reset"], str(app.ends))
    proxy.stop()
    gateway.stop()
    app = Script(part_and_reset)
    gateway = w.Gateway(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    found = how_it_ends(proxy.endpoint)
    w.case("the application resets: so does the proxy", found == ("reset", b"part of an answer"), str(found))
    proxy.stop()
    gateway.stop()
    kills(world)


def kills(world):
    """Either program is killed, or told to end, in the middle."""
    for victim in ("proxy", "worker", "proxy's end"):
        app = Script(part)
        gateway = w.Gateway(world, app.upstream)
        proxy = w.Proxy(world, gateway.address)
        with socket.create_connection(proxy.endpoint, timeout=10) as client:
            client.recv(65536)
            if victim == "worker":
                os.kill(gateway.child("worker"), signal.SIGKILL)
            else:
                code = proxy.stop(signal.SIGKILL if victim == "proxy" else signal.SIGTERM)
            try:
                client.recv(1)
                found = "end"
            except OSError:
                found = "reset"
        w.case(f"{victim} killed: a reset for the client", found == "reset")
        if victim == "proxy's end":
            w.case("the proxy ends in order with a connection open", code == 0, proxy.log)
        w.case(f"{victim} killed: a reset for the application", w.eventually(lambda: app.ends) and
               app.ends == ["reset"], str(app.ends))
        proxy.stop()
        gateway.stop()


def client_cuts(world):
    """The local client resets, or the network between proxy and gateway breaks."""
    app = Script(part)
    gateway = w.Gateway(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    client = socket.create_connection(proxy.endpoint, timeout=10)
    client.recv(65536)
    wire.reset(client)
    w.case("the client resets: so does the gateway", w.eventually(lambda: app.ends) and app.ends == ["reset"],
           str(app.ends))
    proxy.stop()
    for how in ("reset", "end"):
        app = Script(lambda c: c.sendall(bytes(100000)))
        gateway = w.Gateway(world, app.upstream)
        cutter = wire.Cutter(gateway.address, lambda n: ("down", 60000, how))
        proxy = w.Proxy(world, cutter.address)
        found = how_it_ends(proxy.endpoint)
        w.case(f"cut on the way ({how}): a reset for the client", found[0] == "reset" and len(found[1]) < 60000,
               f"{found[0]} {len(found[1])}")
        w.case(f"cut on the way ({how}): a reset for the application", w.eventually(lambda: app.ends) and
               app.ends == ["reset"], str(app.ends))
        proxy.stop()


def leaves_early(world):
    """The local client leaves while its connection is being attested: what it said still arrives if
    it ended in order, and nothing stays behind if it did not."""
    with w.World(latency_ms=400) as slow:
        sink = w.Sink()
        gateway = w.Gateway(slow, sink.upstream)
        proxy = w.Proxy(slow, gateway.address)
        w.attest(gateway.address, slow.policy)
        base = w.descriptors(proxy.process.pid)
        with socket.create_connection(proxy.endpoint, timeout=10) as client:
            client.sendall(b"last words")
        w.case("a client that ends while it is attested: its bytes arrive",
               w.eventually(lambda: sink.received == 10), str(sink.received))
        for _ in range(20):
            client = socket.create_connection(proxy.endpoint, timeout=10)
            client.sendall(b"x")
            wire.reset(client)
        w.case("clients that reset while they are attested: all is given back",
               w.eventually(lambda: w.descriptors(proxy.process.pid) == base and len(gateway.endings) == 22),
               f"{w.descriptors(proxy.process.pid)} {base} {len(gateway.endings)}")
        proxy.stop()


def early_answer(world):
    """An application that answers and closes without reading: the answer still arrives, as it mostly
    does without anything between."""
    def refuse(connection):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()

    app = Script(refuse)
    gateway = w.Gateway(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    seen = [how_it_ends(proxy.endpoint, bytes(300000))[1] for _ in range(10)]
    w.case("an early answer arrives", sum(data.startswith(b"HTTP/1.1 413") for data in seen) >= 9, str(seen))
    proxy.stop()
    gateway.stop()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with w.World() as world:
        half_closes(world)
        stopped_reader(world)
        cuts(world)
        client_cuts(world)
        early_answer(world)
        leaves_early(world)
        ends_and_leaves(world)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
