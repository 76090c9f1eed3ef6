"""A running `blindbox verifier`, and requests to it that are made here, not by the product."""
import base64
import http.client
import json
import os
import pathlib
import signal
import subprocess

from world import PROGRAM, blindbox

API = "2022-08-01"
SNP = ["authorkeydigest", "bootloader-svn", "familyId", "guestsvn", "hostdata", "idkeydigest", "imageId",
       "is-debuggable", "launchmeasurement", "microcode-svn", "migration-allowed", "reportdata", "reportid",
       "smt-allowed", "snpfw-svn", "tee-svn", "vmpl"]
FORM_1 = bytes.fromhex("3138587c")  # how the tail of report data of form 1 begins
# By product: where the components of a TCB stand.
SVNS = {"milan": {"bootloader": 0, "tee": 1, "snpfw": 6, "microcode": 7},
        "turin": {"bootloader": 1, "tee": 2, "snpfw": 3, "microcode": 7}}


def b64url(data, padding=False):
    text = base64.urlsafe_b64encode(data).decode()
    return text if padding else text.rstrip("=")


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pem(der):
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[i:i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def body(report, certs, runtime=None, padding=False, **more):
    """A request; `certs` DER, VEK first. Members that are None are left out."""
    inner = {"SnpReport": b64url(report, padding)}
    if certs is not None:
        inner["VcekCertChain"] = b64url("".join(map(pem, certs)).encode(), padding)
    whole = {"report": b64url(json.dumps(inner).encode(), padding)}
    if runtime is not None:
        whole["runtimeData"] = {"data": b64url(runtime, padding), "dataType": "JSON"}
    return json.dumps({**whole, **more}).encode()


def parts(token):
    """Header and claims, not verified."""
    header, claims, _ = token.split(".")
    return json.loads(unb64url(header)), json.loads(unb64url(claims))


def snp_facts(raw, product):
    """The claims that a report calls for, read from its bytes alone."""
    def number(at, size):
        return int.from_bytes(raw[at:at + size], "little")
    policy = number(0x08, 8)
    facts = {"authorkeydigest": raw[0x110:0x140].hex(), "familyId": raw[0x10:0x20].hex(), "guestsvn": number(0x04, 4),
             "hostdata": raw[0xC0:0xE0].hex(), "idkeydigest": raw[0xE0:0x110].hex(), "imageId": raw[0x20:0x30].hex(),
             "is-debuggable": bool(policy >> 19 & 1), "launchmeasurement": raw[0x90:0xC0].hex(),
             "migration-allowed": bool(policy >> 18 & 1), "reportdata": raw[0x50:0x90].hex(),
             "reportid": raw[0x140:0x160].hex(), "smt-allowed": bool(policy >> 16 & 1), "vmpl": number(0x30, 4)}
    tcb = raw[0x180:0x188]  # REPORTED_TCB
    facts |= {f"{name}-svn": tcb[at] for name, at in SVNS["turin" if product == "turin" else "milan"].items()}
    assert sorted(facts) == sorted(SNP)
    return {f"x-ms-sevsnpvm-{name}": value for name, value in facts.items()}


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.raw = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def error(self):
        """(status, code, class) of a refusal whose body is exactly one error."""
        o = self.json
        if list(o) != ["error"] or sorted(o["error"]) != ["code", "message"]:
            return f"not one error: {o}"
        if self.headers["x-ms-error-code"] != o["error"]["code"]:
            return f"x-ms-error-code {self.headers['x-ms-error-code']}"
        return self.status, o["error"]["code"], o["error"]["message"].split(":")[0]

    @property
    def claims(self):
        return parts(self.json["token"])[1]


class Verifier:
    def __init__(self, folder, *options, state="state", listen="127.0.0.1:0", env=None):
        self.folder, self.state = pathlib.Path(folder), pathlib.Path(folder) / state
        self.log_path = self.folder / f"verifier-{len(list(self.folder.glob('verifier-*')))}.log"
        command = [PROGRAM, "verifier", "--listen", listen, "--state-dir", self.state, *options]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=log,
                                            text=True, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"{line!r} {self.log}")
        self.address = line.removeprefix("listening on ").strip()

    @property
    def log(self):
        return self.log_path.read_text()

    @property
    def endpoint(self):
        host, port = self.address.rsplit(":", 1)
        return host, int(port)

    @property
    def url(self):
        return f"http://{self.address}"

    def connect(self):
        return http.client.HTTPConnection(*self.endpoint, timeout=60)

    def ask(self, method, path, data=None, headers=None, connection=None):
        c = connection or self.connect()
        c.request(method, path, data, headers or {})
        answer = Answer(c.getresponse())
        if connection is None:
            c.close()
        return answer

    def get(self, path):
        return self.ask("GET", path)

    def attest(self, data, path=f"/attest/SevSnpVm?api-version={API}", connection=None, **headers):
        fields = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.ask("POST", path, data, fields, connection)

    def ear(self, data):
        """(header, claims) of an EAR."""
        answer = self.attest(data, Accept="application/eat+jwt")
        if answer.status != 200:
            raise RuntimeError(answer.raw)
        return parts(answer.raw.decode())

    def kids(self):
        return {k["kid"]: k["alg"] for k in self.get("/certs").json["keys"]}

    def rotate(self, *options):
        return blindbox("verifier", "rotate-key", "--state-dir", self.state, *options, check=False)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
