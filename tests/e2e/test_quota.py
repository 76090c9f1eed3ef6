"""One address cannot take all places: beyond its share it is turned away, others are served, and
every place that it gives back counts."""
import resource
import socket
import sys

import wire
import world as w

SHARE = 500
DESCRIPTORS = 64 + 2 * 4 * SHARE  # of the gateway: an address gets a quarter of the places they give


def connect_from(source, port):
    s = socket.socket()
    s.bind((source, 0))
    s.settimeout(10)
    s.connect(("127.0.0.1", port))
    return s


def is_open(s):
    """Whether the gateway has kept it: it says nothing before the client's hello."""
    s.setblocking(False)
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def attests(source, gateway):
    """A whole exchange from that address."""
    try:
        with wire.Tls(gateway.address, source=source) as tls:
            tls.send(wire.request())
            return wire.status_of(tls.frame() or b"") == 0
    except OSError:
        return False


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < DESCRIPTORS:
        w.skip("a quota for each address", f"{hard} descriptors, {DESCRIPTORS} needed")
        return w.finish()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

    with w.World() as world:
        gateway = w.Gateway(world, w.Sink().upstream, before=limit)
        w.case("before: served", attests("127.0.0.2", gateway))
        worker = gateway.child("worker")
        base = w.descriptors(worker)
        crowd = [connect_from("127.0.0.2", gateway.port) for _ in range(SHARE + 100)]
        w.eventually(lambda: w.descriptors(worker) >= base + SHARE and not is_open(crowd[-1]))
        kept = sum(is_open(s) for s in crowd)
        w.case("an address gets its share and no more", kept == SHARE, str(kept))
        w.case("it gets no more evidence", not attests("127.0.0.2", gateway))
        w.case("others are served", attests("127.0.0.3", gateway))
        w.case("the log says that places are short", "gateway: no place for " in gateway.log)
        for s in crowd[:10]:
            s.close()
        w.case("places given back are places again", w.eventually(lambda: attests("127.0.0.2", gateway)))
        for s in crowd:
            s.close()
        w.case("all places are given back", w.eventually(lambda: w.descriptors(worker) == base),
               f"{w.descriptors(worker)} {base}")
        crowd = [connect_from("127.0.0.2", gateway.port) for _ in range(SHARE)]
        w.eventually(lambda: w.descriptors(worker) == base + SHARE)
        w.case("and count as before", all(is_open(s) for s in crowd) and not attests("127.0.0.2", gateway))
        for s in crowd:
            s.close()
        w.case("the gateway ends in order", gateway.stop() == 0)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
