"""One principal that asks long questions without end does not keep another from its answer: over mutual TLS, with an
independent gRPC client."""
import grpc
import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FIND = "PlacementService/FindVacancies"
# Not refused. Where everything is many times slower, sixteen such questions at once may each be worked on for the 10 s
# that a hub gives one.
TAKEN_ON = {Code.OK} if library.SLOWNESS == 1 else {Code.OK, Code.DEADLINE_EXCEEDED}


@pytest.fixture
def crowd(hub, messages):
    homes.register_agencies(hub)
    care = messages.enum("CareType")["CARE_TYPE_SHORT_TERM"]
    terms = {"max_children": 4, "age_from_months": 0, "age_below_months": 216, "care_types": [care]}
    with hub.client(homes.LEEDS) as leeds:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(
            messages, f"H-{n}", places=4, bedrooms=4, placed_children=[], terms=terms)}) for n in range(130)])
        homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{n}", beds=4)})
                                 for n in range(130)])
    return hub


def long_question(messages):
    """Twelve sisters: into which two or three of 130 homes takes some turns."""
    sex = messages.enum("Sex")["SEX_F"]
    return homes.search(messages, children=[{"age_months": 12 * (n + 1), "sex": sex} for n in range(12)], split_into=3)


def begin(clients, request, each):
    """Puts it `each` times to each client at once."""
    return [stub.future(request, timeout=60 * library.SLOWNESS)
            for stub in [client.stub(FIND) for client in clients] for _ in range(each)]


def codes(calls):
    """How each ended; what was refused says what to do."""
    ends = [call.exception() for call in calls]
    for end in ends:
        if end is not None and end.code() not in TAKEN_ON:
            assert end.code() == Code.RESOURCE_EXHAUSTED
            assert "16 long questions of this principal already: wait for one's answer" in end.details()
    return [Code.OK if end is None else end.code() for end in ends]


def test_long_questions_of_one_keep_nobody_from_an_answer(crowd, messages):
    request, night = long_question(messages), "placement-team E08000035 night"
    crowd.federation.principal(night)
    hogs = [crowd.client(homes.TEAM, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(3)]
    with crowd.client(night) as honest:
        for _ in range(3):
            asked = begin(hogs, request, 100)
            for _ in range(10):
                found = honest.call(FIND, homes.search(messages), timeout=20 * library.SLOWNESS)
                assert len(found.options) == 3
            assert set(codes(begin([honest], request, 4))) <= TAKEN_ON
            ends = set(codes(asked))
            assert Code.RESOURCE_EXHAUSTED in ends and ends <= TAKEN_ON | {Code.RESOURCE_EXHAUSTED}
        for call in begin(hogs, request, 100):
            call.cancel()
        # Each place was given back: as many as before are answered at once.
        library.wait_until(lambda: set(codes(begin(hogs[:1], request, 16))) <= TAKEN_ON, 20 * library.SLOWNESS,
                           "sixteen at once to be answered")
    for each in hogs:
        each.close()
