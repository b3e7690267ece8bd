"""The layers of the design's section 2 hold in the tree, and the checker finds planted breaches."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import layers  # noqa: E402


def test_the_tree_keeps_its_layers():
    assert not layers.all_faults(), "\n" + "\n".join(layers.all_faults())


@pytest.mark.parametrize("path, line, said", [
    ("daemon/base/text.c", '#include "daemon/record/ids.h"', "base must not include record"),
    ("daemon/match/index.c", '#include "daemon/access/access.h"', "match must not include access"),
    ("daemon/register/home.c", '#include "daemon/gazetteer/gazetteer.h"', "register must not include gazetteer"),
    ("daemon/service/agency.c", '#include "proto/wire/grpc.h"', "service must not include wire"),
    ("daemon/service/agency.c", '  #  include <nghttp2/nghttp2.h>', "nghttp2 stays in wire"),
    ("daemon/rpc/call.c", "#include <event2/event.h>", "libevent stays in client and net"),
    ("daemon/access/access.c", "#include <lmdb.h>", "LMDB stays in register"),
    ("daemon/net/listener.c", "#include <openssl/ssl.h>", "TLS and X.509 stays in wire"),
    ("daemon/base/signer.c", "#include <openssl/x509.h>", "TLS and X.509 stays in wire"),
    ("daemon/register/chain.c", "#include <openssl/evp.h>", "OpenSSL stays in base and wire"),
    ("client/find.c", '#include "daemon/match/match.h"', "client must not include match"),
    ("daemon/odd/odd.c", "#include <stdio.h>", "odd is no folder"),
    ("daemon/base/log.c", '#include "log.h"', "from the root"),
    ("daemon/base/log.c", '#include "vacancy/v1/codes.pb-c.h"', "base knows no messages"),
])
def test_a_planted_breach_is_found(path, line, said):
    found = layers.faults_in(path, f"/* text */\n{line}\n", exists=lambda _: True)
    assert len(found) == 1 and said in found[0] and found[0].startswith(f"{path}:2: ")


@pytest.mark.parametrize("path, line", [
    ("daemon/main.c", '#include "daemon/net/server.h"'),
    ("daemon/service/agency.c", '#include "daemon/register/home.h"'),
    ("daemon/net/listener.c", "#include <event2/event.h>"),
    ("proto/wire/tls.c", "#include <openssl/ssl.h>"),
    ("daemon/base/digest.c", "#include <openssl/evp.h>"),
    ("daemon/record/ids.c", '#include "vacancy/v1/codes.pb-c.h"'),
    ("daemon/match/index.c", "/* #include <lmdb.h> would be wrong */"),
])
def test_what_is_allowed_is_left_alone(path, line):
    assert not layers.faults_in(path, line)
