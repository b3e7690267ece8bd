"""No room for the trail of disclosures (D3, D15; design 4.6, 4.8): nothing is shown without a trace, searches are refused with
a clear word, and when there is room again they are answered again, without a restart and with a trail that verifies."""
import os

import grpc
import pytest

import homes
import hub as library
import mounts

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FIND = "PlacementService/FindVacancies"
DISK_BYTES = 24 << 20
HOMES = 10


@pytest.fixture
def small_disk(federation, tmp_path, request):
    """A running hub whose data folder is a disk of its own."""
    running = library.Hub(federation, tmp_path / "hub")
    with mounts.tmpfs(running.data, DISK_BYTES):
        request.node.hubs = [running]
        try:
            running.start()
            yield running
            running.stop()
        finally:
            running.kill()


class Searches:
    """One team's searches, each with a reference of its own, so that each can be found on the trail."""

    def __init__(self, client, messages):
        self.client, self.messages, self.asked, self.answered = client, messages, 0, set()

    def one(self):
        self.asked += 1
        reference = f"383-{204000 + self.asked}"
        outcome = self.client.outcome(FIND, homes.search(self.messages, request_reference=reference))
        if outcome.code == Code.OK:
            self.answered.add(reference)
        return outcome

    def until(self, code, most):
        """Searches until one ends with `code`, which it must within `most`."""
        for _ in range(most):
            outcome = self.one()
            if outcome.code == code:
                return outcome
        pytest.fail(f"{most} searches, and none ended with {code}")

    def on_the_trail(self, auditor):
        trail = auditor.call("HubService/ReadAudit", chain=self.messages.enum("AuditChain")["AUDIT_CHAIN_DISCLOSURES"])
        records = [self.messages.AuditRecord.FromString(each.record.octets) for each in trail if each.HasField("record")]
        return [each.request_reference for each in records if each.method.endswith(FIND)]


def test_a_full_disk_stops_searches_until_there_is_room(small_disk, messages):
    homes.register_agencies(small_disk)
    with small_disk.client(homes.LEEDS) as leeds, small_disk.client(homes.TEAM) as team:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n}")}) for n in range(HOMES)])
        homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{n}")}) for n in range(HOMES)])
        searches = Searches(team, messages)
        assert searches.one().code == Code.OK
        process = small_disk.process.pid

        for turn in range(2):
            filler = mounts.fill(small_disk.data, 0)
            # What is left of the trail's last page takes a few more.
            refused = searches.until(Code.UNAVAILABLE, 100)
            assert "audit trail can't be written" in refused.message and "operator" in refused.message
            assert small_disk.alive()
            os.unlink(filler)
            small_disk.wait_log("the audit trail can't be written, so nothing is shown error=STORE_FULL")
            assert searches.until(Code.OK, 1).code == Code.OK, "there is room, and it does not search"
            small_disk.wait_log("the audit trail is written again")
            # The register takes pushes again as well: acknowledged is stored.
            homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{turn}", beds=1)})])

        verified = small_disk.run_vacancy(homes.AUDITOR, "audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        with small_disk.client(homes.AUDITOR) as auditor:
            kept = searches.on_the_trail(auditor)
        # Each answered one once; a refused one left nothing.
        assert len(kept) == len(set(kept)) and set(kept) == searches.answered
        assert small_disk.process.pid == process and small_disk.alive()

    small_disk.stop()
    small_disk.start()
    verified = small_disk.run_vacancy(homes.AUDITOR, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
