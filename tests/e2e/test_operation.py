"""A gateway in operation: it drains on SIGTERM, replaces a dead attester, ends without its worker,
comes back with another key, and does not spin when descriptors run out."""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import wire
import world as w


class Echo(w.RawApp):
    """Gives back what it gets; half-close too."""

    @staticmethod
    def one(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass


def says(connection, text):
    """Whether `text` comes back."""
    try:
        connection.sendall(text)
        return connection.recv(65536) == text
    except OSError:
        return False


def drains(world, echo):
    gateway = w.Gateway(world, echo.upstream)
    proxy = w.Proxy(world, gateway.address)
    silent = wire.Tls(gateway.address)  # in the exchange, before its request
    holding = wire.Tls(gateway.address)  # has its evidence, has not started
    holding.send(wire.request())
    holding.frame()
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        says(client, b"before")
        gateway.process.send_signal(signal.SIGTERM)
        w.case("SIGTERM: waiting clients are told", wire.status_of(silent.frame() or b"") == 9)
        w.case("SIGTERM: no new connections", w.eventually(lambda: not w.connects("127.0.0.1", gateway.port)))
        w.case("SIGTERM: an open connection goes on", says(client, b"after"))
        holding.send(wire.START + b"started")
        w.case("SIGTERM: so does one that has its evidence", holding.read() == b"started", str(holding.how))
        holding.tls.close()
        client.shutdown(socket.SHUT_WR)
        w.case("SIGTERM: and ends in order", client.recv(1) == b"")
    w.case("SIGTERM: exit 0 when all are done", gateway.process.wait(20) == 0, gateway.log)
    result = w.attest(gateway.address, world.policy)
    w.case("after that: unreachable", result["class"] == "PeerUnreachable", str(result["class"]))
    proxy.stop()


def stops_at_once(world, echo):
    codes = []
    for pause in (0, 0.001, 0.003, 0.01, 0.03):
        for how in (signal.SIGTERM, signal.SIGINT):
            gateway = w.Gateway(world, echo.upstream)
            time.sleep(pause)
            codes.append(gateway.stop(how))
    w.case("stopped while it starts: exit 0", set(codes) == {0}, str(codes))


def gone(pids):
    return w.eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def attester_dies(world, echo):
    gateway = w.Gateway(world, echo.upstream)
    w.attest(gateway.address, world.policy)
    slow = w.World(latency_ms=3000)
    waiting = w.Gateway(slow, echo.upstream)
    eventual = {}

    def attest():
        eventual["waiting"] = w.attest(waiting.address, slow.policy)

    thread = threading.Thread(target=attest)
    w.eventually(lambda: "attester" in w.children(waiting.process.pid))
    thread.start()
    time.sleep(1)  # in the middle of its report
    os.kill(waiting.child("attester"), signal.SIGKILL)
    thread.join()
    result = eventual["waiting"]
    w.case("the attester is killed: TryAgain", (result["class"], result["exit"]) == ("TryAgain", 75), str(result)[:300])
    w.case("and soon another one answers", w.attest(waiting.address, slow.policy)["verdict"] == "accepted")
    waiting.stop()
    slow.temporary.cleanup()
    between(world, gateway)
    everybody = [*w.children(gateway.process.pid).values()]
    w.case("the gateway ends in order", gateway.stop() == 0 and gone(everybody), gateway.log)


def between(world, gateway):
    """Clients that come while there is no attester wait for the next one."""
    seen = []
    for _ in range(3):  # the pause before the next attester grows
        before = gateway.child("attester")
        os.kill(before, signal.SIGKILL)
        w.eventually(lambda: "the attester is gone" in gateway.log)
        seen.append(w.attest(gateway.address, world.policy)["class"])
        w.eventually(lambda: w.children(gateway.process.pid).get("attester", before) != before)
    w.case("a client between two attesters is accepted, or told to try again", set(seen) <= {None, "TryAgain"} and
           None in seen, str(seen))
    result = w.attest(gateway.address, world.policy)
    w.case("and the gateway goes on", result["verdict"] == "accepted", str(result)[:300])


def worker_dies(world, echo):
    gateway = w.Gateway(world, echo.upstream)
    w.attest(gateway.address, world.policy)
    everybody = [*w.children(gateway.process.pid).values()]
    os.kill(gateway.child("worker"), signal.SIGKILL)
    code = gateway.process.wait(20)
    w.case("the worker is killed: the gateway ends with an error", code == 1 and "worker" in gateway.log,
           f"exit {code}: {gateway.log}")
    w.case("and leaves nobody behind", gone(everybody))
    gateway = w.Gateway(world, echo.upstream)
    everybody = [*w.children(gateway.process.pid).values()]
    w.attest(gateway.address, world.policy)
    gateway.stop(signal.SIGKILL)
    w.case("the parent is killed: nobody stays", gone(everybody))


def comes_back(world, echo):
    """The gateway is gone, then there again with another key: the proxy's next connection works."""
    gateway = w.Gateway(world, echo.upstream)
    proxy = w.Proxy(world, gateway.address)
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        w.case("before: connected", says(client, b"one"))
    gateway.stop()
    try:
        with socket.create_connection(proxy.endpoint, timeout=10) as client:
            found = "end" if client.recv(1) == b"" else "bytes"
    except OSError:
        found = "reset"
    w.case("the gateway is down: a reset", found == "reset", found)
    w.Gateway(world, echo.upstream, listen=gateway.address)
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        w.case("another gateway, another key: connected", says(client, b"two"), proxy.log)
    w.case("each connection was attested anew", proxy.log.count("attested peer=") == 2, proxy.log)
    proxy.stop()


def two_gateways(world, echo):
    """One chip, two gateways: each client's report is its own gateway's."""
    gateways = [w.Gateway(world, echo.upstream) for _ in range(2)]
    rows = [[], []]
    threads = [threading.Thread(target=lambda i=i: rows[i].extend(
        w.crowd(gateways[i].address, world.policy, 30, 5))) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    w.case("two gateways on one simulated TEE", all(row["verdict"] == "accepted" for row in rows[0] + rows[1]) and
           len(rows[0]) == len(rows[1]) == 30, str(rows)[:300])
    w.case("no batch is shared between them", not {r["batch"] for r in rows[0]} & {r["batch"] for r in rows[1]})
    for gateway in gateways:
        gateway.stop()


def few_descriptors(world, echo):
    """More clients than descriptors: no spinning, and all is well when they leave."""
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))

    gateway = w.Gateway(world, echo.upstream, before=limit)
    w.attest(gateway.address, world.policy)
    worker = gateway.child("worker")
    clients = [wire.connect(gateway.address) for _ in range(200)]
    w.eventually(lambda: w.descriptors(worker) > 50)
    before = w.cpu_seconds(worker)
    time.sleep(1)
    cpu = w.cpu_seconds(worker) - before
    w.case("more clients than descriptors: no spinning", cpu < 0.2, f"{cpu:.2f} s of 1")
    for client in clients:
        client.close()
    w.case("they leave: all is well", w.attest(gateway.address, world.policy)["verdict"] == "accepted")
    # 160 descriptors are places for 48 connections, 12 for one address; a client that left may still
    # hold his place while the next one comes.
    rows = w.crowd(gateway.address, world.policy, 100, 5)
    w.case("a crowd that fits is accepted", all(row["verdict"] == "accepted" for row in rows),
           str([row for row in rows if row["verdict"] != "accepted"])[:300])
    gateway.stop()


def exhausted(world, echo):
    """The limit is taken away from a running worker: accepting pauses, and begins again."""
    gateway = w.Gateway(world, echo.upstream)
    w.attest(gateway.address, world.policy)
    worker = gateway.child("worker")
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (w.descriptors(worker) + 1, before[1]))
    clients = [wire.connect(gateway.address) for _ in range(5)]
    cpu = w.cpu_seconds(worker)
    time.sleep(1)
    cpu = w.cpu_seconds(worker) - cpu
    w.case("no descriptor left: no spinning", cpu < 0.2, f"{cpu:.2f} s of 1")
    resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
    w.case("descriptors are back: accepted", w.attest(gateway.address, world.policy)["verdict"] == "accepted")
    for client in clients:
        client.close()
    gateway.stop()


def cannot_start(world, echo):
    """What cannot work is said at once."""
    taken = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{taken.getsockname()[1]}"
    sim = ["--attester", "sim", "--sim-dir", world.sim]
    rows = [("a port that is taken", [*sim, "--listen", address, "--upstream", echo.upstream]),
            ("no upstream", [*sim, "--listen", "127.0.0.1:0"]),
            ("an upstream without a port", [*sim, "--listen", "127.0.0.1:0", "--upstream", "tcp:127.0.0.1"]),
            ("no attester", ["--listen", "127.0.0.1:0", "--upstream", echo.upstream])]
    for name, options in rows:
        done = w.blindbox("gateway", *options, check=False)
        w.case(f"{name}: said at once", done.returncode != 0 and done.stderr and not done.stdout, str(done))
    options = ["gateway", "--attester", "sim", "--listen", "127.0.0.1:0", "--upstream", echo.upstream]
    for name, more in (("an unknown defect", ["--sim-dir", world.sim, "--sim-defect", "nope"]),
                       ("a simulator's folder that others reach", ["--sim-dir", "/"])):
        done = w.blindbox(*options, *more, check=False, timeout=20)
        w.case(f"{name}: the gateway gives up", done.returncode == 1 and "attester: " in done.stderr, str(done))


def main():
    with w.World() as world:
        echo = Echo()
        for part in (drains, stops_at_once, attester_dies, worker_dies, comes_back, two_gateways, few_descriptors,
                     exhausted, cannot_start):
            begin = time.monotonic()
            part(world, echo)
            if os.environ.get("TIMES"):
                print(f"# {part.__name__} {time.monotonic() - begin:.1f}")
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
