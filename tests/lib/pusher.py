"""An agency that pushes without pause over Submit and remembers what was acknowledged, for tests that kill the hub in
the middle; and a team that searches. What a restarted hub must show is computed here.

Every update of a home carries the next number as its moment and in its content, so that what is stored says which update
it was. Updates of one home are in order: what is found must be the last acknowledged or a later one that was sent."""
import threading
import time

import grpc

import homes
import hub as library

FIND = "PlacementService/FindVacancies"


class Pusher:
    def __init__(self, messages, randomness, homes_count=24):
        self.messages, self.randomness = messages, randomness
        self.references = [f"K-{n:03}" for n in range(homes_count)]
        self.base_ms = homes.now_ms() - 24 * 3600 * 1000
        self.number = 0
        self.sent = {}       # tag -> (kind, reference)
        self.acked = {}      # (table, reference) -> number of the last acknowledged update
        self.refused = []
        self.positions = []  # sequences, in order of acknowledgement
        self.push_ended = None  # what ended the last stream: by itself it ends only with the hub
        self.asked, self.answered = 0, {}  # request reference -> when the answer was there, monotonic
        self.lock = threading.Lock()
        self.no_room = 0

    # --- what is sent -----------------------------------------------------------------------------------------------
    def update(self):
        """The next (tag, kind, fields)."""
        self.number += 1
        number, reference = self.number, self.randomness.choice(self.references)
        moment = self.base_ms + number
        kind = self.randomness.choice(("put_carer", "put_vacancy", "put_vacancy", "withdraw_vacancy"))
        if ("carer", reference) not in self.acked:
            kind = "put_carer"
        if kind == "put_carer":
            fields = {"carer": homes.carer(self.messages, reference, observed_at_ms=moment, places=8,
                                           bedrooms=1 + number % 12)}
        elif kind == "put_vacancy":
            fields = {"vacancy": homes.vacancy(self.messages, reference, observed_at_ms=moment, beds=1 + number % 3)}
        else:
            fields = {"agency_reference": reference, "observed_at_ms": moment}
        self.sent[number] = (kind, reference)
        return number, kind, fields

    def take(self, answer):
        kind, reference = self.sent[answer.tag]
        if answer.code == 0:
            with self.lock:
                table = "carer" if kind == "put_carer" else "vacancy"
                self.acked[table, reference] = answer.tag
                if table == "vacancy":
                    self.acked["kind", reference] = kind
                self.positions.append(answer.receipt.sequence)
        elif answer.code == 8:
            self.no_room += 1
        elif answer.code not in (7, 9, 14):  # nothing to withdraw, no carer yet, no hub
            self.refused.append((kind, answer.code, answer.message, answer.field))

    def push(self, hub, stop, client=None):
        """Until the hub is gone or `stop` is set."""
        self.push_ended = None

        def updates():
            while not stop.is_set():
                tag, kind, fields = self.update()
                yield leeds.request("AgencyService/Submit", tag=tag, **{kind: fields})

        with client or hub.client(homes.LEEDS) as leeds:
            try:
                for answer in leeds.stream("AgencyService/Submit", updates(), timeout=600):
                    self.take(answer)
                self.push_ended = "the hub ended the stream"
            except grpc.RpcError as error:
                self.push_ended = f"{error.code().name}: {error.details()}"
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED,
                                        grpc.StatusCode.INTERNAL):
                    self.refused.append(error.code())

    def search(self, hub, stop):
        """Searches one after the other, each with a reference of its own."""
        with hub.client(homes.TEAM) as team:
            while not stop.is_set():
                self.asked += 1
                reference = f"383-{self.asked:010}"
                try:
                    team.call(FIND, homes.search(self.messages, request_reference=reference))
                except grpc.RpcError:
                    return
                self.answered[reference] = time.monotonic()
                time.sleep(0.002)  # leaves the pushing its share

    def run(self, hub, until):
        """Pushes and searches in threads while until() runs (and ends the hub), then waits for both."""
        stop = threading.Event()
        threads = [threading.Thread(target=each, args=(hub, stop)) for each in (self.push, self.search)]
        for each in threads:
            each.start()
        try:
            return until()
        finally:
            stop.set()
            for each in threads:
                each.join(30)
                assert not each.is_alive(), "a client hangs"

    def await_answer(self, hub, done):
        """For run(): until more than `done` are acknowledged; at once, with what there is to know, where none will be."""
        def answered():
            if len(self.positions) > done or self.refused:
                return True
            assert not self.no_room, "the test's disk is too small"
            assert hub.alive(), f"the hub ended by itself, with {hub.process.returncode}:\n{hub.log_text()[-4000:]}"
            assert self.push_ended is None, f"{self.push_ended}; the hub is up:\n{hub.log_text()[-4000:]}"
            return False

        library.wait_until(answered, 30 * library.SLOWNESS, "an answer")

    # --- what must be there ------------------------------------------------------------------------------------------
    def check(self, leeds, operator):
        """Every acknowledged update is there, whole, or a later one of the same home; sequences go on."""
        assert not self.refused, self.refused[:3]
        found = {}
        for each in leeds.call("AgencyService/ListCarers", timeout=30):
            carer = each.carer.carer
            number = carer.observed_at_ms - self.base_ms
            assert carer.bedrooms == 1 + number % 12 and self.sent[number] == ("put_carer", carer.agency_reference)
            found["carer", carer.agency_reference] = number
        for each in leeds.call("AgencyService/ListVacancies", timeout=30):
            vacancy = each.vacancy.vacancy
            number = vacancy.observed_at_ms - self.base_ms
            assert vacancy.beds == 1 + number % 3 and self.sent[number] == ("put_vacancy", vacancy.agency_reference)
            found["vacancy", vacancy.agency_reference] = number
        for (table, reference), number in self.acked.items():
            if table == "carer":
                assert found.get((table, reference), -1) >= number, (reference, found.get((table, reference)), number)
            elif table == "vacancy":
                self.check_vacancy(reference, number, found.get((table, reference)))
        assert self.positions == sorted(self.positions), "sequence numbers went back"
        status = operator.call("HubService/GetStatus")
        assert not self.positions or status.sequence >= self.positions[-1]
        return status

    def check_vacancy(self, reference, number, found):
        if found is None:
            # Withdrawn by what was acknowledged, or by a later update whose answer was lost.
            later = [tag for tag, sent in self.sent.items() if tag > number and sent == ("withdraw_vacancy", reference)]
            assert self.acked["kind", reference] == "withdraw_vacancy" or later, (reference, number)
        else:
            assert found >= number, (reference, found, number)

    def check_trail(self, trail, auditor):
        trail.read_on(auditor)
        missing = set(self.positions) - trail.log_positions
        assert not missing, f"acknowledged, but not on the trail: {sorted(missing)[:5]}"
        lost = sorted(at for reference, at in self.answered.items() if reference not in trail.references)
        assert not lost, f"{len(lost)} answered but not on the trail, the first {time.monotonic() - lost[0]:.3f} s ago"
