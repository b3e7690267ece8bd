"""Households and vacancies as an agency would push them, and a hub with an agency registered."""
import time
import uuid

import hub as library

LEEDS = "agency leeds"
HOMES = "agency good-homes"
OPERATOR = "operator olive"
AUDITOR = "auditor ann"
TEAM = library.TEAM


_last_ms = 0


def now_ms():
    """The time, but never the same twice: two changes of one millisecond would be a conflict to the hub."""
    global _last_ms
    _last_ms = max(int(time.time() * 1000), _last_ms + 1)
    return _last_ms


def request_id(at_ms=None):
    """A UUIDv7, made now or then."""
    octets = bytearray(uuid.uuid4().bytes)
    octets[:6] = (at_ms or int(time.time() * 1000)).to_bytes(6, "big")
    octets[6] = 0x70 | octets[6] & 0x0F
    return str(uuid.UUID(bytes=bytes(octets)))


def carer(messages, reference, **changes):
    """A home in Leeds approved for up to three children of 5 to 15, one placed."""
    care, sex, band = messages.enum("CareType"), messages.enum("Sex"), messages.enum("AgeBand")
    fields = {
        "agency_reference": reference, "observed_at_ms": now_ms(), "approved_on": "2020-03-01", "places": 3,
        "bedrooms": 2, "home_postcode": "LS6 1AB",
        "terms": {"max_children": 3, "age_from_months": 60, "age_below_months": 192,
                  "care_types": [care["CARE_TYPE_SHORT_TERM"], care["CARE_TYPE_LONG_TERM"]]},
        "placed_children": [{"age_band": band["AGE_BAND_6_8"], "sex": sex["SEX_F"],
                             "responsible_authority": "E08000035"}],
        "languages": [{"tag": "pl", "level": 2}],
    }
    return messages.Carer(**{**fields, **changes})


def vacancy(messages, reference, **changes):
    fields = {"agency_reference": reference, "observed_at_ms": now_ms(), "beds": 2,
              "state": messages.enum("VacancyState")["VACANCY_STATE_VACANT"]}
    return messages.Vacancy(**{**fields, **changes})


def search(messages, **changes):
    """One girl of eight near the middle of Leeds."""
    fields = {"request_reference": "383-204417", "purpose": messages.enum("Purpose")["PURPOSE_PLACEMENT"],
              "near_postcode": "LS1 4AP", "children": [{"age_months": 96, "sex": messages.enum("Sex")["SEX_F"]}],
              "care_type": messages.enum("CareType")["CARE_TYPE_SHORT_TERM"]}
    return messages.FindVacanciesRequest(**{**fields, **changes})


def explain(messages, vacancy_id, **changes):
    """Why not this one, to the same question."""
    return messages.ExplainVacancyRequest(question=search(messages, **changes), vacancy_id=vacancy_id)


def register_agencies(running):
    """Leeds's own service and an independent agency."""
    with running.client(OPERATOR) as operator:
        kinds = operator.messages.enum("AgencyKind")
        operator.call("HubService/PutAgency", agency={
            "id": "leeds", "name": "Leeds City Council", "kind": kinds["AGENCY_KIND_LOCAL_AUTHORITY"],
            "authority": "E08000035", "phone": "0113 496 0000"})
        operator.call("HubService/PutAgency", agency={
            "id": "good-homes", "name": "Good Homes", "kind": kinds["AGENCY_KIND_INDEPENDENT"],
            "ofsted_urn": "SC012345"})


def submit_all(client, updates, timeout=60 * library.SLOWNESS):
    """Sends (kind, request fields) one after the other on one Submit; the responses, all OK."""
    requests = (client.request("AgencyService/Submit", tag=tag, **{kind: fields})
                for tag, (kind, fields) in enumerate(updates))
    responses = client.call("AgencyService/Submit", requests, timeout=timeout)
    assert [each.tag for each in responses] == list(range(len(responses)))
    bad = [each for each in responses if each.code]
    assert not bad, bad[0]
    return responses
