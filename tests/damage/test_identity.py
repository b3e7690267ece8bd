"""Rows A of faults.md: certificates that pass the handshake and say nothing acceptable (16), and principals who ask for
what isn't theirs (7)."""
import grpc
import pytest

import ground as grounds
import homes
import hub as library
import mint

pytestmark = pytest.mark.check

Code = grpc.StatusCode
OTHER = "E12000009"
BASE = "spiffe://fostering.example/region/E12000003"
LEEDS = BASE + "/agency/leeds"

ground = grounds.ground_fixture(regions=[OTHER])

ROWS = {
    "A1 no names": [],
    "A1 no URI": None,
    "A2 two URIs": [LEEDS, BASE + "/agency/good-homes"],
    "A2 the same twice": [LEEDS, LEEDS],
    "A2 a web address too": [LEEDS, "https://example.org/"],
    "A3 other trust domain": ["spiffe://other.example/region/E12000003/agency/leeds"],
    "A3 longer trust domain": ["spiffe://fostering.example.org/region/E12000003/agency/leeds"],
    "A3 shorter trust domain": ["spiffe://fostering/region/E12000003/agency/leeds"],
    "A4 upper case domain": ["spiffe://Fostering.example/region/E12000003/agency/leeds"],
    "A4 upper case scheme": ["SPIFFE://fostering.example/region/E12000003/agency/leeds"],
    "A4 upper case id": [BASE + "/agency/Leeds"],
    "A4 percent": [BASE + "/agency/%6ceeds"],
    "A4 NUL": [BASE + "/agency/leeds\0x"],
    "A4 percent NUL": [BASE + "/agency/leeds%00"],
    "A4 dots": [BASE + "/agency/x/../leeds"],
    "A4 dot": [BASE + "/agency/./leeds"],
    "A4 trailing slash": [LEEDS + "/"],
    "A4 double slash": [BASE + "//agency/leeds"],
    "A4 query": [LEEDS + "?x"],
    "A4 fragment": [LEEDS + "#x"],
    "A4 port": ["spiffe://fostering.example:443/region/E12000003/agency/leeds"],
    "A4 user": ["spiffe://a@fostering.example/region/E12000003/agency/leeds"],
    "A4 4,000 octets": [BASE + "/agency/" + "l" * (4000 - len(BASE) - 8)],
    "A4 2,048 octets": [BASE + "/agency/" + "l" * (2048 - len(BASE) - 8)],
    "A4 id of 41": [BASE + "/agency/" + "l" * 41],
    "A4 no region": ["spiffe://fostering.example/agency/leeds"],
    "A4 unknown region": ["spiffe://fostering.example/region/E12000099/agency/leeds"],
    "A4 unknown role": [BASE + "/warden/leeds"],
    "A4 no id": [BASE + "/agency"],
    "A4 too much": [LEEDS + "/x"],
    "A4 empty": [""],
}

# One method of each service, with a request that would be answered.
METHODS = {
    "AgencyService/ListCarers": {},
    "AgencyService/GetCarer": {"agency_reference": grounds.MARK},
    "AgencyService/ConfirmVacancies": {"observed_at_ms": 1_800_000_000_000, "all": True},
    "HubService/GetStatus": {},
    "HubService/ReadAudit": {},
    "PlacementService/FindVacancies": homes.search,
    "PlacementService/ExplainVacancy": lambda messages: homes.explain(messages, "7KQ2-M9FW-3TXB"),
}


def outcomes(client, messages):
    return {method: client.outcome(method, fields(messages)) if callable(fields)
            else client.outcome(method, **fields) for method, fields in METHODS.items()}


@pytest.mark.parametrize("row", ROWS)
def test_a_name_that_is_not_acceptable(ground, messages, tmp_path, row):
    uris = ROWS[row]
    who = mint.leaf(tmp_path / "who", mint.issuer(ground.hub.federation), uris=uris or [],
                    dns=["localhost"] if uris is None else [])
    with ground.row(r"code=UNAUTHENTICATED", times=None), ground.hub.client(who) as client:
        for method, got in outcomes(client, messages).items():
            assert got.code == Code.UNAUTHENTICATED, (method, got)
            assert "certificate" in got.message
            assert not got.response
        text = got.message
        assert "leeds" not in text.lower() and len(text) < 300
        stream = client.outcome("AgencyService/Submit", [client.request("AgencyService/Submit", tag=1)])
        assert stream.code == Code.UNAUTHENTICATED


def test_a_leaf_of_one_region_by_the_issuer_of_another(ground, messages, tmp_path):
    """A11"""
    who = mint.leaf(tmp_path / "who", mint.issuer(ground.hub.federation, OTHER), uris=[LEEDS])
    with ground.row(r"code=UNAUTHENTICATED", times=None), ground.hub.client(who) as client:
        assert {got.code for got in outcomes(client, messages).values()} == {Code.UNAUTHENTICATED}


def test_an_issuer_as_a_client(ground, messages, tmp_path):
    """A certificate that may sign is nobody's."""
    who = mint.leaf(tmp_path / "who", mint.issuer(ground.hub.federation), uris=[LEEDS], ca=True)
    with ground.row(), ground.hub.client(who) as client:
        assert {got.code for got in outcomes(client, messages).values()} <= {Code.UNAUTHENTICATED, Code.UNAVAILABLE}


ROLES = {
    # what the row's principal may call; all else is 7
    "A5 team": (homes.TEAM, {"PlacementService/FindVacancies", "PlacementService/ExplainVacancy"}),
    "A5 agency": (homes.LEEDS, {"AgencyService/ListCarers", "AgencyService/GetCarer", "AgencyService/ConfirmVacancies"}),
    "A5 auditor": (homes.AUDITOR, {"HubService/GetStatus", "HubService/ReadAudit"}),
    "A5 operator": (homes.OPERATOR, {"HubService/GetStatus", "HubService/ReadAudit"}),
    "A9 hub": ("hub", set()),
}


@pytest.mark.parametrize("row", ROLES)
def test_a_role_has_only_its_methods(ground, messages, row):
    spec, allowed = ROLES[row]
    with ground.row(changes=True), ground.hub.client(spec) as client:
        for method, got in outcomes(client, messages).items():
            if method in allowed:
                assert got.code != Code.PERMISSION_DENIED, (method, got)
            else:
                assert got.code == Code.PERMISSION_DENIED and not got.response, (method, got)


def test_another_regions_agency(ground, messages):
    """A7 between regions: sent to its own hub, and nothing is shown."""
    with ground.row(r"code=PERMISSION_DENIED", times=None), ground.hub.client("agency leeds", region=OTHER) as client:
        for method, got in outcomes(client, messages).items():
            assert got.code == Code.PERMISSION_DENIED, (method, got)
        assert OTHER in client.outcome("AgencyService/ListCarers").message


def test_an_agency_is_told_the_same_of_unknown_and_foreign(ground, messages):
    """A7: code, text and field alike, through Submit too."""
    with ground.row():
        for kind, fields in (("end_carer", {"observed_at_ms": homes.now_ms(), "ends_on": "2026-06-01", "reason": "AW0"}),
                             ("withdraw_vacancy", {"observed_at_ms": homes.now_ms()}),
                             ("put_vacancy", None)):
            said = []
            for reference in grounds.MARK, "H-nobody":
                update = ({"vacancy": homes.vacancy(messages, reference)} if fields is None
                          else {"agency_reference": reference, **fields})
                got = ground.others.call("AgencyService/Submit", [
                    ground.others.request("AgencyService/Submit", tag=1, **{kind: update})])
                said.append((got[0].code, got[0].message, got[0].field))
            assert said[0] == said[1] and said[0][0] == 7, (kind, said)
        got = ground.others.call("AgencyService/ConfirmVacancies", observed_at_ms=homes.now_ms(),
                                 agency_references=[grounds.MARK, "H-nobody"])
        assert got.confirmed == 0 and list(got.not_found) == [grounds.MARK, "H-nobody"]


METADATA = {
    "A8 x-forwarded-client-cert": [("x-forwarded-client-cert", f"URI={LEEDS}")],
    "A8 authorization": [("authorization", "Bearer root")],
    "A8 x-spiffe-id": [("x-spiffe-id", LEEDS), ("x-principal-bin", b"\0\1")],
}


@pytest.mark.parametrize("row", METADATA)
def test_identity_in_metadata_is_ignored(ground, messages, row):
    with ground.row():
        for client, allowed in ((ground.others, True), (ground.team, False)):
            got = client.outcome("AgencyService/GetCarer", agency_reference=grounds.MARK, metadata=METADATA[row])
            assert got.code == Code.PERMISSION_DENIED
        assert ground.leeds.outcome("AgencyService/GetCarer", agency_reference=grounds.MARK,
                                    metadata=METADATA[row]).code == Code.OK


def test_suspended_in_mid_stream(ground, messages):
    """Whoever is shut out while a Submit is open writes nothing more through it."""
    name = ground.principal(homes.HOMES).name
    with ground.row(changes=True):
        import queue
        updates = queue.Queue()
        put = lambda n: updates.put(ground.others.request("AgencyService/Submit", tag=n, put_carer={
            "carer": homes.carer(messages, f"S-{n}")}))
        call = ground.others.stream("AgencyService/Submit", iter(updates.get, None))
        put(1)
        assert next(call).code == 0
        ground.operator.call("HubService/SuspendPrincipal", principal=name, suspended=True)
        put(2)
        with pytest.raises(grpc.RpcError) as ended:
            next(call)
        assert ended.value.code() == Code.PERMISSION_DENIED
        updates.put(None)
        ground.operator.call("HubService/SuspendPrincipal", principal=name, suspended=False)
        assert [each.carer.carer.agency_reference for each in ground.others.call("AgencyService/ListCarers")] == ["S-1"]
