"""One principal that asks long questions without end does not keep another from its answer: over mutual TLS, with an
independent gRPC client."""
import time

import grpc
import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FIND = "PlacementService/FindVacancies"


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
    """Twelve sisters: into which two or three of 130 homes, takes longer than anybody waits for."""
    sex = messages.enum("Sex")["SEX_F"]
    return homes.search(messages, children=[{"age_months": 12 * (n + 1), "sex": sex} for n in range(12)], split_into=3)


def answered(client, messages):
    outcome = client.outcome(FIND, homes.search(messages), timeout=20 * library.SLOWNESS)
    return outcome.code == Code.OK and len(outcome.response.options) == 3


def test_long_questions_of_one_keep_nobody_from_an_answer(crowd, messages):
    request, night = long_question(messages), "placement-team E08000035 night"
    crowd.federation.principal(night)
    hogs = [crowd.client(homes.TEAM, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(3)]
    with crowd.client(night) as honest:
        asked = [stub.future(request, timeout=60 * library.SLOWNESS)
                 for stub in [each.stub(FIND) for each in hogs] for _ in range(50)]
        library.wait_until(lambda: sum(each.done() for each in asked) >= 150 - 16, 8, "all but 16 are refused")
        refused = [each.exception() for each in asked if each.done()]
        assert len(refused) == 150 - 16
        assert {each.code() for each in refused} == {Code.RESOURCE_EXHAUSTED}
        assert all("16 long questions of this principal already: wait for" in each.details() for each in refused)
        assert answered(honest, messages) and answered(hogs[0], messages)
        of_another = honest.stub(FIND).future(request, timeout=60 * library.SLOWNESS)
        assert answered(honest, messages) and not of_another.done()
        # Each that is cancelled makes room for one.
        cancelled = [each for each in asked if not each.done()][:1]
        cancelled[0].cancel()

        def goes_on():
            again = hogs[0].stub(FIND).future(request, timeout=60 * library.SLOWNESS)
            try:
                return again.exception(timeout=1).code() != Code.RESOURCE_EXHAUSTED
            except grpc.FutureTimeoutError:
                return True
        library.wait_until(goes_on, 5, "another may ask in its place")
        # However long a client would wait, the hub does not.
        began = time.monotonic()
        over = of_another.exception(timeout=60 * library.SLOWNESS)
        assert over.code() == Code.DEADLINE_EXCEEDED and "ask more narrowly" in over.details()
        assert time.monotonic() - began < 20 * library.SLOWNESS
        library.wait_until(lambda: all(each.done() for each in asked), 20 * library.SLOWNESS, "none is left")
    for each in hogs:
        each.close()
