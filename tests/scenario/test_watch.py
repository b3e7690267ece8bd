"""A standing search over mutual TLS with an independent gRPC client: what appears, changes and goes, at this hub and at
another; the trail; how it ends; and a caller that reads nothing."""
import os
import shutil
import threading

import grpc
import pytest

import homes
import hub as library
import hubs as many
from hubs import WEST, YORKSHIRE

pytestmark = pytest.mark.check

Code = grpc.StatusCode
WATCH = "PlacementService/WatchVacancies"
FIND = "PlacementService/FindVacancies"
SOON_S = 10 * library.SLOWNESS


def question(messages, **changes):
    return messages.WatchVacanciesRequest(question=homes.search(messages, **changes))


def event_names(messages):
    """{2: "APPEARED", ...}"""
    values = messages.WatchVacanciesResponse.DESCRIPTOR.enum_types_by_name["Event"].values
    return {value.number: value.name.removeprefix("EVENT_") for value in values}


class Watcher:
    """Reads a standing search on a thread of its own, and keeps what is shown now, and all that was heard."""

    def __init__(self, client, messages, timeout=60 * library.SLOWNESS, **changes):
        self.names = event_names(messages)
        self.call = client.stream(WATCH, question(messages, **changes), timeout=timeout)
        self.events, self.shown, self.code = [], {}, None
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for event in self.call:
                self.take(event)
        except grpc.RpcError as error:
            self.code = error.code()

    def take(self, event):
        name = self.names[event.event]
        if name == "GONE":
            del self.shown[event.vacancy_id]
        elif name != "READY":
            assert (event.option.vacancy_id in self.shown) == (name == "CHANGED")
            self.shown[event.option.vacancy_id] = event.option
        self.events.append((name, event))

    def heard(self, *names):
        """Waits until it has heard these, and no more."""
        library.wait_until(lambda: [name for name, _ in self.events] == list(names), SOON_S,
                           f"{names}, not {[name for name, _ in self.events]}")

    def ended(self):
        self.thread.join(SOON_S)
        assert not self.thread.is_alive()
        return self.code


@pytest.fixture
def leeds(hub):
    homes.register_agencies(hub)
    with hub.client(homes.LEEDS) as client:
        yield client


def push(leeds, messages, reference, **changes):
    leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, reference))
    return leeds.call("AgencyService/PutVacancy",
                      vacancy=homes.vacancy(messages, reference, **changes)).vacancy_id


def withdraw(leeds, reference):
    leeds.call("AgencyService/WithdrawVacancy", agency_reference=reference, observed_at_ms=homes.now_ms())


def test_what_appears_changes_and_goes(hub, leeds, messages):
    first = push(leeds, messages, "H-1")
    with hub.client(homes.TEAM) as team:
        watcher = Watcher(team, messages)
        watcher.heard("APPEARED", "READY")
        appeared, ready = (event for _, event in watcher.events)
        assert ready.positions and not appeared.positions
        assert ready.policy == "default" and ready.order_steps and len(ready.gazetteer_digest) == 64
        assert not appeared.policy and not appeared.order_steps
        second = push(leeds, messages, "H-2")
        watcher.heard("APPEARED", "READY", "APPEARED")
        assert set(watcher.shown) == {first, second}
        leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, "H-2", beds=1))
        watcher.heard("APPEARED", "READY", "APPEARED", "CHANGED")
        assert watcher.shown[second].beds_free == 1
        withdraw(leeds, "H-1")
        watcher.heard("APPEARED", "READY", "APPEARED", "CHANGED", "GONE")
        assert set(watcher.shown) == {second}
        last = watcher.events[-1][1]
        now = team.call(FIND, homes.search(messages))
        assert [(each.region, each.sequence) for each in last.positions] == [
            (each.region, each.sequence) for each in now.positions]
        assert watcher.shown[second] == now.options[0]
        watcher.call.cancel()
    with hub.client(homes.AUDITOR) as auditor:
        trail = auditor.call("HubService/ReadAudit", chain=messages.enum("AuditChain")["AUDIT_CHAIN_DISCLOSURES"])
        records = [messages.AuditRecord.FromString(each.record.octets) for each in trail if each.HasField("record")]
        records = [each for each in records if each.method.endswith(WATCH)]
        assert all(each.principal.endswith("/duty") and each.request_reference == "383-204417" for each in records)
        assert [[name in each.subjects for name in (first, second)] for each in records] == [
            [True, False], [False, True], [False, True], [True, False]]


def test_what_another_region_takes_appears_here(federation, messages, tmp_path, request):
    hubs = many.Hubs(federation, tmp_path / "hubs", regions=(YORKSHIRE, WEST))
    request.node.hubs = list(hubs)
    try:
        hubs.start()
        hubs.wait_deciding()
        for each in hubs:
            homes.register_agencies(each)
        with hubs[WEST].client(homes.LEEDS) as leeds, hubs[YORKSHIRE].client(homes.TEAM) as team:
            watcher = Watcher(team, messages)
            watcher.heard("READY")
            vacancy_id = push(leeds, messages, "H-1")
            watcher.heard("READY", "APPEARED")
            assert watcher.shown[vacancy_id].region == WEST
            withdraw(leeds, "H-1")
            watcher.heard("READY", "APPEARED", "GONE")
            watcher.call.cancel()
    finally:
        hubs.stop()


def test_suspended_it_ends(hub, leeds, messages):
    push(leeds, messages, "H-1")
    name = hub.federation.principal(homes.TEAM).name
    with hub.client(homes.OPERATOR) as operator, hub.client(homes.TEAM) as team:
        watcher = Watcher(team, messages)
        watcher.heard("APPEARED", "READY")
        operator.call("HubService/SuspendPrincipal", principal=name, suspended=True)
        assert watcher.ended() == Code.PERMISSION_DENIED


def test_revoked_it_hears_no_more(messages, tmp_path, request):
    """T7 for one who only listens: the connection ends at the next thing that would be said."""
    federation = library.Federation(tmp_path / "authority")
    shutil.copytree(federation.principal(homes.TEAM).folder, tmp_path / "team")  # revoking puts the key aside
    hub = library.Hub(federation, tmp_path / "hub")
    request.node.hubs = [hub]
    hub.start()
    try:
        homes.register_agencies(hub)
        with hub.client(library.Principal(tmp_path / "team")) as team, hub.client(homes.LEEDS) as leeds:
            watcher = Watcher(team, messages)
            watcher.heard("READY")
            federation.ca("revoke", library.REGION, *homes.TEAM.split())
            hub.reload()
            hub.wait_log("reloaded certificate")
            push(leeds, messages, "H-1")
            assert watcher.ended() == Code.UNAVAILABLE
            watcher.heard("READY")
            hub.wait_log("closed conn=.*its certificate is no longer accepted")
    finally:
        hub.stop()


def test_it_holds_up_no_stop(hub, messages):
    with hub.client(homes.TEAM) as team:
        watcher = Watcher(team, messages, timeout=None)
        watcher.heard("READY")
        hub.stop()
        assert watcher.ended() == Code.UNAVAILABLE
    hub.start()


def test_only_a_team_may(hub, leeds, messages):
    assert leeds.outcome(WATCH, question(messages)).code == Code.PERMISSION_DENIED
    with hub.client(homes.TEAM) as team:
        refused = team.outcome(WATCH, question(messages, limit=101))
        assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, ["question.limit"])


def test_so_many_at_a_time_and_those_that_end_make_room(hub, messages):
    clients = [hub.client(homes.TEAM) for _ in range(4)]
    try:
        watchers = [Watcher(clients[n % 4], messages) for n in range(256)]
        for each in watchers:
            each.heard("READY")
        assert clients[0].outcome(WATCH, question(messages)).code == Code.RESOURCE_EXHAUSTED
        for each in watchers[:128]:
            each.call.cancel()

        def room():
            watcher = Watcher(clients[0], messages)
            library.wait_until(lambda: watcher.events or watcher.code is not None, SOON_S, "an answer")
            watcher.call.cancel()
            return watcher.code is None

        library.wait_until(room, SOON_S, "room for another")
    finally:
        for each in clients:
            each.close()


def test_one_who_reads_nothing(hub, leeds, messages):
    """It costs a bounded part of what happens, nobody waits for it, and then it hears what is."""
    homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n:03}")}) for n in range(150)])
    homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{n:03}")}) for n in range(100)])
    with hub.client(homes.TEAM) as team, hub.client(homes.TEAM) as others, hub.watch_memory() as memory:
        before = hub.rss_bytes()
        silent = [others.stream(WATCH, question(messages, limit=100), timeout=100 * library.SLOWNESS) for _ in range(50)]
        first = {next(each).option.vacancy_id for each in silent}
        assert len(first) == 1
        for n in range(50):
            withdraw(leeds, f"H-{n:03}")
            homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{100 + n:03}")})])
            assert len(team.call(FIND, homes.search(messages, limit=100)).options) == 100
        now = {option.vacancy_id for option in team.call(FIND, homes.search(messages, limit=100)).options}
        names, shown, heard = event_names(messages), set(first), []
        for event in silent[0]:
            heard.append(names[event.event])
            shown.add(event.option.vacancy_id or event.vacancy_id)
            if heard[-1] == "GONE":
                shown.remove(event.vacancy_id)
            shown.discard("")
            if "READY" in heard and shown == now:
                break
        assert len(heard) < 250  # 100 there were, 50 went and 50 came; what came and went unread is not told
        for each in silent:
            each.cancel()
    print(f"{memory.peak - before} bytes at the peak for 50 that read nothing")
    if not os.environ.get("SAN"):  # sanitizers keep freed memory
        assert memory.peak - before < 32 << 20
