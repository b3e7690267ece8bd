"""certs/vacancy-ca: what it makes, what it refuses, and that it never overwrites a key (issue "One hub", item 11)."""
import os
import stat
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

import hub

REGION = "E12000003"


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def certificate(path):
    with open(path, "rb") as handle:
        return x509.load_pem_x509_certificate(handle.read())


def names(path):
    return certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def verifies(federation, who, revocation=False):
    chain = os.path.join(federation.folder, REGION, "issuer.pem")
    extra = ["-crl_check_all", "-CRLfile", federation.crl] if revocation else []
    return openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", federation.root, "-untrusted", chain,
                   *extra, who.cert).returncode == 0


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A federation that only these tests change."""
    return hub.Federation(tmp_path_factory.mktemp("certs") / "authority")


def test_a_leaf_is_what_the_daemon_asks_of_one(own):
    """SPIFFE's rules for a leaf, as faults.md quotes them."""
    who = own.principal("placement-team E08000035 duty")
    leaf = certificate(who.cert)
    assert verifies(own, who) and verifies(own, who, revocation=True)
    assert names(who.cert).get_values_for_type(x509.UniformResourceIdentifier) == \
        ["spiffe://fostering.example/region/E12000003/placement-team/E08000035/duty"]
    assert not names(who.cert).get_values_for_type(x509.DNSName)
    extensions = leaf.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature
    assert not usage.value.key_cert_sign and not usage.value.crl_sign
    assert set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == \
        {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    with open(who.cert, encoding="ascii") as handle:
        assert handle.read().count("BEGIN CERTIFICATE") == 2


def test_a_hub_has_names_that_clients_check(own):
    found = names(own.principal("hub").cert)
    assert found.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in found.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert len(found.get_values_for_type(x509.UniformResourceIdentifier)) == 1


def test_secrets_are_readable_by_their_owner_alone(own):
    own.principal("agency mode")
    for folder, _, files in os.walk(own.folder):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name
    home = own.region()
    assert os.path.getsize(os.path.join(home, "reference.secret")) == 32
    assert "ED25519" in openssl("pkey", "-in", os.path.join(home, "region.key"), "-noout", "-text").stdout


def test_the_issuers_line_names_its_key(own):
    home = own.region()
    with open(os.path.join(home, "issuer.spki"), encoding="ascii") as handle:
        region, digest = handle.read().split()
    from cryptography.hazmat.primitives import hashes, serialization

    wanted = hashes.Hash(hashes.SHA256())
    wanted.update(certificate(os.path.join(home, "issuer.pem")).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    assert (region, digest) == (REGION, wanted.finalize().hex())


def snapshot(folder):
    """Every secret below a folder, with its octets."""
    found = {}
    for where, _, files in os.walk(folder):
        for name in files:
            if name.endswith((".key", "key.pem", ".secret")):
                with open(os.path.join(where, name), "rb") as handle:
                    found[os.path.join(where, name)] = handle.read()
    return found


@pytest.mark.parametrize("command", [
    ["init", "--trust-domain", "fostering.example"],
    ["region", REGION],
    ["issue", REGION, "agency", "twice"],
    ["issue-many", REGION, "-"],
])
def test_a_key_is_never_overwritten(own, command):
    own.principal("agency twice")
    before = snapshot(own.folder)
    done = own.ca(*command, check=False, stdin="agency new-one\nagency twice\n")
    assert done.returncode == 1 and "never overwritten" in done.stdout
    assert snapshot(own.folder) == before


def test_out_is_never_overwritten_either(own, tmp_path):
    (tmp_path / "key.pem").write_text("mine")
    done = own.ca("issue", REGION, "agency", "elsewhere", "--out", str(tmp_path), check=False)
    assert done.returncode == 1 and (tmp_path / "key.pem").read_text() == "mine"
    assert not (tmp_path / "cert.pem").exists()


def test_two_at_once_make_one_key(tmp_path):
    """Both may begin; one wins, the other refuses, and the pair that lies there belongs together."""
    federation = hub.Federation(tmp_path / "authority")
    federation.region()
    line = [hub.VACANCY_CA, "issue", federation.folder, REGION, "agency", "race"]
    running = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert sorted(each.wait(60) for each in running) == [0, 1, 1, 1]
    who = hub.Principal(os.path.join(federation.folder, REGION, "agency", "race"))
    assert openssl("pkey", "-in", who.key, "-pubout").stdout == openssl("x509", "-in", who.cert, "-noout", "-pubkey").stdout


def test_renewal_keeps_the_key_and_the_names(own):
    who = own.principal("hub")
    before, key = certificate(who.cert), snapshot(who.folder)
    own.ca("renew", REGION, "hub")
    after = certificate(who.cert)
    assert after.serial_number != before.serial_number and snapshot(who.folder) == key
    assert set(names(who.cert)) == set(before.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    assert verifies(own, who, revocation=True)


def test_revocation_reaches_every_certificate_of_a_name_and_frees_it(own, tmp_path):
    """faults.md T7 needs these lists."""
    who = own.principal("agency leaving")
    first = tmp_path / "first.pem"
    with open(who.cert, "rb") as handle:
        first.write_bytes(handle.read())
    own.ca("renew", REGION, "agency", "leaving")
    second = certificate(who.cert).serial_number
    own.ca("revoke", REGION, "agency", "leaving", "--reason", "keyCompromise")
    revoked = openssl("crl", "-in", os.path.join(own.region(), "issuer.crl"), "-noout", "-text").stdout
    for serial in (certificate(first).serial_number, second):
        assert f"{serial:032X}" in revoked
    old = hub.Principal(tmp_path)
    old.cert = str(first)
    assert verifies(own, old) and not verifies(own, old, revocation=True)
    assert own.ca("revoke", REGION, "agency", "leaving", check=False).returncode == 1
    own.ca("issue", REGION, "agency", "leaving")
    assert verifies(own, who, revocation=True)
    states = [line.split()[0] for line in own.ca("list", REGION).stdout.splitlines() if line.endswith("/agency/leaving")]
    assert sorted(states) == ["revoked", "revoked", "valid"]


def test_a_region_can_issue_without_the_root_key(tmp_path):
    federation = hub.Federation(tmp_path / "authority")
    federation.region()
    os.rename(os.path.join(federation.folder, "root.key"), tmp_path / "safe")
    federation.ca("issue", REGION, "agency", "leeds")
    federation.ca("crl")
    done = federation.ca("region", "E12000009", check=False)
    assert done.returncode == 1 and "root.key is not on this machine" in done.stdout


OTHER = "E12000001"
EPOCH_ID = "0123456789abcdef" * 2


@pytest.fixture()
def two_regions(tmp_path):
    federation = hub.Federation(tmp_path / "authority")
    federation.region()
    federation.region(OTHER)
    return federation


def contents(federation, name):
    with open(os.path.join(federation.folder, name), encoding="ascii") as handle:
        return handle.read()


def as_the_daemon_reads_it(federation, path=None, key=None):
    """What the daemon's own reader, in its unit test's program, makes of the file."""
    program = os.path.join(hub.BUILD, "tests", "test_record_roster")
    given = {**os.environ, "ROSTER_FILE": path or os.path.join(federation.folder, "roster"),
             "ROSTER_KEY": key or contents(federation, "roster.pub").strip()}
    return subprocess.run([program], env=given, stdout=subprocess.PIPE, text=True, check=False, timeout=60)


def region_key(federation, region):
    """Of region.key, the private one: so that both halves are seen to belong together."""
    shown = openssl("pkey", "-in", os.path.join(federation.region(region), "region.key"), "-noout", "-text").stdout
    return "".join(shown.split("pub:")[1].split()).replace(":", "")


def test_the_roster_says_who_is_in_the_federation(two_regions, tmp_path):
    """And it is signed by the root's roster key: shown by openssl, and by the daemon's own reader."""
    federation = two_regions
    federation.ca("roster", "--endpoint", f"{REGION}=hub.example:8443", "--endpoint", f"{OTHER}=[2001:db8::7]:1",
                  "--endpoint", f"{REGION}=192.0.2.7:65535", "--team", f"E08000035={REGION}", "--team",
                  f"E06000047={OTHER}", "--thaw", f"{OTHER}=3:{EPOCH_ID}")
    issuers = {each: contents(federation, f"{each}/issuer.spki").split()[1] for each in (REGION, OTHER)}
    body, signature = contents(federation, "roster").rsplit("signature ", 1)
    assert body.splitlines() == [
        "vacancy roster v1", "version 1",
        *[f"region {each} key {region_key(federation, each)} issuer {issuers[each]}" for each in (OTHER, REGION)],
        f"endpoint {REGION} hub.example:8443", f"endpoint {OTHER} [2001:db8::7]:1",
        f"endpoint {REGION} 192.0.2.7:65535", f"team E08000035 {REGION}", f"team E06000047 {OTHER}",
        f"thaw {OTHER} epoch 3 {EPOCH_ID}"]

    (tmp_path / "body").write_text(body)
    (tmp_path / "signature").write_bytes(bytes.fromhex(signature))
    public = bytes.fromhex("302a300506032b6570032100" + contents(federation, "roster.pub").strip())  # RFC 8410
    (tmp_path / "public").write_bytes(public)
    verified = openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", str(tmp_path / "public"),
                       "-in", str(tmp_path / "body"), "-sigfile", str(tmp_path / "signature"))
    assert verified.returncode == 0, verified.stdout

    read = as_the_daemon_reads_it(federation)
    assert read.returncode == 0 and read.stdout.splitlines() == [
        "version 1",
        f"region {OTHER} {region_key(federation, OTHER)} {issuers[OTHER]} 2001:db8::7 1 thaw 3",
        f"region {REGION} {region_key(federation, REGION)} {issuers[REGION]} hub.example 8443 192.0.2.7 65535",
        f"team E06000047 {OTHER}", f"team E08000035 {REGION}"]
    wrong = as_the_daemon_reads_it(federation, key=region_key(federation, REGION))
    assert wrong.returncode == 1 and "roster-key" in wrong.stdout


def test_each_roster_has_a_version_of_its_own(two_regions, tmp_path):
    federation = two_regions
    line = ["--endpoint", f"{REGION}=a:1", "--endpoint", f"{OTHER}=b:1"]
    federation.ca("roster", *line)
    federation.ca("roster", *line, "--out", str(tmp_path / "elsewhere"))
    assert "\nversion 1\n" in contents(federation, "roster")
    assert as_the_daemon_reads_it(federation, path=str(tmp_path / "elsewhere")).stdout.startswith("version 2\n")
    running = [subprocess.Popen([hub.VACANCY_CA, "roster", federation.folder, *line, "--out", str(tmp_path / str(each))],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for each in range(4)]
    assert [each.wait(60) for each in running] == [0] * 4
    made = sorted(as_the_daemon_reads_it(federation, path=str(tmp_path / str(each))).stdout.splitlines()[0]
                  for each in range(4))
    assert made == [f"version {each}" for each in (3, 4, 5, 6)]
    assert contents(federation, "roster.version") == "6\n"


def test_a_renewed_issuer_needs_no_new_roster(two_regions):
    federation = two_regions
    federation.ca("roster", "--endpoint", f"{REGION}=a:1", "--endpoint", f"{OTHER}=b:1")
    before = contents(federation, "roster").splitlines()[2:-1]
    federation.ca("renew", REGION, "issuer")
    test_the_issuers_line_names_its_key(federation)
    federation.ca("roster", "--endpoint", f"{REGION}=a:1", "--endpoint", f"{OTHER}=b:1")
    assert contents(federation, "roster").splitlines()[2:-1] == before


def test_a_folder_of_before_there_were_rosters_gets_its_key(tmp_path):
    federation = hub.Federation(tmp_path / "authority")
    federation.region()
    first = contents(federation, "roster.pub")
    os.unlink(os.path.join(federation.folder, "roster.pub"))  # made again from its key
    federation.ca("roster", "--endpoint", f"{REGION}=a:1")
    assert contents(federation, "roster.pub") == first

    os.unlink(os.path.join(federation.folder, "roster.key"))  # elsewhere: the folder still says what key it is
    done = federation.ca("roster", "--endpoint", f"{REGION}=a:1", check=False)
    assert done.returncode == 1 and "roster.key is not on this machine" in done.stdout
    assert contents(federation, "roster.version") == "1\n"

    os.unlink(os.path.join(federation.folder, "roster.pub"))
    federation.ca("roster", "--endpoint", f"{REGION}=a:1")
    assert contents(federation, "roster.pub") != first
    assert as_the_daemon_reads_it(federation).stdout.startswith("version 2\n")


def test_a_region_that_nobody_can_call_is_named(two_regions):
    done = two_regions.ca("roster", "--endpoint", f"{REGION}=a:1")
    assert f"region {OTHER} has no --endpoint" in done.stdout
    assert as_the_daemon_reads_it(two_regions).returncode == 0


def test_a_whole_region_in_parallel(tmp_path, scale):
    """465 agencies' certificates; the time is printed, not judged."""
    federation = hub.Federation(tmp_path / "authority")
    federation.region()
    count = max(20, int(465 * min(1, scale)))
    started = time.monotonic()
    made = federation.principals([f"agency a{number}" for number in range(count)])
    print(f"{count} certificates in {time.monotonic() - started:.1f} s", file=sys.stderr)
    serials = {certificate(who.cert).serial_number for who in made}
    assert len(serials) == count and verifies(federation, made[-1])
    listed = federation.ca("list", REGION).stdout.splitlines()
    assert len(listed) == count
    again = federation.ca("issue-many", REGION, "-", "--skip-existing", stdin="agency a1\nagency one-more\n")
    assert "1 certificates made, 1 there already" in again.stdout


@pytest.mark.parametrize("command, said", [
    (["issue", "E13", "agency", "a"], "region's GSS code"),
    (["issue", "E12000009", "agency", "a"], "has no region E12000009"),
    (["issue", REGION, "agency", "Leeds"], "is not an id"),
    (["issue", REGION, "agency", "../x"], "is not an id"),
    (["issue", REGION, "agency", "a" * 64], "is not an id"),
    (["issue", REGION, "agency", "x", "--dns", "h.example"], "for hubs only"),
    (["issue", REGION, "hub"], "a hub needs the names"),
    (["issue", REGION, "hub", "--dns", "a,URI:spiffe://x/y"], "not a host name"),
    (["issue", REGION, "hub", "--ip", "1.2.3.4,DNS:x"], "not an address"),
    (["issue", REGION, "placement-team", "E07000001", "x"], "authority with children's services"),
    (["issue", REGION, "king", "x"], "not a kind of principal"),
    (["issue", REGION, "agency", "x", "--days", "0"], "a whole number"),
    (["issue", REGION, "agency", "x", "--days", "36500"], "would outlive"),
    (["issue", REGION, "agency", "x", "--loud"], "unknown option"),
    (["revoke", REGION, "agency", "never-was"], "no valid certificate"),
    (["revoke", REGION, "agency", "x", "--reason", "boredom"], "is not one of"),
    (["crl", "--endpoint", f"{REGION}=a:1"], "belong to roster"),
    (["roster", REGION], "roster takes one folder"),
    (["roster", "--endpoint", "hub.example:1"], "needs a value with '='"),
    (["roster", "--endpoint"], "needs a value with '='"),
    (["roster", "--endpoint", "E13=a:1"], "region's GSS code"),
    (["roster", "--endpoint", "E12000009=a:1"], "has no region E12000009"),
    (["roster", "--endpoint", f"{REGION}=a"], "does not end in :PORT"),
    (["roster", "--endpoint", f"{REGION}=a:0"], "does not end in :PORT"),
    (["roster", "--endpoint", f"{REGION}=a:65536"], "does not end in :PORT"),
    (["roster", "--endpoint", f"{REGION}=A:1"], "the host is a name"),
    (["roster", "--endpoint", f"{REGION}=::1:1"], "the host is a name"),
    (["roster", "--endpoint", f"{REGION}=a\nteam E08000035 {REGION}\nendpoint {REGION} b:1"], "the host is a name"),
    (["roster", *["--endpoint", f"{REGION}=a:1"] * 2], "given twice"),
    (["roster", *[word for port in "12345" for word in ("--endpoint", f"{REGION}=a:{port}")]], "more than four"),
    (["roster", "--team", f"E07000001={REGION}"], "authority with children's services"),
    (["roster", "--team", "E08000035=E12000009"], "has no region E12000009"),
    (["roster", "--team", f"E08000035={REGION}", "--team", f"E08000035={REGION}"], "given twice"),
    (["roster", "--thaw", f"{REGION}=0:{EPOCH_ID}"], "epoch's number"),
    (["roster", "--thaw", f"{REGION}=3:{EPOCH_ID.upper()}"], "epoch's number"),
    (["roster", "--thaw", f"{REGION}=3:{EPOCH_ID}", "--thaw", f"{REGION}=4:{EPOCH_ID}"], "given twice"),
])
def test_wrong_use_is_refused_and_leaves_nothing(own, command, said):
    own.region()
    before = snapshot(own.folder)
    done = own.ca(*command, check=False)
    assert done.returncode in (1, 2) and said in done.stdout
    assert snapshot(own.folder) == before
    assert not [name for name in os.listdir(own.folder) if name.startswith((".new", "roster.version"))]


def test_help_begins_with_an_example():
    shown = subprocess.run([hub.VACANCY_CA, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "vacancy-ca init    authority --trust-domain fostering.example" in "".join(shown.splitlines(True)[:4])
