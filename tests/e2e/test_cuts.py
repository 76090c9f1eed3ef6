"""The connection is cut after n bytes, in either direction, by a reset or an end: the gateway lives
on and frees the slot, and the client is never accepted before the whole response came."""
import sys

import wire
import world as w

CLASSES = {"PeerUnreachable", "AttestationRefused"}
# Bytes of the exchange vary by a few: DER signatures.
SLACK = 8
CONCURRENCY = 16


def honest_lengths(gateway, policy):
    """Bytes each way of exchanges without a cut: the shortest of some."""
    cutter = wire.Cutter(gateway.address, lambda n: ("up", 1 << 30, "end"))
    rows = w.crowd(cutter.address, policy, 8, 1)
    assert all(row["verdict"] == "accepted" for row in rows), rows
    w.eventually(lambda: len(gateway.endings) == 8)
    return {way: min(cutter.passed[row["port"]][0][way] for row in rows) for way in ("up", "down")}


def plans(lengths):
    """Every byte of what the client sends, and every step-th of what it gets; each by a reset and by
    an end."""
    step = 1 if w.FULL else 40 if w.SANITIZED else 10
    up = 1 if w.FULL else 6 if w.SANITIZED else 1
    out = [("up", n, how) for n in range(0, lengths["up"], up) for how in ("reset", "end")]
    down = sorted({*range(0, lengths["down"], step), *range(lengths["down"] - 60, lengths["down"])})
    return out + [("down", n, how) for n in down for how in ("reset", "end")]


def run(gateway, policy, todo):
    """(row, what passed) of one connection for each plan, told apart by the client's port; the n-th
    use of a port here is its n-th use there."""
    cutter = wire.Cutter(gateway.address, lambda n: todo[n])
    rows = w.crowd(cutter.address, policy, len(todo), CONCURRENCY)
    uses = {port: iter(passed) for port, passed in cutter.passed.items()}
    return [(row, next(uses[row["port"]])) for row in sorted(rows, key=lambda row: row["n"])]


def judge(row, passed, lengths):
    """What is wrong with one row, or None."""
    way, limit, _ = passed["plan"]
    # The last bytes up are the goodbye; the last bytes down are all needed.
    whole = passed["down"] >= lengths["down"] - SLACK
    if row["verdict"] == "accepted":
        return None if whole else f"accepted after {limit} bytes {way}"
    return None if row["class"] in CLASSES else f"{row['class']} after {limit} bytes {way}"


def main():
    with w.World() as world:
        sink = w.Sink()
        gateway = w.Gateway(world, sink.upstream)
        w.attest(gateway.address, world.policy)
        lengths = honest_lengths(gateway, world.policy)
        worker = gateway.child("worker")
        before, lines = w.descriptors(worker), len(gateway.endings)
        todo = plans(lengths)
        rows = run(gateway, world.policy, todo)
        wrong = [text for text in (judge(row, passed, lengths) for row, passed in rows) if text]
        accepted = sum(row["verdict"] == "accepted" for row, _ in rows)
        w.case(f"{len(rows)} cuts end in the documented classes", len(rows) == len(todo) and not wrong,
               f"{len(wrong)}: {wrong[:5]}")
        w.case("cuts were cuts", accepted < 200, f"{accepted} accepted")
        w.case("every slot is freed", w.eventually(lambda: w.descriptors(worker) == before),
               f"{w.descriptors(worker)} descriptors, {before} before")
        w.case("one line a connection", w.eventually(lambda: len(gateway.endings) - lines == len(todo)),
               f"{len(gateway.endings) - lines} of {len(todo)}")
        w.case("no byte, no connection", (sink.received, sink.connections) == (0, 0))
        w.case("an honest client is accepted after all that",
               w.attest(gateway.address, world.policy)["verdict"] == "accepted")
        w.case("the gateway ends in order", gateway.stop() == 0)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
