"""A hub that rows of faults.md are tried on, one after the other, and what every row expects besides its own code: the
hub is up, an honest client's calls are answered and nothing in the register has changed, memory and descriptors are
back, and the log says why in one line where the row is a refusal.

A module says `ground = ground_fixture(options)` and its tests write `with ground.row("why, as the log says it"):`.
"""
import contextlib
import os
import re

import pytest

import homes
import hub as library

MEMORY_BOUND = 16 << 20
MARK = "H-marker"


class Ground:
    def __init__(self, running, messages):
        self.hub, self.messages = running, messages
        homes.register_agencies(running)
        self.leeds, self.others = running.client(homes.LEEDS), running.client(homes.HOMES)
        self.team, self.operator = running.client(homes.TEAM), running.client(homes.OPERATOR)
        self.auditor = running.client(homes.AUDITOR)
        self.clients = [self.leeds, self.others, self.team, self.operator, self.auditor]
        self.leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, MARK))
        self.marker = self.leeds.call("AgencyService/GetCarer", agency_reference=MARK).carer.carer
        self.leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, MARK))
        for _ in range(20):
            self.honest()
        for client in self.clients:
            client.outcome("/grpc.health.v1.Health/Check")
        self.rss, self.log_at = running.rss_bytes(), 0

    def close(self):
        for client in self.clients:
            client.close()

    def honest(self):
        """Calls that must be answered rightly whatever happens."""
        assert self.leeds.call("AgencyService/GetCarer", agency_reference=MARK).carer.carer == self.marker
        found = self.team.call("PlacementService/FindVacancies", homes.search(self.messages))
        assert len(found.options) == 1

    def sequence(self):
        return self.operator.call("HubService/GetStatus").sequence

    def said(self):
        return self.hub.log_text()[self.log_at:]

    def lines(self, pattern):
        return [line for line in self.said().splitlines() if re.search(pattern, line)]

    @contextlib.contextmanager
    def row(self, says=None, times=1, changes=False):
        """`says`: what exactly `times` lines of the log match (times None: at least one)."""
        self.honest()  # who was cut off by a row that failed is back before descriptors are counted
        self.log_at = len(self.hub.log_text())
        sequence, fds = self.sequence(), self.hub.fds()
        yield self
        assert self.hub.alive(), "the hub is down"
        self.honest()
        if not changes:
            assert self.sequence() == sequence, "something was written"
        library.wait_until(lambda: self.hub.fds() <= fds, 20 * library.SLOWNESS, "descriptors to be back")
        self.check_memory()
        if says is not None:
            library.wait_until(lambda: self.lines(says), 5 * library.SLOWNESS, f"/{says}/ in the log")
            found = self.lines(says)
            assert times is None or len(found) == times, found

    def check_memory(self, peak=0):
        """Back to +16 MiB now, and at the peak, if given, never above twice that. Sanitizers keep freed memory: no bound
        there."""
        if not os.environ.get("SAN"):
            assert self.hub.rss_bytes() < self.rss + MEMORY_BOUND
            assert peak < self.rss + 2 * MEMORY_BOUND

    def principal(self, spec):
        return self.hub.federation.principal(spec)


PEER = "E12000006"


def in_a_roster(federation, folder, options):
    """Options of a hub whose roster has another region, which never answers."""
    import hubs

    federation.principal("hub", PEER)
    path = os.path.join(folder, "roster")
    with open(path, "w", encoding="ascii") as handle:
        handle.write(hubs.sign_roster(federation, hubs.roster_body(federation, [library.REGION, PEER], 1)))
    return {("federation", "roster"): path, ("federation", "roster-key"): os.path.join(federation.folder, "roster.pub"),
            **(options or {})}


def ground_fixture(options=None, peers=False, **how):
    """`peers`: in a federation, ground.peer is a client with another region's hub's certificate."""
    @pytest.fixture(scope="module", name="ground")
    def fixture(federation, messages, tmp_path_factory):
        folder = tmp_path_factory.mktemp("ground")
        with_peers = in_a_roster(federation, folder, options) if peers else options
        running = library.Hub(federation, folder, options=with_peers, **how).start()
        try:
            if peers:  # nobody answers: the operator's word
                with running.client(homes.OPERATOR) as operator:
                    operator.call("HubService/Promote")
            standing = Ground(running, messages)
            if peers:
                standing.peer = running.client(federation.principal("hub", PEER))
                standing.clients.append(standing.peer)
                standing.peer.outcome("/grpc.health.v1.Health/Check")
            yield standing
            standing.close()
            running.stop()
        finally:
            running.kill()

    return fixture
