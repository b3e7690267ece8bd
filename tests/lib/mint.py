"""Certificates that no sound authority would make, for the rows of faults.md on TLS and identity (T1 to T10, A1 to A11).

Sound ones come from certs/vacancy-ca through hub.Federation; these are signed with the same issuers by
python3-cryptography, one property at a time wrong.
"""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub import REGION, Principal

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
SERVER_ONLY = (ExtendedKeyUsageOID.SERVER_AUTH,)
DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def new_key(kind="p256"):
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def write(folder, certificates, key):
    os.makedirs(folder, mode=0o700, exist_ok=True)
    who = Principal(folder)
    with open(who.cert, "wb") as handle:
        handle.write(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates))
    with open(os.open(who.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()))
    return who


class Signer:
    """Signs: a certificate, its key, and the chain to send after a leaf."""

    def __init__(self, certificate, key, chain):
        self.certificate, self.key, self.chain = certificate, key, chain


def issuer(federation, region=REGION):
    """The region's real issuer."""
    folder = federation.region(region)
    with open(os.path.join(folder, "issuer.pem"), "rb") as handle:
        certificate = x509.load_pem_x509_certificate(handle.read())
    with open(os.path.join(folder, "issuer.key"), "rb") as handle:
        key = serialization.load_pem_private_key(handle.read(), None)
    return Signer(certificate, key, [certificate])


def from_principal(who):
    """A leaf that presumes to sign (T9)."""
    with open(who.cert, "rb") as handle:
        chain = [x509.load_pem_x509_certificate(b"-----BEGIN" + each) for each in handle.read().split(b"-----BEGIN")[1:]]
    with open(who.key, "rb") as handle:
        return Signer(chain[0], serialization.load_pem_private_key(handle.read(), None), chain)


def leaf(folder, signer, uris=(), dns=(), ips=(), not_before=None, not_after=None, usages=BOTH, ca=False, kind="p256",
         digest=None, name="minted"):
    """A certificate signed by `signer` (None: by itself), written to `folder` as cert.pem and key.pem.
    Without uris, dns and ips it has no subject alternative name at all. usages () leaves extended key usage out."""
    key = new_key(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
               .issuer_name(signer.certificate.subject if signer else subject)
               .serial_number(x509.random_serial_number())
               .not_valid_before(not_before or now() - DAY).not_valid_after(not_after or now() + 30 * DAY)
               .add_extension(x509.BasicConstraints(ca, None), True)
               .add_extension(x509.KeyUsage(True, False, False, False, False, ca, ca, False, False), True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if signer:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.certificate.public_key()), False)
    names = ([x509.UniformResourceIdentifier(each) for each in uris] + [x509.DNSName(each) for each in dns] +
             [x509.IPAddress(ipaddress.ip_address(each)) for each in ips])
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    certificate = builder.sign(signer.key if signer else key, digest or hashes.SHA256())
    return write(str(folder), [certificate] + (signer.chain if signer else []), key)
