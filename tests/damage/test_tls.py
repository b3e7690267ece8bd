"""Rows T of faults.md: who is refused in the handshake, with which alert; nothing of HTTP is served to them."""
import contextlib
import datetime
import os
import shutil
import socket
import ssl

import pytest
from cryptography.hazmat.primitives import hashes

import ground as grounds
import hub as library
import mint
import rawh2

pytestmark = pytest.mark.check

ground = grounds.ground_fixture({("limits", "handshake"): f"{min(library.SLOWNESS, 3)}s"})

LEEDS = "spiffe://fostering.example/region/E12000003/agency/leeds"


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    return library.Federation(tmp_path_factory.mktemp("strangers") / "authority")


def minted(ground, folder, **how):
    return mint.leaf(folder, mint.issuer(ground.hub.federation), uris=[LEEDS], **how)


def by_a_leaf(ground, folder):
    return mint.leaf(folder, mint.from_principal(ground.principal("agency leeds")), uris=[LEEDS])


def long_chain(ground, folder):
    """100 KB of certificates that lead nowhere."""
    who = minted(ground, folder)
    with open(who.cert, "rb") as handle:
        one = handle.read()
    with open(who.cert, "ab") as handle:
        handle.write(one * (100_000 // len(one)))
    return who


ROWS = {
    # row: (certificate, alert, what the log says)
    "T1 none": (lambda ground, folder, strangers: None, "CERTIFICATE_REQUIRED", "certificate"),
    "T2 other CA": (lambda ground, folder, strangers: strangers.principal("agency leeds"), "UNKNOWN_CA", "certificate"),
    "T3 expired": (lambda ground, folder, _: minted(ground, folder, not_before=mint.now() - 9 * mint.DAY,
                                                    not_after=mint.now() - mint.DAY), "CERTIFICATE_EXPIRED", "expired"),
    "T4 not yet valid": (lambda ground, folder, _: minted(ground, folder, not_before=mint.now() + mint.DAY),
                         "BAD_CERTIFICATE", "not yet valid"),
    "T5 self-signed": (lambda ground, folder, _: mint.leaf(folder, None, uris=[LEEDS]), "UNKNOWN_CA", "self.signed"),
    "T6 serverAuth only": (lambda ground, folder, _: minted(ground, folder, usages=mint.SERVER_ONLY),
                           "UNSUPPORTED_CERTIFICATE|BAD_CERTIFICATE", "purpose"),
    "T9 signed by a leaf": (lambda ground, folder, _: by_a_leaf(ground, folder), "UNKNOWN_CA|BAD_CERTIFICATE",
                            "certificate"),
    "T10 RSA-1024": (lambda ground, folder, _: minted(ground, folder, kind="rsa1024"),
                     "BAD_CERTIFICATE|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY", "certificate|key"),
    "T10 SHA-1": (lambda ground, folder, _: minted(ground, folder, digest=hashes.SHA1()),
                  "BAD_CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA", "certificate|digest"),
    "T18 100 KB chain": (lambda ground, folder, _: long_chain(ground, folder), ".", "too long|excessive|certificate"),
}


@pytest.mark.parametrize("row", ROWS)
def test_certificate_is_refused(ground, strangers, tmp_path, row):
    make, alert, says = ROWS[row]
    who = make(ground, tmp_path / "minted", strangers)
    with ground.row(f"closed conn=.*({says})"):
        with ground.hub.watch_memory() as memory:
            got = rawh2.refusal(ground.hub.port, who, ciphers="DEFAULT@SECLEVEL=0")
        assert got is not None, "it was served"
        assert any(each in got for each in alert.split("|")) or alert == ".", got
        ground.check_memory(memory.peak)


OFFERS = {
    # row: (how the client connects, the alert, what the log says)
    "T11 TLS 1.2": ({"maximum": ssl.TLSVersion.TLSv1_2}, "protocol version", "unsupported protocol"),
    "T12 no ALPN": ({"alpn": ()}, "no application protocol", "no application protocol"),
    "T12 http/1.1": ({"alpn": ("http/1.1",)}, "no application protocol", "no application protocol"),
    "T12 h3": ({"alpn": ("h3",)}, "no application protocol", "no application protocol"),
}


@pytest.mark.parametrize("row", OFFERS)
def test_offer_is_refused(ground, row):
    how, alert, says = OFFERS[row]
    with ground.row(f"closed conn=.*: {says}$"):
        got = rawh2.refusal(ground.hub.port, ground.principal("agency leeds"), **how)
        assert got is not None and alert in got.lower().replace("_", " "), got


NOISE = {
    # After the second octet: a 3 there is TLS's version, and what follows it is refused for other reasons.
    "T14 random": (b"\0\0" + os.urandom(4094), "wrong version number"),
    "T14 HTTP in clear": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "http request"),
    "T14 HTTP/2 in clear": (rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS), "wrong version number"),
    "T14 a record of 65,535 octets": (b"\x16\x03\x01\xff\xff" + bytes(65535), "packet length too long"),
    "T14 handshake of 16 MiB": (b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380), "excessive message size"),
}


@pytest.mark.parametrize("row", NOISE)
def test_noise_is_refused(ground, row):
    octets, says = NOISE[row]
    with ground.row(f"closed conn=.*: {says}$"):
        with socket.create_connection(("127.0.0.1", ground.hub.port), 10) as sock:
            got = b""
            try:
                sock.sendall(octets)
                while came := sock.recv(4096):
                    got += came
            except ConnectionError:
                pass
        assert len(got) <= 7, "more than an alert"


def test_half_hellos_are_closed_and_others_served(ground):
    """T13: x300, closed after the handshake's time."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
    with ground.row("no handshake in time", times=300):
        held = [socket.create_connection(("127.0.0.1", ground.hub.port), 10) for _ in range(300)]
        for each in held:
            with contextlib.suppress(ConnectionError):  # closed already, where that took long
                each.sendall(hello)
        for _ in range(10):
            ground.honest()
        for each in held:
            try:
                while each.recv(4096):
                    pass
            except ConnectionError:
                pass
            each.close()


def test_churn_of_handshakes(ground, scale):
    """T15, shortened: each connection is closed as soon as it stands, or before."""
    who = ground.principal("agency leeds")
    with ground.row():
        for n in range(max(10, int(150 * scale))):
            if n % 3:
                rawh2.connect(ground.hub.port, who).close()
            else:
                socket.create_connection(("127.0.0.1", ground.hub.port), 10).close()


def test_revoked_certificate(tmp_path, messages):
    """T7, with the list that names it loaded at start."""
    federation = library.Federation(tmp_path / "authority")
    shutil.copytree(federation.principal("agency leeds").folder, tmp_path / "kept")  # revoking puts the key aside
    federation.ca("revoke", library.REGION, "agency", "leeds")
    federation.made.clear()
    hub = library.Hub(federation, tmp_path / "hub").start()
    try:
        got = rawh2.refusal(hub.port, library.Principal(tmp_path / "kept"))
        assert got is not None and "REVOKED" in got, got
        hub.wait_log("closed conn=.*revoked")
        with hub.client("operator olive") as operator:
            assert operator.call("HubService/GetStatus").agencies == 0
    finally:
        hub.stop()


def expired_list(federation, path):
    """The root's and the issuer's lists, as they would be after their time."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    octets = b""
    for folder, name in ((federation.folder, "root"), (federation.region(), "issuer")):
        with open(os.path.join(folder, name + ".pem"), "rb") as cert, open(os.path.join(folder, name + ".key"), "rb") as key:
            certificate = x509.load_pem_x509_certificate(cert.read())
            signer = serialization.load_pem_private_key(key.read(), None)
        octets += (x509.CertificateRevocationListBuilder().issuer_name(certificate.subject)
                   .last_update(mint.now() - 9 * mint.DAY).next_update(mint.now() - datetime.timedelta(hours=1))
                   .sign(signer, hashes.SHA256())).public_bytes(serialization.Encoding.PEM)
    with open(path, "wb") as handle:
        handle.write(octets)


@pytest.mark.parametrize("row", ["T8 missing", "T8 empty", "T8 expired"])
def test_revocation_list_that_is_not_there(federation, tmp_path, row):
    """Never silently accepted: the hub does not start."""
    path = tmp_path / "crl.pem"
    if row == "T8 empty":
        path.write_bytes(b"")
    elif row == "T8 expired":
        expired_list(federation, path)
    hub = library.Hub(federation, tmp_path / "hub", options={("tls", "crl"): str(path)})
    status, said = hub.refuses_to_start()
    assert status == 1 and "crl" in said and "can't start" in said
