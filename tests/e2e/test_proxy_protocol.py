"""--proxy-protocol: the application learns who connected, in a header before everything else; without
the option it gets not one byte that is not the client's."""
import os
import pwd
import shutil
import socket
import struct
import subprocess
import sys

import wire
import world as w

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
GREETING = b"the client's first bytes"


class First:
    """Keeps what each connection begins with, up to GREETING's end, and answers with an echo."""

    def __init__(self, listener, upstream):
        self.listener, self.upstream = listener, upstream

    def one(self):
        """(all bytes to the end of GREETING)"""
        self.listener.settimeout(10)
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(10)
            data = b""
            while not data.endswith(GREETING):
                more = connection.recv(65536)
                if not more:
                    break
                data += more
            connection.sendall(GREETING)
        return data


def tcp():
    listener = socket.create_server(("127.0.0.1", 0))
    return First(listener, f"tcp:127.0.0.1:{listener.getsockname()[1]}")


def unix(world):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(world.folder / "first.sock"))
    listener.listen()
    return First(listener, f"unix:{world.folder / 'first.sock'}")


def header(family, client, local):
    """The header that is expected: section 2.2 of the specification, once more."""
    kind = {socket.AF_INET: 0x11, socket.AF_INET6: 0x21}[family]
    body = socket.inet_pton(family, client[0]) + socket.inet_pton(family, local[0]) + \
        struct.pack(">HH", client[1], local[1])
    return SIGNATURE + bytes([0x21, kind]) + struct.pack(">H", len(body)) + body


def raw_bytes(world):
    rows = [("IPv4", "127.0.0.1:0", "127.0.0.1", socket.AF_INET, tcp()),
            ("IPv4, to a Unix socket", "127.0.0.1:0", "127.0.0.1", socket.AF_INET, unix(world))]
    if w.has_ipv6():
        rows += [("IPv6", "[::1]:0", "::1", socket.AF_INET6, tcp()),
                 ("IPv4 on a socket for both", "[::]:0", "127.0.0.1", socket.AF_INET, tcp()),
                 ("IPv6 on a socket for both", "[::]:0", "::1", socket.AF_INET6, tcp())]
    else:
        w.skip("PROXY protocol over IPv6", "no IPv6 here")
    for name, listen, host, family, app in rows:
        gateway = w.Gateway(world, app.upstream, "--proxy-protocol", listen=listen)
        with wire.Tls(f"[{host}]:{gateway.port}" if ":" in host else f"{host}:{gateway.port}") as tls:
            own = tls.tls.getsockname()[:2]
            tls.send(wire.request())
            tls.frame()
            tls.send(wire.START + GREETING)
            found, expected = app.one(), header(family, own, (host, gateway.port))
            w.case(f"{name}: the header, then the client's bytes", found == expected + GREETING, found.hex())
            w.case(f"{name}: the client sees none of it", tls.read() == GREETING)
        gateway.stop()


def speaks_first(world):
    """The header does not wait for the client."""
    app = tcp()
    gateway = w.Gateway(world, app.upstream, "--proxy-protocol")
    with wire.Tls(gateway.address) as tls:
        tls.send(wire.request())
        tls.frame()
        tls.send(wire.START)
        app.listener.settimeout(10)
        connection, _ = app.listener.accept()
        with connection:
            connection.settimeout(10)
            w.case("a silent client's header comes at once", connection.recv(100).startswith(SIGNATURE))
    gateway.stop()


def off_by_default(world):
    app = tcp()
    digests = []
    for options in ([], ["--proxy-protocol"]):
        gateway = w.Gateway(world, app.upstream, *options)
        digests.append(w.attest(gateway.address, world.policy)["batch"]["config_digest"])
        with wire.Tls(gateway.address) as tls:
            tls.send(wire.request())
            tls.frame()
            tls.send(wire.START + GREETING)
            found = app.one()
            w.case(f"with {options}: {'a header' if options else 'nothing but the bytes'}",
                   (found == GREETING) == (not options), found.hex())
        gateway.stop()
    w.case("it is no part of what clients pin", digests[0] == digests[1], str(digests))


NGINX = """daemon off; user {user}; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen {listen} proxy_protocol;
        location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_server_port $server_protocol\\n"; }}
    }}
}}
"""


def nginx(world):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    folder = world.folder / "nginx"
    folder.mkdir()
    port = w.free_port()
    for name, listen, upstream in (("TCP", f"127.0.0.1:{port}", f"tcp:127.0.0.1:{port}"),
                                   ("a Unix socket", f"unix:{folder}/app.sock", f"unix:{folder}/app.sock")):
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, listen=listen,
                                                        user=pwd.getpwuid(os.getuid()).pw_name))
        server = subprocess.Popen([program, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"],
                                  stderr=subprocess.DEVNULL)
        w.eventually(lambda: (folder / "app.sock").exists() if upstream.startswith("unix:") else
                     w.connects("127.0.0.1", port))
        gateway = w.Gateway(world, upstream, "--proxy-protocol")
        proxy = w.Proxy(world, gateway.address)
        done = w.run("curl", "-sS", f"http://{proxy.address}/", f"http://{proxy.address}/")
        w.case(f"nginx on {name} is told the client", done.stdout == f"127.0.0.1 {gateway.port} HTTP/1.1\n" * 2,
               str(done))
        for process in (proxy, gateway):
            process.stop()
        plain = w.Gateway(world, upstream)
        proxy = w.Proxy(world, plain.address)
        done = w.run("curl", "-sS", f"http://{proxy.address}/")
        w.case(f"nginx on {name} refuses connections without", done.returncode != 0 and not done.stdout, str(done))
        for process in (proxy, plain):
            process.stop()
        server.terminate()
        server.wait()


def main():
    with w.World() as world:
        for part in (raw_bytes, speaks_first, off_by_default, nginx):
            part(world)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
