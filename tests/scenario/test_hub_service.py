"""What operators and auditors do: agencies, standing, state, and an audit trail that proves itself with arithmetic that
shares no code with the hub's."""
import hashlib
import os
import re
import subprocess

import grpc
import pytest

import homes

pytestmark = pytest.mark.check

Code = grpc.StatusCode


def test_agencies_and_their_counts(hub, messages):
    homes.register_agencies(hub)
    with hub.client(homes.LEEDS) as leeds, hub.client(homes.OPERATOR) as operator:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n}")}) for n in range(70)])
        homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{n}")}) for n in range(33)])
        listed = {each.agency.id: (each.agency.name, each.carers, each.vacancies)
                  for each in operator.call("HubService/ListAgencies")}
        assert listed == {"leeds": ("Leeds City Council", 70, 33), "good-homes": ("Good Homes", 0, 0)}
        status = operator.call("HubService/GetStatus")
        assert (status.agencies, status.carers, status.vacancies, status.writable) == (2, 70, 33, True)
        assert status.region == hub.region and status.connections >= 2 and status.store_used_bytes > 0


def test_an_agency_must_be_registered(hub, messages):
    with hub.client(homes.LEEDS) as leeds:
        refused = leeds.outcome("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
        assert refused.code == Code.PERMISSION_DENIED and "not registered" in refused.message
        homes.register_agencies(hub)
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))


def test_a_suspended_principal_is_out_at_once_and_after_a_restart(hub, messages):
    homes.register_agencies(hub)
    name = hub.federation.principal(homes.LEEDS).name
    with hub.client(homes.OPERATOR) as operator, hub.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/ListCarers")
        operator.call("HubService/SuspendPrincipal", principal=name, suspended=True)
        assert leeds.outcome("AgencyService/ListCarers").code == Code.PERMISSION_DENIED
    hub.stop()
    hub.start()
    with hub.client(homes.OPERATOR) as operator, hub.client(homes.LEEDS) as leeds:
        assert leeds.outcome("AgencyService/ListCarers").code == Code.PERMISSION_DENIED
        operator.call("HubService/SuspendPrincipal", principal=name, suspended=False)
        with hub.client(homes.AUDITOR) as auditor:
            records = [each for each in read_trail(auditor)[0] if each.object]
        assert {each.object for each in records if each.method.endswith("/PutAgency")} >= {homes.LEEDS.split()[1]}
        assert [(each.object, each.suspended) for each in records if each.method.endswith("/SuspendPrincipal")] == [
            (name, True), (name, False)]
        leeds.call("AgencyService/ListCarers")


@pytest.mark.parametrize("method", ["PutAgency", "ListAgencies", "SuspendPrincipal", "GetStatus", "ReadAudit"])
def test_roles(hub, method):
    """A5: for operators; ReadAudit and GetStatus for auditors too."""
    homes.register_agencies(hub)
    for spec in homes.TEAM, homes.LEEDS, "hub":
        with hub.client(spec) as other:
            assert other.outcome(f"HubService/{method}").code == Code.PERMISSION_DENIED
    with hub.client(homes.AUDITOR) as auditor:
        refused = auditor.outcome(f"HubService/{method}").code == Code.PERMISSION_DENIED
        assert refused == (method not in ("GetStatus", "ReadAudit"))
    hub.wait_log(f"INFO +rpc +conn=.* call failed: /vacancy.v1.HubService/{method} code=PERMISSION_DENIED: this method is for")


def read_trail(auditor):
    """(records of writes, of disclosures, head) with both chains computed anew and compared with the signed head."""
    chains, hashes, head = {1: [], 2: []}, {1: bytes(32), 2: bytes(32)}, None
    for each in auditor.call("HubService/ReadAudit"):
        assert head is None, "something after the head"
        if each.HasField("head"):
            head = each.head
            continue
        record = each.record
        chains[record.chain].append(auditor.messages.AuditRecord.FromString(record.octets))
        assert record.sequence == len(chains[record.chain])
        hashes[record.chain] = hashlib.sha256(hashes[record.chain] + record.octets).digest()
    stated = re.findall(r"(\d+) ([0-9a-f]{64})", head.text)
    assert [(int(n), bytes.fromhex(h)) for n, h in stated] == [(len(chains[c]), hashes[c]) for c in (1, 2)], head.text
    return chains[1], chains[2], head


def verify_signature(head, folder):
    """By the OpenSSL command line."""
    der = bytes.fromhex("302a300506032b6570032100") + head.public_key
    paths = [os.path.join(folder, name) for name in ("key.der", "text", "signature")]
    for path, octets in zip(paths, (der, head.text.encode(), head.signature)):
        with open(path, "wb") as handle:
            handle.write(octets)
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-rawin", "-in",
                    paths[1], "-sigfile", paths[2]], check=True, stdout=subprocess.DEVNULL)


def test_the_audit_trail_proves_itself(hub, messages, tmp_path):
    homes.register_agencies(hub)
    with hub.client(homes.LEEDS) as leeds, hub.client(homes.TEAM) as team, hub.client(homes.AUDITOR) as auditor:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n}")}) for n in range(40)])
        leeds.outcome("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, "unknown"))
        for _ in range(10):
            team.call("PlacementService/FindVacancies", homes.search(messages))
        leeds.call("AgencyService/ListCarers")
        writes, disclosures, head = read_trail(auditor)
        verify_signature(head, tmp_path)
        assert len(writes) >= 42
        methods = [each.method.rpartition("/")[2] for each in disclosures]
        assert methods == ["FindVacancies"] * 10 + ["ListCarers"] * 4 + ["ReadAudit"]
        assert sum(len(each.subjects) for each in disclosures if each.method.endswith("ListCarers")) == 40
        again = read_trail(auditor)
        assert again[1][:len(disclosures)] == disclosures


def test_a_cut_trail_refuses_to_start(hub, messages):
    """The last signed head covers what was cut off."""
    homes.register_agencies(hub)
    with hub.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
        for _ in range(5):
            leeds.call("AgencyService/GetCarer", agency_reference="H-1")
    hub.stop()
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(hub.data) for name in names
             if name.startswith("disclosures-")]
    assert len(paths) == 1
    with open(paths[0], "rb") as handle:
        whole = handle.read()
    with open(paths[0], "r+b") as handle:
        handle.truncate(len(whole) - 20)
    status, said = hub.refuses_to_start()
    assert "part of it is missing" in said and status > 0
    with open(paths[0], "wb") as handle:
        handle.write(whole)
    hub.start()
