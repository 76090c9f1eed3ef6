"""SIGHUP: another generation serves with the configuration as it is now, and not one request fails.
What began before ends where it began, with its evidence; a wrong configuration changes nothing."""
import json
import os
import pathlib
import signal
import socket
import sys
import time

import traffic
import wire
import world as w

REQUESTS = 100 if w.SANITIZED and not w.FULL else 300  # under way while a generation changes
GENERATIONS_MAX = 16
MAX_AGE_S = 3
CLIENTS = 60


class Named(w.RawApp):
    """Says its name at once, then echoes; `seen` counts connections."""

    def __init__(self, name):
        self.name, self.seen = name, 0
        super().__init__()

    def one(self, connection):
        self.seen += 1
        with connection:
            try:
                connection.sendall(self.name)
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass


def configure(world, upstream, **more):
    path = world.folder / "gateway.json"
    path.write_text(json.dumps({"schema": "blindbox.gateway/1", "attester": "sim", "upstream": upstream,
                                "sim_dir": str(world.sim), "listen": "127.0.0.1:0", **more}))
    return path


class Configured(w.Gateway):
    """A gateway that has everything from a file."""

    def __init__(self, world, upstream, **more):
        self.config = configure(world, upstream, **more)
        super().__init__(world, upstream, "--config", self.config, configured=True)

    def accepted(self):
        """The number of the generation that accepts."""
        return max([1] + [int(line.split("generation ")[1].split()[0]) for line in self.log.splitlines()
                          if " accepts, generation " in line])

    def reload(self):
        """Whether another generation accepts."""
        before = self.accepted()
        self.process.send_signal(signal.SIGHUP)
        return w.eventually(lambda: self.accepted() > before, 30)

    def certificate(self):
        with wire.Tls(self.address) as tls:
            return tls.tls.getpeercert(binary_form=True)

    def alone(self, seconds=20):
        """Whether one generation is left."""
        return w.eventually(lambda: all(len(pids) == 1 for pids in traffic.processes(self.process.pid).values()),
                            seconds)


def wakeups(pid):
    """How often a process slept and was woken."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def says(client, text):
    try:
        client.sendall(text)
        return client.recv(65536) == text
    except OSError:
        return False


def under_load(world):
    """Requests without a pause over connections that stay and new ones, through five generations."""
    app = w.App()
    gateway = Configured(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    load = traffic.Load(proxy.endpoint)
    load.wait_for(REQUESTS)
    first = gateway.certificate()
    changed = [gateway.reload() and load.wait_for(REQUESTS) is None for _ in range(4)]
    w.case("SIGHUP: another generation accepts", all(changed), gateway.log[-2000:])
    before = gateway.accepted()
    for _ in range(30):
        gateway.process.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    load.wait_for(REQUESTS)
    w.case("thirty SIGHUPs in a row: another generation accepts", w.eventually(lambda: gateway.accepted() > before))
    w.case("the key is another one", gateway.certificate() != first)
    stayed = len(load.tasks) and not load.failed
    load.stop()
    w.case(f"reloads under load: not one of some {REQUESTS * 6} requests failed", stayed and not load.failed and
           not load.refused and load.good >= REQUESTS * 6, f"{load.good} {load.failed[:3]} {load.refused[:3]}")
    w.case("and the generations before are gone with their connections", gateway.alone(), gateway.log[-2000:])
    w.case("nothing in the log sounds like a failure", "attester is gone" not in gateway.log, gateway.log[-2000:])
    w.case("proxy and gateway end in order", (proxy.stop(), gateway.stop()) == (0, 0), gateway.log[-2000:])


def new_configuration(world):
    one, other = Named(b"one"), Named(b"other")
    gateway = Configured(world, one.upstream)
    proxy = w.Proxy(world, gateway.address)
    with socket.create_connection(proxy.endpoint, timeout=10) as old:
        w.case("before: the first application", old.recv(16) == b"one")
        configure(world, other.upstream)
        gateway.reload()
        with socket.create_connection(proxy.endpoint, timeout=10) as new:
            w.case("after: what the file says now", new.recv(16) == b"other")
        w.case("an open connection keeps its application", says(old, b"still there"))
        found = traffic.processes(gateway.process.pid)
        w.case("its generation keeps both processes", all(len(pids) == 2 for pids in found.values()), str(found))
        before = wakeups(found["worker"][0])
        w.crowd(gateway.address, world.policy, CLIENTS, 1)
        woken = wakeups(found["worker"][0]) - before
        w.case("and does not hear of new connections", woken < CLIENTS / 4, f"woken {woken} times by {CLIENTS}")
    w.case("until its last connection ends", gateway.alone(), gateway.log[-2000:])
    w.case("the log has it all", "gateway: generation 1 is done" in gateway.log and
           "another worker accepts; 1 connections go on here" in gateway.log, gateway.log)
    proxy.stop()
    gateway.stop()


WRONG = [("no JSON", "not JSON at all", "is not JSON"),
         ("an unknown key", {"color": 1}, "color"),
         ("a wrong value", {"idle": -1}, "(idle: expected seconds, 1..1000000, found -1)"),
         ("another address", {"listen": "127.0.0.1:1"}, "(listen: "),
         ("an upstream that cannot be", {"upstream": "tcp:nowhere.invalid:1"}, "did not start"),
         ("a simulator's folder that others reach", {"sim_dir": "/"}, "has no attester")]


def wrong_configuration(world):
    app = Named(b"hello")
    gateway = Configured(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    before = gateway.certificate()
    for name, change, why in WRONG:
        if isinstance(change, str):
            gateway.config.write_text(change)
        else:
            configure(world, **{"upstream": app.upstream, **change})
        told = gateway.log.count("gateway: not reloaded: ")
        gateway.process.send_signal(signal.SIGHUP)
        w.eventually(lambda: gateway.log.count("gateway: not reloaded: ") > told, 30)
        line = [line for line in gateway.log.splitlines() if "not reloaded: " in line][-1:]
        w.case(f"{name}: not reloaded, and the log says why", len(line) == 1 and why in line[0], gateway.log[-1000:])
    gateway.config.unlink()
    gateway.process.send_signal(signal.SIGHUP)
    w.case("no file: not reloaded", w.eventually(lambda: "cannot read" in gateway.log), gateway.log[-500:])
    w.case("the old generation is alone, and accepts", gateway.alone() and gateway.certificate() == before)
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        w.case("and serves", client.recv(16) == b"hello")
    configure(world, app.upstream)
    w.case("a right one again: reloaded", gateway.reload() and gateway.certificate() != before, gateway.log[-1000:])
    proxy.stop()
    w.case("the gateway ends in order", gateway.stop() == 0)


def in_the_exchange(world):
    """The generation before still owes evidence: its attester makes it."""
    app = Named(b"hello")
    slow = w.World(latency_ms=1500)
    gateway = Configured(slow, app.upstream)
    with wire.Tls(gateway.address) as probe:
        probe.send(wire.request())
        w.case("slow evidence", wire.status_of(probe.frame() or b"") == 0)
    raw = wire.connect(gateway.address)  # accepted, as those after it are, and says nothing yet
    silent = wire.Tls(gateway.address)  # in the exchange, before its request
    before = silent.tls.getpeercert(binary_form=True)
    waiting = wire.Tls(gateway.address)
    waiting.send(wire.request())
    time.sleep(0.2)
    w.case("reload while a report is made", gateway.reload())
    silent.send(wire.request())
    w.case("one that waited for its evidence gets it", wire.status_of(waiting.frame() or b"") == 0)
    w.case("so does one that asks now", wire.status_of(silent.frame() or b"") == 0, str(silent.how))
    raw.settimeout(10)
    context = wire.client_context()
    with context.wrap_socket(raw) as tls:
        tls.sendall(wire.request())
        w.case("so does one that shakes hands now", wire.status_of(tls.recv(65536)[4:]) == 0 and
               tls.getpeercert(binary_form=True) == before)
    silent.send(wire.START)
    w.case("it is relayed", silent.read() == b"hello", str(silent.how))
    silent.close()
    waiting.close()
    w.case("then the generation is done", gateway.alone(), gateway.log[-1000:])
    w.case("the gateway ends in order", gateway.stop() == 0)
    slow.temporary.cleanup()


def accept_queue(world):
    """The worker stands still, and clients queue: the next one takes them all."""
    app = Named(b"hello")
    gateway = Configured(world, app.upstream)
    w.attest(gateway.address, world.policy)
    worker = gateway.child("worker")
    os.kill(worker, signal.SIGSTOP)
    clients = [wire.connect(gateway.address) for _ in range(100)]
    w.case("reload while nobody accepts", gateway.reload())
    good = 0
    for raw in clients:
        with wire.client_context().wrap_socket(raw) as tls:
            tls.sendall(wire.request())
            good += wire.status_of(tls.recv(65536)[4:]) == 0
    w.case("none of those that waited in the queue is lost", good == len(clients), f"{good}")
    os.kill(worker, signal.SIGCONT)
    w.case("the one that stood still ends", gateway.alone(), gateway.log[-1000:])
    w.case("the gateway ends in order", gateway.stop() == 0)


def limit(world):
    """A connection's age is the limit, not the 30 s of SIGTERM; and without a file a reload works too."""
    app = Named(b"hello")
    gateway = w.Gateway(world, app.upstream, "--max-age", MAX_AGE_S)
    proxy = w.Proxy(world, gateway.address)
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        client.recv(16)
        begin = time.monotonic()
        gateway.process.send_signal(signal.SIGHUP)
        w.eventually(lambda: " accepts, generation 1 finishes" in gateway.log)
        w.case("open after the reload", says(client, b"still"))
        w.case("its generation ends at its connection's age", w.eventually(lambda: "generation 1 is done" in gateway.log)
               and MAX_AGE_S - 1 < time.monotonic() - begin < MAX_AGE_S + 3, f"{time.monotonic() - begin:.1f} s")
    proxy.stop()
    w.case("the gateway ends in order", gateway.stop() == 0)


REQUEST_S = 5  # the gateway waits for a request as long; on a slow machine a reload may take longer


def orphaned(gateway):
    """A client of the first generation asks when its attester is another one: (its answer's status, what was
    killed). Again with the next generation if the reload left no time to ask."""
    while True:
        began = time.monotonic()
        silent = wire.Tls(gateway.address)
        first = traffic.processes(gateway.process.pid)
        gateway.reload()
        os.kill(first["attester"][-1], signal.SIGKILL)
        w.eventually(lambda: len(traffic.processes(gateway.process.pid)["attester"]) >= 2)
        silent.send(wire.request())
        status = wire.status_of(silent.frame() or b"")
        if status is not None or time.monotonic() - began < REQUEST_S:
            return status, first


def deaths(world):
    """A generation that finishes may lose its attester, and its worker: the other one serves."""
    app = Named(b"hello")
    gateway = Configured(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        client.recv(16)
        status, first = orphaned(gateway)
        w.case("its attester dies: another one answers", status == 0, str(status))
        w.case("and its connections go on", says(client, b"still"))
        os.kill(first["worker"][0], signal.SIGKILL)
        w.case("its worker dies: its processes go", gateway.alone(), gateway.log[-1000:])
    w.case("and the gateway serves", w.attest(gateway.address, world.policy)["verdict"] == "accepted")
    second = traffic.processes(gateway.process.pid)
    os.kill(second["worker"][0], signal.SIGKILL)
    w.case("the one that accepts dies: the gateway ends with an error", gateway.process.wait(20) == 1)
    proxy.stop()


def term(world):
    """SIGTERM ends all generations, and lets each finish."""
    app = Named(b"hello")
    gateway = Configured(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    clients = []
    for _ in range(3):
        clients.append(socket.create_connection(proxy.endpoint, timeout=10))
        clients[-1].recv(16)
        gateway.reload()
    everybody = sum(traffic.processes(gateway.process.pid).values(), [])
    w.case("four generations", len(everybody) == 8, str(everybody))
    gateway.process.send_signal(signal.SIGTERM)
    w.case("SIGTERM: no new connections", w.eventually(lambda: not w.connects("127.0.0.1", gateway.port)))
    w.case("SIGTERM: the open ones of all generations go on", all(says(client, b"after") for client in clients))
    for client in clients:
        client.shutdown(socket.SHUT_WR)
        client.close()
    w.case("SIGTERM: exit 0 when all are done", gateway.process.wait(20) == 0, gateway.log[-1000:])
    w.case("and nobody stays", w.eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in everybody)))
    proxy.stop()


def many_generations(world):
    """Each has a connection that stays: past the limit a reload waits for one to end."""
    app = Named(b"hello")
    gateway = Configured(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    clients = []
    for _ in range(GENERATIONS_MAX - 1):
        clients.append(socket.create_connection(proxy.endpoint, timeout=10))
        clients[-1].recv(16)
        gateway.reload()
    gateway.process.send_signal(signal.SIGHUP)
    w.case(f"{GENERATIONS_MAX} generations: a reload waits", w.eventually(lambda: "reload waits: " in gateway.log) and
           gateway.accepted() == GENERATIONS_MAX, gateway.log[-500:])
    w.case("all their connections are open", all(says(client, b"open") for client in clients))
    clients.pop(3).close()
    w.case("and comes when one is done", w.eventually(lambda: gateway.accepted() == GENERATIONS_MAX + 1, 20),
           gateway.log[-1000:])
    for client in clients:
        client.close()
    w.case("one generation is left", gateway.alone(), gateway.log[-1000:])
    proxy.stop()
    w.case("the gateway ends in order", gateway.stop() == 0)


def at_once(world):
    """SIGHUP and SIGTERM while it starts, in any order."""
    app = Named(b"hello")
    codes = []
    for pause in (0, 0.003, 0.01, 0.03, 0.1):
        gateway = Configured(world, app.upstream)
        for _ in range(3):
            gateway.process.send_signal(signal.SIGHUP)
            time.sleep(pause)
        codes.append(gateway.stop())
    w.case("reloaded and stopped while it starts: exit 0", set(codes) == {0}, str(codes))


def drain_under_load(world):
    """SIGTERM: requests on open connections are answered, new connections whole or not at all."""
    app = w.App()
    gateway = Configured(world, app.upstream)
    proxy = w.Proxy(world, gateway.address)
    load = traffic.Load(proxy.endpoint)
    load.wait_for(REQUESTS)
    begin = load.good
    gateway.process.send_signal(signal.SIGTERM)
    w.eventually(lambda: load.refused, 10)
    load.fresh_over = True
    load.wait_for(REQUESTS)
    w.case("SIGTERM under load: new connections are refused", load.refused and
           all(why.startswith("fresh") for why in load.refused), str(load.refused[:3]))
    load.stop()
    w.case(f"SIGTERM under load: not one of {load.good - begin} requests failed", not load.failed, str(load.failed[:3]))
    w.case("the gateway ends in order", gateway.process.wait(20) == 0, gateway.log[-1000:])
    proxy.stop()


def main():
    with w.World() as world:
        for part in (under_load, new_configuration, wrong_configuration, in_the_exchange, accept_queue, limit, deaths,
                     term, many_generations, at_once, drain_under_load):
            begin = time.monotonic()
            part(world)
            if os.environ.get("TIMES"):
                print(f"# {part.__name__} {time.monotonic() - begin:.1f}")
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
