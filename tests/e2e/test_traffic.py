"""A gateway under many connections: thousands open at once, each with a request; and memory and
descriptors of its processes, which stay where they are however many have come and gone."""
import asyncio
import json
import resource
import socket
import subprocess
import sys

import wire
import world as w

AT_ONCE = 600 if w.SANITIZED and not w.FULL else 3000
CONCURRENCY = 64
WARM_UP = 1000  # connections after which heap and caches have the size that they keep
CAME_AND_WENT = 100000 if w.FULL else 1000 if w.SANITIZED else 5000
# Heaps give back whole pages only, so that after the same work they may differ by what one burst of
# connections leaves in pieces: 64 connections of some 25 KiB. A leak of 400 bytes a connection shows.
RSS_SLACK_MIB = 1.9
A_RUN = 10000  # of one process of clients


class Answers(wire.Loop):
    """An application of one thread: "you asked for PATH" to each request."""

    def __init__(self):
        super().__init__()
        self.open = self.connections = 0
        self.upstream = f"tcp:127.0.0.1:{self.run(self.listen())}"

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        self.open += 1
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = b"you asked for " + head.split(b" ")[1] + b"\n"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


class Held:
    """A crowd of clients whose connections stay open; each asks when told to."""

    def __init__(self, address, policy, n):
        self.process = subprocess.Popen([w.BUILD / "tests" / "crowd", "--hold", "--ask", address, policy, str(n),
                                         str(CONCURRENCY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rows(self):
        """One for each connection, once they are open."""
        rows = []
        while (line := self.process.stdout.readline()) and line != "holding\n":
            rows.append(json.loads(line))
        return rows

    def tell(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answered(self):
        return json.loads(self.process.stdout.readline() or "{}").get("answered")

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)


def at_once(world):
    """Half over IPv4 and half over IPv6: one address may have a quarter of all places."""
    app = Answers()
    both = w.has_ipv6()
    gateway = w.Gateway(world, app.upstream, listen="[::]:0" if both else "127.0.0.1:0")
    hosts = ["127.0.0.1", "[::1]"] if both else ["127.0.0.1"]
    n = AT_ONCE if both else AT_ONCE // 2
    crowds = [Held(f"{host}:{gateway.port}", world.policy, n // len(hosts)) for host in hosts]
    rows = [row for crowd in crowds for row in crowd.rows()]
    refused = [row for row in rows if row["verdict"] != "accepted"]
    w.eventually(lambda: app.open == n)
    w.case(f"{n} attested connections are open at once", len(rows) == n and not refused and app.open == n,
           f"{app.open} {refused[:2]}")
    w.case("each has a leaf of its own", len({row["leaf"] for row in rows}) == n)
    for rounds in range(2):
        for crowd in crowds:
            crowd.tell()
        answered = [crowd.answered() for crowd in crowds]
        w.case(f"each makes a request, and gets its own answer ({rounds + 1})", sum(answered) == n, str(answered))
    w.case("still on the same connections", app.connections == n, str(app.connections))
    w.case("the crowd leaves", [crowd.end() for crowd in crowds] == [0] * len(crowds))
    w.case("and the application is left by all", w.eventually(lambda: app.open == 0, 30), str(app.open))
    w.case("one line a connection", w.eventually(lambda: len(gateway.endings) == n), f"{len(gateway.endings)}")
    w.case("the gateway ends in order", gateway.stop() == 0)


def come_and_go(address, policy, n):
    """Whether that many connections, each with a request, were all accepted and answered."""
    while n > 0:
        part = min(n, A_RUN)
        rows = w.crowd(address, policy, part, CONCURRENCY, "--ask")
        if rows.pop() != {"answered": part} or any(row["verdict"] != "accepted" for row in rows):
            return False
        n -= part
    return True


def flat(world):
    app = Answers()
    gateway = w.Gateway(world, app.upstream)
    w.case("before: accepted and answered", come_and_go(gateway.address, world.policy, WARM_UP))
    processes = {role: gateway.child(role) for role in ("worker", "attester")}
    processes["parent"] = gateway.process.pid

    def sizes():
        w.eventually(lambda: app.open == 0)
        return {role: (w.rss_mib(pid), w.descriptors(pid)) for role, pid in processes.items()}

    before = sizes()
    w.case(f"{CAME_AND_WENT} connections come and go", come_and_go(gateway.address, world.policy, CAME_AND_WENT))
    w.eventually(lambda: w.descriptors(processes["worker"]) == before["worker"][1])
    after = sizes()
    for role in processes:
        grown = after[role][0] - before[role][0]
        w.case(f"{role}: no more memory than before", w.SANITIZED or grown < RSS_SLACK_MIB,
               f"{before[role][0]:.1f} MiB, {after[role][0]:.1f} after")
        w.case(f"{role}: no more descriptors than before", after[role][1] == before[role][1],
               f"{before[role][1]}, {after[role][1]} after")
        print(f"# {role}: {before[role][0]:.2f} MiB, then {grown:+.2f}", flush=True)
    w.case("the gateway ends in order", gateway.stop() == 0)


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 4 * AT_ONCE:
        w.skip("many connections at once", f"{hard} descriptors, {4 * AT_ONCE} needed")
        return w.finish()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with w.World() as world:
        at_once(world)
        flat(world)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
