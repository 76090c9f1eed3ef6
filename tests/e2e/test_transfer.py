"""100 MB up and down, through exec and proxy, with SHA-256 on both sides."""
import hashlib
import os
import socket
import sys
import threading

import world as w

SIZE = (100 if w.FULL or not w.SANITIZED else 20) << 20


class Store(w.RawApp):
    """PUT keeps the body's SHA-256; GET gives SIZE bytes. One request a connection."""

    def __init__(self, blob):
        self.blob, self.digests = blob, []
        super().__init__()

    def one(self, connection):
        with connection, connection.makefile("rb") as f:
            method = f.readline().split()[0]
            fields = {}
            while line := f.readline().strip():
                name, value = line.lower().split(b":", 1)
                fields[name] = value.strip()
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
            if method == b"GET":
                connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(self.blob))
                connection.sendall(self.blob)
                return
            if fields.get(b"expect") == b"100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            digest, left = hashlib.sha256(), int(fields[b"content-length"])
            while left > 0:
                data = f.read(min(left, 1 << 16))
                digest.update(data)
                left -= len(data)
            self.digests.append(digest.hexdigest())
            connection.sendall(head + b"Content-Length: 0\r\n\r\n")


def main():
    with w.World() as world:
        data = world.folder / "blob"
        blob = os.urandom(SIZE)
        data.write_bytes(blob)
        digest = hashlib.sha256(blob).hexdigest()
        store = Store(blob)
        gateway = w.Gateway(world, store.upstream)
        proxy = w.Proxy(world, gateway.address)
        execute = [w.PROGRAM, "exec", "--to", gateway.address, "--policy", world.policy, "--"]
        for name, prefix, url in (("exec", execute, "http://app/"), ("proxy", [], f"http://{proxy.address}/")):
            got = world.folder / "got"
            down = w.run(*prefix, "curl", "-sS", "-o", got, url)
            same = hashlib.sha256(got.read_bytes()).hexdigest() == digest
            w.case(f"{name}: {SIZE >> 20} MB down", down.returncode == 0 and same, str(down))
            up = w.run(*prefix, "curl", "-sS", "-T", data, url)
            w.case(f"{name}: {SIZE >> 20} MB up", up.returncode == 0 and store.digests.pop() == digest, str(up))
        both = [threading.Thread(target=w.run, args=("curl", "-sS", "-o", world.folder / f"got{i}",
                f"http://{proxy.address}/")) for i in range(4)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        w.case("four at a time", all(hashlib.sha256((world.folder / f"got{i}").read_bytes()).hexdigest() == digest
                                     for i in range(4)))
        counts = [line.split(" in=")[1].split()[0] for line in gateway.endings]
        w.case("the gateway counts every byte", sum(int(n) >= SIZE for n in counts) == 2, str(counts))
        w.case("proxy and gateway end in order", (proxy.stop(), gateway.stop()) == (0, 0))
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
