"""Every include in src/ points down the layers, and each outside library is included only in its
layer. Prints 'ok' or 'FAIL' lines."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))
from layers import BELOW  # noqa: E402  the build's own table

# Where each library's headers may stand: folders, or single files below src/.
LIBRARIES = {
    # The demo's server that is no gateway: what service/tls.h, rightly, cannot do.
    r"openssl/ssl|openssl/tls1": ["service/tls", "cli/demo/other_tls"],
    r"openssl/": ["crypto/", "service/tls", "cli/demo/other_tls"],
    r"jansson\.h": ["codec/", "appraise/policy_json.c", "appraise/policy_verifiers", "appraise/result_json",
                     "token/", "attester/sim/", "service/verifier/",
                     "service/session_json", "cli/"],
    r"cbor": ["codec/cbor"],
    r"curl/": ["service/fetch/transfer.c"],
    r"event2/": ["service/"],
    r"microhttpd\.h": ["service/verifier/framing", "service/verifier/http.c"],
}


def check(path):
    relative = path.relative_to(ROOT / "src").as_posix()
    layer = relative.split("/")[0]
    for include in re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text(), re.M):
        top = include.split("/")[0]
        if top in BELOW and top != layer and top not in BELOW[layer]:
            yield f"{relative} includes {include}: {layer} may not use {top}"
        for pattern, places in LIBRARIES.items():
            if re.match(pattern, include):
                if not any(relative.startswith(place) for place in places):
                    yield f"{relative} includes {include}: only {', '.join(places)} may"
                break


def main():
    wrong = [text for path in sorted((ROOT / "src").rglob("*.[ch]")) for text in check(path)]
    for text in wrong:
        print(f"FAIL layers: {text}")
    if not wrong:
        print("ok layers: every include points down")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
