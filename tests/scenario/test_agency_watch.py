"""What an agency hears of its carers, vacancies and holds: all there was, then each as it happens; after a break, a restart
and a kill of its hub it goes on from its cursor, without gaps or repeats; whoever is shut out hears nothing more."""
import threading

import grpc
import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

Code = grpc.StatusCode
SOON_S = 10 * library.SLOWNESS


class Watcher:
    """Reads on a thread of its own, keeps every event, and goes on from the last one's cursor when it is cut."""

    def __init__(self, messages):
        values = messages.AgencyEvent.DESCRIPTOR.enum_types_by_name["Kind"].values
        self.kinds = {value.number: value.name.removeprefix("KIND_") for value in values}
        self.events, self.cursor, self.ready, self.code, self.call = [], 0, 0, None, None

    def start(self, client, **fields):
        self.code = None
        self.call = client.stream("AgencyService/WatchAgency",
                                  client.request("AgencyService/WatchAgency", **(fields or {"after_cursor": self.cursor})))
        threading.Thread(target=self.read, args=(self.call,), daemon=True).start()
        return self

    def read(self, call):
        code = Code.OK
        try:
            for each in call:
                self.cursor = each.cursor
                if each.HasField("event"):
                    assert each.event.cursor == each.cursor
                    self.events.append(each.event)
                else:
                    self.ready += 1
        except grpc.RpcError as error:
            code = error.code()
        self.code = code

    def told(self):
        return [(self.kinds[event.kind], event.agency_reference) for event in self.events]

    def wait(self, *last):
        """Until it has heard these last, in order."""
        library.wait_until(lambda: self.told()[-len(last):] == list(last), SOON_S, f"{last}; heard {self.told()}")

    def wait_end(self):
        library.wait_until(lambda: self.code is not None, SOON_S, "the stream to end")
        return self.code


@pytest.fixture
def running(hub):
    homes.register_agencies(hub)
    return hub


def push(client, messages, reference):
    client.call("AgencyService/PutCarer", carer=homes.carer(messages, reference))
    return client.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference)).vacancy_id


def hold(client, vacancy_id):
    return client.call("PlacementService/HoldVacancy", request_id=homes.request_id(), vacancy_id=vacancy_id, beds=1,
                       request_reference="383-204417").hold.hold_id


def history(client, **fields):
    return [each.event for each in client.call("AgencyService/GetHistory", **fields)]


def test_what_happens_is_told(running, messages):
    with running.client(homes.LEEDS) as leeds, running.client(homes.TEAM) as team:
        vacancy_id = push(leeds, messages, "H-1")
        watcher = Watcher(messages).start(leeds)
        watcher.wait(("CARER_REGISTERED", "H-1"), ("VACANCY_OFFERED", "H-1"))
        library.wait_until(lambda: watcher.ready == 1, SOON_S, "READY")
        held = hold(team, vacancy_id)
        watcher.wait(("HELD", "H-1"))
        event = watcher.events[-1]
        assert (event.hold_id, event.vacancy_id, event.beds, event.beds_free) == (held, vacancy_id, 1, 1)
        assert event.by.endswith("/placement-team/E08000035/duty") and event.request_reference == "383-204417"
        leeds.call("AgencyService/AcceptHold", hold_id=held)
        team.call("PlacementService/ExtendHold", request_id=homes.request_id(), hold_id=held)
        team.call("PlacementService/ReleaseHold", request_id=homes.request_id(), hold_id=held)
        held = hold(team, vacancy_id)
        leeds.call("AgencyService/DeclineHold", hold_id=held,
                   reason=messages.enum("DeclineReason")["DECLINE_REASON_BED_TAKEN"])
        leeds.call("AgencyService/WithdrawVacancy", agency_reference="H-1", observed_at_ms=homes.now_ms())
        watcher.wait(*[(kind, "H-1") for kind in (
            "HELD", "HOLD_ACCEPTED", "HOLD_EXTENDED", "HOLD_RELEASED", "HELD", "HOLD_DECLINED", "VACANCY_WITHDRAWN")])
        assert watcher.ready == 1
        assert history(leeds) == watcher.events
        assert history(leeds, vacancy_id=vacancy_id) == [each for each in watcher.events if each.vacancy_id == vacancy_id]
        with running.client(homes.HOMES) as others:
            assert not history(others) and not history(others, vacancy_id=vacancy_id)


def test_goes_on_after_a_restart_and_a_kill(running, messages):
    """No gap and no repeat, whatever was told before the break."""
    watcher = Watcher(messages)
    with running.client(homes.LEEDS) as leeds:
        for how in "stop", "kill", "stop", "kill":
            with running.client(homes.LEEDS) as client:
                watcher.start(client)
                for n in range(3):
                    push(client, messages, f"H-{how}-{len(watcher.events)}-{n}")
                library.wait_until(lambda: watcher.events, SOON_S, "the first event")
                getattr(running, how)()
                assert watcher.wait_end() in (Code.UNAVAILABLE, Code.CANCELLED)
                running.start()
    with running.client(homes.LEEDS) as leeds:
        push(leeds, messages, "H-last")
        watcher.start(leeds)
        watcher.wait(("CARER_REGISTERED", "H-last"), ("VACANCY_OFFERED", "H-last"))
        assert watcher.events == history(leeds)
        cursors = [each.cursor for each in watcher.events]
        assert cursors == sorted(set(cursors)) and len(cursors) == 4 * 6 + 2


def test_from_every_cursor(running, messages):
    with running.client(homes.LEEDS) as leeds:
        for n in range(5):
            push(leeds, messages, f"H-{n}")
        events = history(leeds)
        for n, event in enumerate(events):
            assert history(leeds, after_cursor=event.cursor) == events[n + 1:]
        late = Watcher(messages).start(leeds, from_now=True)
        library.wait_until(lambda: late.ready, SOON_S, "READY")
        assert not late.events
        push(leeds, messages, "H-new")
        late.wait(("CARER_REGISTERED", "H-new"), ("VACANCY_OFFERED", "H-new"))
        gone = Watcher(messages).start(leeds, after_cursor=1 << 60)
        assert gone.wait_end() == Code.OUT_OF_RANGE


def test_who_is_shut_out_hears_nothing_more(running, messages):
    with running.client(homes.LEEDS) as leeds, running.client(homes.OPERATOR) as operator:
        watcher = Watcher(messages).start(leeds)
        library.wait_until(lambda: watcher.ready, SOON_S, "READY")
        leeds_name = running.federation.principal(homes.LEEDS).name
        operator.call("HubService/SuspendPrincipal", principal=leeds_name, suspended=True)
        assert watcher.wait_end() == Code.PERMISSION_DENIED
        operator.call("HubService/SuspendPrincipal", principal=leeds_name, suspended=False)
        with running.client(homes.TEAM) as team:
            assert team.outcome("AgencyService/WatchAgency").code == Code.PERMISSION_DENIED


def test_a_caller_that_reads_nothing(running, messages):
    """X7: costs no more than its queue; the others hear at once."""
    with running.client(homes.LEEDS) as leeds, running.client(homes.LEEDS) as deaf:
        before = running.rss_bytes()
        calls = [deaf.stream("AgencyService/WatchAgency", deaf.request("AgencyService/WatchAgency")) for _ in range(50)]
        watcher = Watcher(messages).start(leeds)
        for n in range(50):
            push(leeds, messages, f"H-{n}")
        watcher.wait(("CARER_REGISTERED", "H-49"), ("VACANCY_OFFERED", "H-49"))
        assert running.rss_bytes() < before + (64 << 20)
        for each in calls:
            each.cancel()
