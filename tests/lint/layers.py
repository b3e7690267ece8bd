"""Who may include whom, checked on the text of every #include in daemon/, proto/wire/ and client/.

The tables are the design's section 2: a folder may include those it names; folders of one group don't include each
other; each library stays in the folders that own it.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PARTS = "net register gazetteer record base"
ALLOWED = {
    "main": f"service rpc access federation match wire {PARTS}",
    # service and match are what the simulator links, so net and wire are closed to them.
    "service": "rpc access federation match register gazetteer record base",
    "match": "register gazetteer record base",
    "rpc": f"wire {PARTS}",
    "access": f"wire {PARTS}",
    "federation": f"wire {PARTS}",
    "net": "wire record base",
    "register": "record base",
    "gazetteer": "record base",
    "record": "base",
    "wire": "base",
    "base": "",
    "client": "wire base",
}
ALLOWED = {layer: set(others.split()) | {layer} for layer, others in ALLOWED.items()}

# First match decides.
LIBRARIES = [
    (re.compile(r"nghttp2/"), "nghttp2", {"wire"}),
    (re.compile(r"event2/|event\.h$|evdns|evhttp"), "libevent", {"net", "client"}),
    (re.compile(r"lmdb\.h$"), "LMDB", {"register"}),
    (re.compile(r"ini\.h$"), "inih", {"base"}),
    (re.compile(r"openssl/(ssl|tls1|x509|x509v3|x509_vfy|ocsp)\.h$"), "OpenSSL's TLS and X.509", {"wire"}),
    (re.compile(r"openssl/"), "OpenSSL", {"base", "wire"}),
]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    """The layer that a file of ours belongs to; None if it is none of them (generated code, the system)."""
    parts = path.split("/")
    if parts[0] == "daemon":
        return parts[1] if len(parts) > 2 else "main"
    if parts[:2] == ["proto", "wire"]:
        return "wire"
    if parts[0] == "client":
        return "client"
    return None


def faults_in(path, text, exists=lambda name: os.path.exists(os.path.join(ROOT, name))):
    """Every include of `path` that breaks a rule, as "path:line: what is wrong"."""
    layer = layer_of(path)
    found = []
    for match in INCLUDE.finditer(text):
        quote, name = match.groups()
        where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        target = layer_of(name)
        if layer not in ALLOWED:
            found.append(f"{where}: {layer} is no folder of the design's section 2")
        elif target is not None:
            if target not in ALLOWED[layer]:
                found.append(f"{where}: {layer} must not include {target} ({name})")
        elif quote == '"' and "/" not in name and exists(f"{os.path.dirname(path)}/{name}"):
            found.append(f'{where}: includes of ours go from the root: "{os.path.dirname(path)}/{name}"')
        elif layer == "base" and name.endswith(".pb-c.h"):
            found.append(f"{where}: base knows no messages ({name})")
        for pattern, library, owners in LIBRARIES:
            if pattern.match(name) and target is None:
                if layer not in owners:
                    found.append(f"{where}: {library} stays in {' and '.join(sorted(owners))} ({name})")
                break
    return found


def sources():
    for top in ("daemon", "proto/wire", "client"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def all_faults():
    found = []
    for path in sources():
        with open(os.path.join(ROOT, path), encoding="utf-8") as handle:
            found += faults_in(path, handle.read())
    return found


if __name__ == "__main__":
    faults = all_faults()
    print("\n".join(faults), end="\n" if faults else "")
    sys.exit(1 if faults else 0)
