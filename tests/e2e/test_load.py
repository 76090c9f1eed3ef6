"""Many clients at once share reports: the hardware signs once a batch, and each connection still has
a leaf of its own."""
import sys
import time

import world as w

CLIENTS = 2000 if w.FULL else 200
LATENCY_MS = 8


def main():
    with w.World(latency_ms=LATENCY_MS) as world:
        sink = w.Sink()
        gateway = w.Gateway(world, sink.upstream)
        w.attest(gateway.address, world.policy)
        before, begin = world.signatures(), time.monotonic()
        rows = w.crowd(gateway.address, world.policy, CLIENTS, CLIENTS)
        wall_ms = (time.monotonic() - begin) * 1000
        reports = world.signatures() - before
        refused = [row for row in rows if row["verdict"] != "accepted"]
        w.case(f"{CLIENTS} at once are accepted", len(rows) == CLIENTS and not refused, str(refused[:2]))
        w.case("one report a batch", reports <= wall_ms / LATENCY_MS + 1, f"{reports} reports, {wall_ms} ms")
        w.case("batches are shared", reports < CLIENTS and len({row["batch"] for row in rows}) == reports,
               f"{reports} reports for {CLIENTS}")
        w.case("every leaf is its connection's own", len({row["leaf"] for row in rows}) == CLIENTS)
        w.case("every place in a batch is taken once",
               len({(row["batch"], row["index"]) for row in rows}) == CLIENTS)
        w.case("no application byte, no connection", (sink.received, sink.connections) == (0, 0))
        w.case("one line a connection", w.eventually(lambda: len(gateway.endings) == CLIENTS + 1),
               f"{len(gateway.endings)}")
        w.case("the gateway ends in order", gateway.stop() == 0)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
