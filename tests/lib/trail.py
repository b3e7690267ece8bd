"""The audit trail as an auditor would check it, with arithmetic of its own: chains of SHA-256 and an Ed25519 head, read on
from where the last look ended."""
import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

WRITES, DISCLOSURES = 1, 2


class Trail:
    """Remembers both chains as far as they were read; what was seen once must stay."""

    def __init__(self, federation, region):
        with open(f"{federation.region(region)}/region.key", "rb") as handle:
            public = load_pem_private_key(handle.read(), None).public_key()
        self.region, self.key = region, public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.end = {WRITES: (0, bytes(32)), DISCLOSURES: (0, bytes(32))}
        self.log_positions = set()      # of writes that were done
        self.references = set()         # of searches
        self.heads = {WRITES: 0, DISCLOSURES: 0}

    def read_on(self, auditor):
        """Reads what is new of both chains, checks hashes and heads."""
        for chain in (WRITES, DISCLOSURES):
            sequence, digest = self.end[chain]
            head, hashes = None, {sequence: digest}
            for each in auditor.call("HubService/ReadAudit", chain=chain, from_sequence=sequence + 1, timeout=60):
                assert head is None, "something after the head"
                if each.HasField("head"):
                    head = each.head
                    continue
                sequence += 1
                assert (each.record.chain, each.record.sequence) == (chain, sequence), "a gap in the trail"
                digest = hashlib.sha256(digest + each.record.octets).digest()
                hashes[sequence] = digest
                self.note(auditor.messages.AuditRecord.FromString(each.record.octets))
            self.check_head(chain, head, hashes)
            self.end[chain] = sequence, digest

    def note(self, record):
        if record.sequence and record.code == 0:
            self.log_positions.add(record.sequence)
        if record.request_reference:
            self.references.add(record.request_reference)

    def check_head(self, chain, head, hashes):
        assert head.public_key == self.key, "signed by another key"
        Ed25519PublicKey.from_public_bytes(head.public_key).verify(head.signature, head.text.encode())
        assert self.region in head.text
        stated = dict(zip((WRITES, DISCLOSURES), re.findall(r"(\d+) ([0-9a-f]{64})", head.text)))
        sequence, digest = int(stated[chain][0]), bytes.fromhex(stated[chain][1])
        assert hashes.get(sequence) == digest, f"the head states {stated[chain]}, the records end at {max(hashes)}"
        assert sequence == max(hashes), "records beyond the head"
        for each, (number, _) in stated.items():
            assert int(number) >= self.heads[each], "the head went back"
            self.heads[each] = int(number)
