"""vacancy's commands about many hubs, against a gRPC server of Debian's grpcio that says what a real hub seldom says:
frozen regions, unequal digests, broken backups, losses in a restore. Issue 3, sections 1, 5, 7, 8."""
import hashlib
import json
import os
import pty
import stat
import subprocess
import types

import grpc
import pytest

import hub as library
import said_hub

pytestmark = pytest.mark.check

OPERATOR, LEEDS = "operator o", "agency leeds"
DIGEST = "ab" * 32
NOW_MS = 1_795_316_811_000
METHODS = ("HubService/ListRegions", "HubService/Verify", "HubService/Promote", "HubService/Backup",
           "AgencyService/EraseCarer", "AgencyService/EndCarer", "AgencyService/ConfirmVacancies",
           "AgencyService/WithdrawVacancy", "AgencyService/ListCarers", "AgencyService/Submit",
           "PlacementService/FindVacancies")


@pytest.fixture(scope="module")
def fake(federation):
    fake = said_hub.SaidHub(federation, METHODS)
    yield fake
    fake.stop()


@pytest.fixture
def vacancy(fake, tmp_path):
    fake.clear()
    return lambda who, *arguments, **options: fake.run(who, tmp_path, *arguments, **options)


def message(fake, name, **fields):
    return fake.known[f"vacancy.v1.{name}"](**fields)


# --- hub regions --------------------------------------------------------------------------------------------------
def regions(fake, *changed):
    """Two regions that are well, and what is to be shown besides."""
    well = [dict(region="E12000001", home=True, present=True, epoch=1, sequence=5_000, records=2_000,
                 state_digest=DIGEST, standing="STANDING_DECIDING"),
            dict(region="E12000002", present=True, epoch=2, sequence=12_345, records=7_000, state_digest="cd" * 32,
                 age_ms=3_400, **{"from": "E12000002"})]
    return message(fake, "ListRegionsResponse", regions=[message(fake, "Region", **each) for each in well + list(changed)],
                   roster_version=3, now_ms=NOW_MS)


def test_regions_line_up(fake, vacancy):
    fake.answers["HubService/ListRegions"] = regions(
        fake, dict(region="E12000003", present=True, epoch=1, sequence=7, records=3, state_digest="ef" * 32, stale=True,
                   age_ms=245_000, clock_differs_ms=3 * 3600_000, **{"from": "E12000002"}),
        dict(region="E12000004", fetching_snapshot=True))
    done = vacancy(OPERATOR, "hub", "regions")
    assert done.returncode == 0 and done.stdout == (
        "region     epoch  sequence  records  state           age  from       how\n"
        "E12000001      1     5,000    2,000  abababababab      -  -          own, decides\n"
        "E12000002      2    12,345    7,000  cdcdcdcdcdcd    3 s  E12000002  ok\n"
        "E12000003      1         7        3  efefefefefef  4 min  E12000002  stale, clock ahead by 3 h\n"
        "E12000004      -         -        -  -                 -  nobody     missing, snapshot arriving\n")
    assert f"  {'cd' * 32}  " in vacancy(OPERATOR, "hub", "regions", "--long", columns=80).stdout
    whole = json.loads(vacancy(OPERATOR, "hub", "regions", "--json").stdout)
    assert whole["regions"][1]["state_digest"] == "cd" * 32 and whole["regions"][0]["standing"] == "DECIDING"
    assert whole["regions"][2]["stale"] is True and whole["roster_version"] == 3


def test_a_frozen_region_is_said_and_exits_5(fake, vacancy):
    fake.answers["HubService/ListRegions"] = regions(
        fake, dict(region="E12000005", present=True, epoch=1, sequence=9, records=1, state_digest=DIGEST,
                   frozen="FROZEN_FORK", frozen_why="two entries at 10", age_ms=99_000))
    done = vacancy(OPERATOR, "hub", "regions")
    assert done.returncode == 5 and "  frozen: fork\n" in done.stdout
    assert "\nE12000005  is frozen at what was proven: two entries at 10. The roster must name" in done.stdout
    assert vacancy(OPERATOR, "hub", "regions", "--json").returncode == 5


@pytest.mark.parametrize("standing, words", [
    ("STANDING_ASKING", "`vacancy hub promote` lets it decide"), ("STANDING_RESTORING", "hub promote --accept-loss"),
    ("STANDING_SUPERSEDED", "decides no more"), ("STANDING_BEHIND", "find out which")])
def test_a_hub_that_does_not_decide_says_what_to_do(fake, vacancy, standing, words):
    answer = regions(fake)
    answer.regions[0].standing = answer.regions[0].DESCRIPTOR.fields_by_name["standing"].enum_type.values_by_name[
        standing].number
    fake.answers["HubService/ListRegions"] = answer
    assert words in vacancy(OPERATOR, "hub", "regions", columns=240).stdout


# --- hub verify ---------------------------------------------------------------------------------------------------
def test_verify_names_what_is_unequal_and_exits_5(fake, vacancy):
    good = message(fake, "VerifyResponse", region="E12000001", equal=True, sequence=5_000, records=2_000,
                   state_digest=DIGEST, signed_digest=DIGEST)
    bad = message(fake, "VerifyResponse", region="E12000002", sequence=7, records=3, state_digest="cd" * 32,
                  signed_digest=DIGEST, problem="record 2 of table offer does not pass its own check")
    fake.answers["HubService/Verify"] = [good]
    done = vacancy(OPERATOR, "hub", "verify", "--region", "E12000001")
    assert (done.returncode, done.stdout) == (0, "E12000001  equal: 2,000 records at 5,000, state abababababab\n")
    assert fake.heard[-1][1].region == "E12000001"
    fake.answers["HubService/Verify"] = [good, bad]
    done = vacancy(OPERATOR, "hub", "verify", columns=240)
    assert done.returncode == 5
    assert done.stdout.splitlines()[1] == ("E12000002  NOT EQUAL at 7: record 2 of table offer does not pass its own "
                                           "check (3 records, state cdcdcdcdcdcd; signed abababababab)")
    assert [each["equal"] for each in json.loads(vacancy(OPERATOR, "hub", "verify", "--json").stdout)] == [True, False]
    fake.answers["HubService/Verify"] = []
    assert vacancy(OPERATOR, "hub", "verify").returncode == 5


# --- hub promote, carer erase: who is asked -------------------------------------------------------------------------
def test_promote_needs_a_yes(fake, vacancy):
    fake.answers["HubService/Promote"] = message(fake, "PromoteResponse", epoch=3, epoch_id="0123456789abcdef" * 2,
                                                 sequence=4_711, not_asked=["E12000006", "E12000009"])
    refused = vacancy(OPERATOR, "hub", "promote", "--accept-loss")
    assert refused.returncode == 2 and "--yes" in refused.stderr and not fake.heard
    done = vacancy(OPERATOR, "hub", "promote", "--accept-loss", "--yes")
    assert done.returncode == 0 and "epoch 3, from entry 4,711 on" in done.stdout
    assert "0123456789abcdef0123456789abcdef\n" in done.stdout and "Not asked: E12000006 E12000009\n" in done.stdout
    assert fake.heard[0][1].accept_loss and not fake.heard[0][1].new_epoch


def answer_at_terminal(vacancy, text, *arguments):
    mine, theirs = pty.openpty()
    try:
        os.write(mine, text.encode())
        return vacancy(*arguments, stdin=theirs)
    finally:
        os.close(mine)
        os.close(theirs)


def test_erasing_asks_at_the_terminal(fake, vacancy):
    fake.answers["AgencyService/EraseCarer"] = message(fake, "EraseCarerResponse")
    done = answer_at_terminal(vacancy, "no\n", LEEDS, "carer", "erase", "L-1")
    assert done.returncode == 2 and "nothing was done" in done.stderr and not fake.heard
    done = answer_at_terminal(vacancy, "yes\n", LEEDS, "carer", "erase", "L-1")
    assert done.returncode == 0 and done.stdout.startswith("erased here") and "Nothing brings it back" in done.stderr
    assert fake.heard[0][1].agency_reference == "L-1" and len(fake.heard[0][1].request_id) == 36


# --- hub backup ---------------------------------------------------------------------------------------------------
def pieces(fake, octets, digest):
    cut = [octets[at:at + 60_000] for at in range(0, len(octets), 60_000)]
    return [message(fake, "BackupResponse", octets=each) for each in cut] + [message(fake, "BackupResponse", sha256=digest)]


def test_a_backup_is_proven_then_renamed(fake, vacancy, tmp_path):
    octets, path = os.urandom(500_000), tmp_path / "hub.tar"
    path.write_bytes(b"yesterday's")
    fake.answers["HubService/Backup"] = pieces(fake, octets, hashlib.sha256(octets).hexdigest())
    done = vacancy(OPERATOR, "hub", "backup", str(path))
    assert done.returncode == 0 and "500,000 bytes" in done.stdout and path.read_bytes() == octets
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and os.listdir(tmp_path) == ["hub.tar"]


@pytest.mark.parametrize("digest, code", [("00" * 32, 5), ("", 5)], ids=["other", "none"])
def test_a_broken_backup_replaces_nothing(fake, vacancy, tmp_path, digest, code):
    path = tmp_path / "hub.tar"
    path.write_bytes(b"yesterday's")
    fake.answers["HubService/Backup"] = pieces(fake, b"x" * 100_000, digest)
    done = vacancy(OPERATOR, "hub", "backup", str(path))
    assert done.returncode == code and "nothing was kept" in done.stderr
    assert path.read_bytes() == b"yesterday's" and os.listdir(tmp_path) == ["hub.tar"]
    fake.answers["HubService/Backup"] = lambda _: (_ for _ in ()).throw(RuntimeError)
    assert vacancy(OPERATOR, "hub", "backup", str(path)).returncode in (3, 4) and path.read_bytes() == b"yesterday's"
    assert vacancy(OPERATOR, "hub", "backup", str(tmp_path / "no" / "hub.tar")).returncode == 2


# --- receipts -----------------------------------------------------------------------------------------------------
def test_receipts_say_how_sure_and_what_was_lost(fake, vacancy):
    receipt = message(fake, "Receipt", durability="DURABILITY_REPLICATED", outcome="OUTCOME_ENDED")
    fake.answers["AgencyService/EndCarer"] = message(fake, "EndCarerResponse", receipt=receipt)
    end = ("end", "L-1", "--on", "2026-11-30", "--reason", "aw1")
    done = vacancy(LEEDS, *end, "--replicated")
    assert (done.returncode, done.stdout) == (0, "ended\non another hub's disk as well\n")
    asked = fake.heard[-1][1]
    assert asked.wait_for == 2 and asked.reason == "AW1"
    assert vacancy(LEEDS, *end).stdout == "ended\n" and fake.heard[-1][1].wait_for == 1
    receipt.durability, receipt.lost_in_restore = 1, 2
    fake.answers["AgencyService/EndCarer"] = message(fake, "EndCarerResponse", receipt=receipt)
    done = vacancy(LEEDS, *end, "--replicated")
    assert done.returncode == 1 and "1 of 1 change is on your hub's disk only" in done.stdout
    assert "2 carers of yours are known only in part after a restore of the hub: push them again" in done.stderr
    for method, name, arguments in (("ConfirmVacancies", "ConfirmVacanciesResponse", ("confirm", "--all")),
                                    ("WithdrawVacancy", "WithdrawVacancyResponse", ("withdraw", "L-1"))):
        more = {"confirmed": 3} if method == "ConfirmVacancies" else {}
        fake.answers[f"AgencyService/{method}"] = message(fake, name, receipt=receipt, **more)
        assert vacancy(LEEDS, *arguments).returncode == 0
        done = vacancy(LEEDS, *arguments, "--replicated")
        assert done.returncode == 1 and "push them again" in done.stderr and fake.heard[-1][1].wait_for == 2


def test_a_push_sums_its_receipts(fake, vacancy, tmp_path):
    def answer(requests):
        for each in requests:
            assert each.put_vacancy.wait_for == 2
            yield message(fake, "SubmitResponse", tag=each.tag, receipt=message(
                fake, "Receipt", durability=1 + each.tag % 2, outcome="OUTCOME_UPDATED", lost_in_restore=5 - each.tag))

    path = tmp_path / "offers.csv"
    path.write_text("agency_reference,vacancy,beds\nL-1,VACANT,1\nL-2,VACANT,1\nL-3,VACANT,2\nL-4,VACANT,1\n",
                    encoding="utf-8")
    fake.answers["AgencyService/Submit"] = answer
    done = vacancy(LEEDS, "push", "--replicated", "--json", str(path))
    found = json.loads(done.stdout)
    assert done.returncode == 1 and (found["local"], found["replicated"], found["lost_in_restore"]) == (2, 2, 2)
    done = vacancy(LEEDS, "push", "--replicated", str(path))
    assert "2 of 4 changes are on your hub's disk only: no other hub had them within a second" in done.stdout
    assert "2 carers of yours" in done.stderr


def test_lost_carers_are_marked(fake, vacancy):
    view = message(fake, "CarerView", national_reference="7KQ2-M9FW-3TXB", lost_in_restore=True, area="Leeds, LS6")
    fake.answers["AgencyService/ListCarers"] = [message(fake, "ListCarersResponse", carer=view)]
    done = vacancy(LEEDS, "list", "carers")
    assert "?          7KQ2-M9FW-3TXB  lost in restore                           Leeds, LS6" in done.stdout
    assert "1 known only in part after a restore of the hub: push it again" in done.stdout
    assert json.loads(vacancy(LEEDS, "list", "carers", "--json").stdout)[0]["lost_in_restore"] is True


# --- find ---------------------------------------------------------------------------------------------------------
def find(fake, vacancy, *positions, **options):
    answer = message(fake, "FindVacanciesResponse", as_of_ms=NOW_MS, policy="default",
                     positions=[message(fake, "RegionPosition", **each) for each in positions],
                     options=[message(fake, "Option", vacancy_id="7KQ2-M9FW-3TXB", area="Bristol, City of, BS3",
                                      home_authority_name="Bristol, City of", relation="AUTHORITY_RELATION_AT_A_DISTANCE",
                                      beds_free=1, confirmed_at_ms=NOW_MS - 7_200_000, care_types=[1, 2])])
    fake.answers["PlacementService/FindVacancies"] = answer
    arguments = ("find", "--near", "BS3", "--child", "8:F", "--ref", "383-204417")
    done = vacancy(library.TEAM, *arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_search_says_how_old_each_region_is(fake, vacancy):
    well = [dict(region="E12000003"), dict(region="E12000001", age_ms=2_100), dict(region="E12000002", age_ms=900)]
    assert find(fake, vacancy, *well).endswith("\n\nAs of 22 Nov 2026 03:06; all 3 regions are at most 3 s old.\n")
    text = find(fake, vacancy, *well, dict(region="E12000006", age_ms=250_000, stale=True),
                dict(region="E12000009", age_ms=10_800_000, stale=True), dict(region="E12000007", missing=True),
                dict(region="E12000008", age_ms=90_000, stale=True, frozen=True),
                dict(region="E12000005", age_ms=1_000, clock_differs_ms=10_800_000))
    assert text.endswith("\n\n"
                         "E12000006: 4 min old; telephone before relying on it\n"
                         "no news from E12000009 since 22 Nov 2026 00:06; telephone before relying on it\n"
                         "nothing of E12000007 is here yet; its vacancies were not looked at\n"
                         "E12000008 is frozen as it was proven 90 s ago; the hub's operator sees why\n"
                         "the clock of E12000005 is ahead by 3 h; what is here of it may be older than 1 s\n"
                         "As of 22 Nov 2026 03:06; the other 3 regions are at most 3 s old.\n")


def test_a_narrow_terminal_keeps_what_counts(fake, vacancy):
    """Whom to call is whole; when it was confirmed is then told with each option only, and who approves as well."""
    text = find(fake, vacancy, columns=60)
    lines = text.splitlines()
    assert lines[0].split() == ["miles", "area", "where", "beds", "call"]
    assert "confirmed 2 h ago" in " ".join(text.split()) and all(len(line) <= 60 and line == line.rstrip() for line in lines)
    assert all(len(line) <= 40 for line in find(fake, vacancy, columns=40).splitlines()[:2])
