"""Where gateway, upstream and clients may be: IPv6, both families at once, Unix sockets, names; and an
upstream outside the TEE, which only a policy that pins the configuration accepts."""
import http.server
import socket
import subprocess
import sys
import threading
import time

import world as w


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_):
        pass


def serve(host):
    """An HTTP application on `host`, which is an address of this machine; its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = type("Server", (http.server.ThreadingHTTPServer,), {"address_family": family})
    server = kind((host, 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def gets(world, to):
    done = w.blindbox("exec", "--to", to, "--policy", world.policy, "--", "curl", "-sS", "http://app/",
                      check=False)
    return done.stdout == "hello\n" or str(done)


def families(world):
    if not socket.has_ipv6 or not w.connects("::1", serve("::1")):
        return w.skip("IPv6", "this machine has no ::1")
    six, four = serve("::1"), serve("127.0.0.1")
    gateway = w.Gateway(world, f"tcp:[::1]:{six}", listen="[::1]:0")
    to = f"[::1]:{gateway.port}"
    w.case("gateway and upstream on [::1]", gets(world, to) is True, gets(world, to))
    w.case("the peer's address is shown whole", "peer=[::1]:" in gateway.log, gateway.log)
    w.case("attest says which address", w.attest(to, world.policy)["peer"]["address"] == to)
    w.case("no flag for a loopback upstream", w.attest(to, world.policy)["batch"]["flags"] == 0)
    both = w.Gateway(world, f"tcp:127.0.0.1:{four}", listen="*:0")
    for to in (f"127.0.0.1:{both.port}", f"[::1]:{both.port}", f"localhost:{both.port}"):
        w.case(f"a gateway on every address: {to.rsplit(':', 1)[0]}", gets(world, to) is True, gets(world, to))
    alone = w.Gateway(world, f"tcp:127.0.0.1:{four}", listen="127.0.0.1:0")
    to = f"localhost:{alone.port}"
    w.case("a name with two addresses, one of them dead", gets(world, to) is True, gets(world, to))
    proxy = w.Proxy(world, f"[::1]:{both.port}", listen="[::1]:0")
    done = w.run("curl", "-sS", f"http://{proxy.address}/")
    w.case("a proxy on [::1]", done.stdout == "hello\n", str(done))
    done = w.blindbox("attest", "::1", "--policy", world.policy, check=False)
    w.case("a bare IPv6 address means port 8443", "[::1]:8443" in done.stderr, done.stderr)


def names(world):
    """An upstream given by name is resolved once; one that answers on its other address works."""
    port = serve("127.0.0.1")
    gateway = w.Gateway(world, f"tcp:localhost:{port}")
    w.case("an upstream by name, on the other family", gets(world, gateway.address) is True,
           gets(world, gateway.address))
    w.case("localhost is inside", w.attest(gateway.address, world.policy)["batch"]["flags"] == 0)
    done = w.blindbox("attest", "name.invalid:1", "--policy", world.policy, check=False)
    wrong = w.fails_with(done, "PeerUnreachable", 8, "address")
    w.case("a name that nobody has", wrong is None, wrong)


def with_hosts(world, *lines):
    """A prefix that runs a program with these lines as its /etc/hosts; None if that is not possible."""
    hosts = world.folder / "hosts"
    hosts.write_text("".join(line + "\n" for line in lines))
    prefix = ["unshare", "-rm", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
    try:
        return prefix if w.run(*prefix, "true").returncode == 0 else None
    except FileNotFoundError:
        return None


def full_listener(host, port):
    """Listens, and has no place for one more connection: dialling it waits."""
    listener = socket.socket()
    listener.bind((host, port))
    listener.listen(0)
    waiting = []
    for _ in range(3):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((host, port))
        waiting.append(s)
    return listener, waiting


def several_addresses(world):
    """A name with two addresses, one of them dead: either order works, on both sides."""
    prefix = with_hosts(world, "127.0.0.2 two", "127.0.0.3 two", "127.0.0.1 localhost")
    if prefix is None:
        return w.skip("a name with two addresses", "no mount namespaces here")
    for alive in ("127.0.0.2", "127.0.0.3"):
        gateway = w.Gateway(world, f"tcp:two:{serve(alive)}", prefix=prefix)
        w.case(f"an upstream with two addresses, {alive} alive", gets(world, gateway.address) is True,
               gets(world, gateway.address))
        gateway.stop()
        gateway = w.Gateway(world, f"tcp:{alive}:{serve(alive)}", listen=f"{alive}:0")
        proxy = w.Proxy(world, f"two:{gateway.port}", prefix=prefix)
        done = w.run("curl", "-sS", f"http://{proxy.address}/")
        w.case(f"a gateway with two addresses, {alive} alive", done.stdout == "hello\n", str(done))
        proxy.stop()
        gateway.stop()
    if w.FULL:
        late(world, prefix)


def late(world, prefix):
    """The first address never answers; the second one answers late, on a socket of the same number."""
    port = serve("127.0.0.1")
    gateway = w.Gateway(world, f"tcp:127.0.0.1:{port}", listen="127.0.0.9:0")
    dead = full_listener("127.0.0.2", gateway.port)
    slow, waiting = full_listener("127.0.0.3", gateway.port)
    proxy = w.Proxy(world, f"two:{gateway.port}", prefix=prefix)

    def relay():
        """Makes room when the second address is being dialled, and stands for the gateway there."""
        for s in waiting:
            s.close()
        slow.settimeout(5)
        while True:
            try:
                connection, _ = slow.accept()
            except TimeoutError:
                return
            onward = socket.create_connection(("127.0.0.9", gateway.port))
            for a, b in ((connection, onward), (onward, connection)):
                threading.Thread(target=pump, args=(a, b), daemon=True).start()

    threading.Timer(5.3, relay).start()
    begin = time.monotonic()
    done = w.run("curl", "-sS", f"http://{proxy.address}/")
    w.case("the second address answers late", done.stdout == "hello\n" and time.monotonic() - begin < 10,
           f"{done} {time.monotonic() - begin:.1f}")
    proxy.stop()
    dead[0].close()


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def own_address():
    """A non-loopback address of this machine: what goes there stays here. None if it has none."""
    done = subprocess.run(["ip", "-o", "-4", "address", "show", "scope", "global"], capture_output=True, text=True)
    words = done.stdout.split()
    return words[words.index("inet") + 1].split("/")[0] if "inet" in words else None


def outside(world):
    address = own_address()
    if address is None:
        return w.skip("an upstream outside the TEE", "this machine has only loopback")
    gateway = w.Gateway(world, f"tcp:{address}:{serve(address)}")
    done = w.blindbox("attest", gateway.address, "--policy", world.policy, check=False)
    wrong = w.fails_with(done, "ConfigurationRefused", 5, "config")
    w.case("an upstream outside is refused", wrong is None, wrong)
    result = w.attest(gateway.address, world.policy)
    w.case("and its flag is set", result["batch"]["flags"] == 1, str(result["batch"]))
    pinned = world.policy_with(config_digests=[result["batch"]["config_digest"]])
    accepted = w.attest(gateway.address, pinned)
    w.case("a policy that pins the configuration accepts it", accepted["verdict"] == "accepted" and
           accepted["batch"]["flags"] == 1, str(accepted)[:300])
    done = w.blindbox("exec", "--to", gateway.address, "--policy", pinned, "--", "curl", "-sS", "http://app/")
    w.case("and its bytes go there", done.stdout == "hello\n", str(done))
    other = w.Gateway(world, f"tcp:{address}:{serve(address)}")
    w.case("another configuration is not the pinned one",
           w.attest(other.address, pinned)["class"] == "ConfigurationRefused")


def unix_upstream(world):
    path = world.folder / "app.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)

    def accept():
        while True:
            connection, _ = listener.accept()
            data = b""
            while more := connection.recv(65536):
                data += more
            connection.sendall(data[::-1])
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    gateway = w.Gateway(world, f"unix:{path}")
    w.case("a Unix socket is inside", w.attest(gateway.address, world.policy)["batch"]["flags"] == 0)
    proxy = w.Proxy(world, gateway.address)
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        w.case("half-close over a Unix socket", client.recv(10) == b"cba" and client.recv(10) == b"")


def missing_upstream(world):
    """Nobody at the upstream: attested, then cut; the gateway stays."""
    for name, upstream in (("TCP", f"tcp:127.0.0.1:{w.free_port()}"), ("Unix", f"unix:{world.folder}/none")):
        gateway = w.Gateway(world, upstream)
        proxy = w.Proxy(world, gateway.address)
        with socket.create_connection(proxy.endpoint, timeout=10) as client:
            try:
                found = "end" if client.recv(1) == b"" else "bytes"
            except OSError:
                found = "reset"
        w.case(f"no upstream ({name}): a reset", found == "reset" and "end=upstream" in gateway.log, found)
        w.case(f"no upstream ({name}): attest still works",
               w.attest(gateway.address, world.policy)["verdict"] == "accepted")
        proxy.stop()


def listen_rules(world):
    address = own_address()
    if address is None:
        return w.skip("a proxy that others can reach", "this machine has only loopback")
    options = ["--to", "127.0.0.1:1", "--policy", world.policy, "--listen"]
    for listen in (f"{address}:0", "*:0", "[::]:0", "0.0.0.0:0"):
        done = w.blindbox("proxy", *options, listen, check=False)
        w.case(f"a proxy on {listen.replace(address, 'an outer address')} needs --unsafe-listen",
               done.returncode == 1 and "--unsafe-listen" in done.stderr, str(done))
    proxy = w.Proxy(world, "127.0.0.1:1", "--unsafe-listen", listen=f"{address}:0")
    w.case("and with it listens", proxy.address.startswith(address))


def main():
    with w.World() as world:
        families(world)
        names(world)
        several_addresses(world)
        unix_upstream(world)
        missing_upstream(world)
        outside(world)
        listen_rules(world)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
