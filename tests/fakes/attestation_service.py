"""A verification service as a script: POST /attest/SevSnpVm answered with a token of Microsoft's shape for
the report that was sent, or in one of the ways in which such a service goes wrong. It checks nothing."""
import base64
import json
import time

import http_service
import tokens
from http_service import JSON, MAA_ERROR, answer

HTML = "Content-Type: text/html"


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def snp(report):
    """The claims about a report's bytes."""
    policy = int.from_bytes(report[8:16], "little")
    hexes = {"launchmeasurement": (0x90, 48), "idkeydigest": (0xE0, 48), "authorkeydigest": (0x110, 48),
             "hostdata": (0xC0, 32), "reportid": (0x140, 32), "reportdata": (0x50, 64), "familyId": (0x10, 16),
             "imageId": (0x20, 16)}
    claims = {name: report[at:at + size].hex() for name, (at, size) in hexes.items()}
    claims |= {"guestsvn": int.from_bytes(report[4:8], "little"), "vmpl": report[0x30],
               "is-debuggable": bool(policy >> 19 & 1), "migration-allowed": bool(policy >> 18 & 1),
               "smt-allowed": bool(policy >> 16 & 1)}
    return {f"x-ms-sevsnpvm-{name}": value for name, value in claims.items()}


class AttestationService(http_service.Service):
    """`mode` says how it answers: "good", or a key of WAYS. `change` patches the claims (None takes one out),
    `header` the header; `signer` signs. `posts` are the requests for tokens, decoded."""

    def __init__(self, signer, issuer, **more):
        self.signer, self.issuer = signer, issuer
        self.reset()
        super().__init__(**more)
        self.url = f"http://127.0.0.1:{self.port}" if "path" not in more else f"unix:{more['path']}"

    def reset(self):
        self.mode, self.change, self.header, self.delay_s = "good", {}, {}, 0
        self.use, self.edit = self.signer, lambda text: text
        self.posts, self.tokens, self.key_requests = [], [], 0

    def claims(self, request):
        now = int(time.time())
        report = decode(json.loads(decode(request["report"]))["SnpReport"])
        claims = {"iss": self.issuer, "iat": now, "nbf": now, "exp": now + 600, "x-ms-ver": "1.0",
                  "x-ms-attestation-type": "sevsnpvm", "x-ms-compliance-status": "azure-compliant-uvm",
                  "x-ms-blindbox-simulated": True, **snp(report),
                  "x-ms-runtime": json.loads(decode(request["runtimeData"]["data"]))}
        if "nonce" in request:
            claims["nonce"] = request["nonce"]
        return {name: value for name, value in {**claims, **self.change}.items() if value is not None}

    def token(self, request):
        token = self.edit(self.use.token(self.claims(request), **self.header))
        self.tokens.append(token)
        return token

    def script(self, conn, path):
        if path.startswith("/certs"):
            self.key_requests += 1
            conn.sendall(answer("200 OK", self.signer.jwks.read_bytes(), JSON))
            return True
        request = json.loads(self.requests[-1][3])
        with self.lock:
            self.posts.append(request)
        time.sleep(self.delay_s)
        if self.mode == "good":
            conn.sendall(answer("200 OK", json.dumps({"token": self.token(request)}).encode(), JSON))
            return True
        return WAYS[self.mode](self, conn)


def says(status, body=b"", *fields):
    def way(_, conn):
        conn.sendall(answer(status, body, *fields))
        return True
    return way


def hang(service, conn):
    return service.wait_for_end(conn)


def cut(_, conn):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"token\":")
    return False


WAYS = {
    "500": says("500 Internal Server Error"), "503": says("503 Service Unavailable", b"<html>", HTML),
    "429": says("429 Too Many Requests", b"", "Retry-After: 1"), "408": says("408 Request Timeout"),
    "302": says("302 Found", b"", "Location: http://127.0.0.1:1/"), "html": says("200 OK", b"<!doctype html>", HTML),
    "empty": says("200 OK"), "cut": cut, "hang": hang,
    "400": says("400 Bad Request", MAA_ERROR, JSON), "401": says("401 Unauthorized"),
    "no token": says("200 OK", b'{"jwt": "a.b.c"}', JSON), "empty token": says("200 OK", b'{"token": ""}', JSON),
    "large token": says("200 OK", json.dumps({"token": "a" * 16385}).encode(), JSON),
    "foreign characters": says("200 OK", json.dumps({"token": "a.b\u00e4.c"}).encode(), JSON),
    "a line end": says("200 OK", json.dumps({"token": "a.b.c\n"}).encode(), JSON),
    "terminal": says("400 Bad Request", json.dumps({"error": {"code": "\x1b[2J", "message": "a\nb"}}).encode(), JSON),
}
# What may pass, and what is the service's answer.
UNAVAILABLE = ["500", "503", "429", "408", "302", "html", "empty", "cut"]
REFUSED = ["400", "401", "no token", "empty token", "large token", "foreign characters", "a line end"]
