"""vacancy sync: the file is the agency's whole truth. The difference, its limits, and that a break at any record leaves
nothing that the next run does not mend. Issue 5, item 4 and "Bad input"."""
import itertools
import json
import os
import pty
import re
import stat
import time

import grpc
import pytest

import homes
import hub as library
import said_hub

pytestmark = pytest.mark.check

LEEDS, KIRKLEES = "agency leeds", "agency good-homes"
HEADER = ("agency_reference,approved_on,max_children,age_from,age_to,care_types,places,bedrooms,postcode,"
          "languages,vacancy,beds\n")


def row(number, beds=1, vacancy="VACANT", postcode="LS6 1", languages="pl:FLUENT", places=3):
    return (f"L-{number},2020-05-04,3,0,17,SHORT_TERM;LONG_TERM,{places},3,{postcode},{languages},{vacancy},"
            f"{beds if vacancy == 'VACANT' else ''}\n")


class File:
    """A file with a time of its own: each write is a minute newer, beginning an hour ago."""

    def __init__(self, folder, name="carers.csv"):
        self.path, self.at = folder / name, int(time.time()) - 3600

    def write(self, *rows, header=HEADER, newer=True):
        self.path.write_text(header + "".join(rows), encoding="utf-8")
        self.at += 60 if newer else 0
        os.utime(self.path, (self.at, self.at))
        return str(self.path)


@pytest.fixture
def agencies(hub):
    homes.register_agencies(hub)
    return hub


@pytest.fixture
def file(tmp_path):
    return File(tmp_path)


def sync(hub, path, *arguments, code=0, who=LEEDS):
    done = hub.run_vacancy(who, "sync", path, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def state(hub, who=LEEDS):
    """All that the hub has, but for what is random."""
    def known(carer):
        vacancy = carer.get("vacancy")
        return (carer["carer"], carer["status"], vacancy and {**vacancy, "vacancy_id": ""})

    listed = json.loads(hub.run_vacancy(who, "list", "carers", "--ended", "--json").stdout)
    return [known(each) for each in listed]


def test_the_difference_is_shown_applied_once_and_then_nothing(agencies, file):
    first = sync(agencies, file.write(*(row(n) for n in range(20))))
    assert re.search(r"^20 added, 0 changed, 0 ended, 0 unchanged \(0 of them confirmed anew\), as of ", first.stdout, re.M)
    assert re.search(r"^added +L-0 +2  registered, vacancy offered$", first.stdout, re.M)
    assert re.search(r"^added +and 10 more$", first.stdout, re.M)
    assert re.search(r"^40 created, 0 updated, .*\n", first.stdout, re.M)
    assert re.search(r"^receipt: E12000003, epoch 1, sequence \d+$", first.stdout, re.M)
    before = state(agencies)
    for _ in range(2):
        again = sync(agencies, str(file.path))
        assert re.search(r"^0 added, 0 changed, 0 ended, 20 unchanged \(0 of them", again.stdout, re.M)
        assert again.stdout.endswith("\nnothing to do\n")
    assert state(agencies) == before
    # Written otherwise, the same: case, spaces, order of codes.
    same = row(0).replace("SHORT_TERM;LONG_TERM", "long-term;SHORT_TERM").replace("LS6 1", "ls61").replace("pl:", "PL:")
    path = file.write(same, row(1, beds=2), *(row(n) for n in range(2, 20)))
    changed = json.loads(sync(agencies, path, "--json").stdout)
    assert [(each["agency_reference"], each["line"], each["what"]) for each in changed["difference"]["changed"]] == \
        [("L-1", 3, "beds")]
    assert (changed["difference"]["unchanged"], changed["difference"]["confirmed"]) == (19, 19)
    assert (changed["updated"], changed["confirmed"], changed["created"], changed["rejected"]) == (1, 19, 0, [])
    assert changed["receipt"]["region"] == "E12000003"
    confirmed = {each[0]["agency_reference"]: each[2]["vacancy"]["observed_at_ms"] for each in state(agencies)}
    assert set(confirmed.values()) == {file.at * 1000}
    assert sync(agencies, path).stdout.endswith("nothing to do\n")


def test_what_is_not_in_the_file_is_withdrawn_and_its_carer_named(agencies, file):
    sync(agencies, file.write(*(row(n) for n in range(12))))
    done = sync(agencies, file.write(*(row(n) for n in range(11))))
    assert re.search(r"^ended +L-11 +vacancy withdrawn: not in the file$", done.stdout, re.M)
    assert "1 carer is not in the file and stays registered, without a vacancy: L-11; " in done.stdout
    assert "1 ended; 0 lines rejected" in done.stdout
    listed = json.loads(agencies.run_vacancy(LEEDS, "list", "vacancies", "--json").stdout)
    assert len(listed) == 11
    # NONE withdraws, too; an approval that ends, ends with the row.
    ended = file.write(row(0, vacancy="NONE").rstrip("\n") + ",,\n",
                       row(1).rstrip("\n") + ",2026-01-31,aw1\n", *(row(n).rstrip("\n") + ",,\n" for n in range(2, 11)),
                       header=HEADER.rstrip("\n") + ",ended_on,end_reason\n")
    assert "2 of 11 vacancies and 1 of 12 approvals, more than 10 %" in sync(agencies, ended, code=2).stderr
    done = sync(agencies, ended, "--end-at-most", "20%")
    assert re.search(r"^ended +L-0 +2  vacancy withdrawn$", done.stdout, re.M)
    assert re.search(r"^ended +L-1 +3  approval ends$", done.stdout, re.M)
    assert sync(agencies, ended).stdout.endswith("nothing to do\n")


def test_more_than_its_share_ends_only_when_told_to(agencies, file):
    sync(agencies, file.write(*(row(n) for n in range(10))))
    before = state(agencies)
    for text in ((row(0),), ()):
        path = file.write(*text)
        done = sync(agencies, path, code=2)
        assert "Nothing was done." in done.stderr and "--yes" in done.stderr, done.stderr
        assert state(agencies) == before
    assert "has no rows: that would end everything" in done.stderr
    assert sync(agencies, path, "--end-at-most", "100%", code=2) and state(agencies) == before
    assert sync(agencies, path, "--dry-run").stdout.count("withdrawn") == 10 and state(agencies) == before
    assert "10 ended" in sync(agencies, path, "--yes").stdout
    assert agencies.run_vacancy(LEEDS, "list", "vacancies", "--json").stdout == "[]\n"


@pytest.mark.parametrize("text, words", [
    ("", "the file is empty"), (HEADER.replace(",vacancy,beds", ""), "vacancy: the header lacks this column"),
    (HEADER + row(0) + "L-1,2020-05-04\n", ":3: 2 cells, but the header names 12; the file is not whole"),
    (HEADER + row(0) + 'L-1,"2020', "inside quotes"),
    (HEADER + row(0) + row(1).replace("L-1,", ","), ":3: no agency_reference"),
    (HEADER + row(0) + row(1).rstrip("\n"), "The last line of"),
    ("name,postcode\nSmith,LS6\n", "names no column"),
], ids=["empty", "no-vacancy", "short-row", "open-quote", "nobodys-row", "no-line-end", "header"])
def test_half_a_file_does_nothing(agencies, file, text, words):
    sync(agencies, file.write(row(0), row(1)))
    before = state(agencies)
    path = file.write()
    file.path.write_text(text, encoding="utf-8")
    done = sync(agencies, path, code=2)
    assert words in done.stderr, done.stderr
    assert state(agencies) == before


def test_another_agencys_file_needs_yes(agencies, file):
    sync(agencies, file.write(row(0, vacancy="NONE"), row(1, vacancy="NONE")))
    other = file.write(*(row(n).replace("L-", "K-") for n in range(3)))
    done = sync(agencies, other, code=2)
    assert "it may be another agency's" in done.stderr and len(state(agencies)) == 2
    sync(agencies, other, who=KIRKLEES)  # the agency whose it is
    assert len(state(agencies, KIRKLEES)) == 3


def test_a_rejected_line_leaves_its_household_alone_and_the_rest_goes_on(agencies, file):
    sync(agencies, file.write(*(row(n) for n in range(3))))
    bad = file.write(row(0, postcode="ZZ99 9"), row(1).replace("2020-05-04", "2020-02-30"), row(2, beds=2), row(2, beds=3))
    done = sync(agencies, bad, code=1)
    assert re.findall(r"^\S+:(\d+): (\w+): ", done.stderr, re.M) == [
        ("3", "approved_on"), ("5", "agency_reference"), ("2", "postcode")]
    assert [each[2]["vacancy"]["beds"] for each in state(agencies)] == [1, 1, 2]
    # Which lines, for the worklist: readable by nobody else, and nothing of what stood in them.
    kept = os.path.join(agencies.folder, ".local", "state", "vacancy", "rejected-leeds")
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600
    text = open(kept, encoding="utf-8").read()
    assert text.endswith("count 3\n3 approved_on\n5 agency_reference\n2 postcode\n") and "ZZ99" not in text
    # To look at what another file would do changes nothing of that.
    whole = file.write(*(row(n) for n in range(3)))
    assert "1 changed" in sync(agencies, whole, "--dry-run").stdout
    assert open(kept, encoding="utf-8").read() == text
    sync(agencies, whole)
    assert open(kept, encoding="utf-8").read().endswith("count 0\n")


@pytest.mark.parametrize("reference, words", [
    ("L-5 (Smith\u2013Jones)".encode(), "1 to 64 printable ASCII"), ("L-5\u00a0".encode(), "1 to 64 printable ASCII"),
    (b"L-5\xe9", "1 to 64 printable ASCII"), (b"L-" + b"5" * 63, "1 to 64 printable ASCII"), (b"L-6", "the household of line 7 again"),
], ids=["dash", "no-break-space", "latin-1", "long", "neighbour"])
def test_a_line_that_may_be_anybodys_ends_nothing_for_not_being_in_the_file(agencies, file, reference, words):
    """One cell of fifteen rows is mistyped: its household must not lose its vacancy as "not in the file"."""
    sync(agencies, file.write(*(row(n) for n in range(15))))
    last = [row(n, beds=2 if n == 3 else 1) for n in range(15) if n != 5] + ["@" + row(5)[3:]]
    path = file.write(*last)
    file.path.write_bytes(file.path.read_bytes().replace(b"@", reference))
    os.utime(path, (file.at, file.at))
    done = sync(agencies, path, code=1)
    assert re.search(rf"^\S+:16: agency_reference: {words}", done.stderr, re.M), done.stderr
    assert "0 added, 1 changed, 0 ended, 13 unchanged" in done.stdout
    assert "1 vacancy is not in the file and stays: L-5; of 1 rejected line" in done.stdout.replace("\n", " ")
    assert re.search(r"^changed +L-3 ", done.stdout, re.M) and "withdrawn: not in the file" not in done.stdout
    offered = {each[0]["agency_reference"]: each[2] for each in state(agencies)}
    assert len(offered) == 15 and all(offered.values()), offered
    shown = json.loads(sync(agencies, path, "--json", code=1).stdout)["difference"]
    assert (shown["not_in_file_but_kept"], shown["ended"]) == (["L-5"], [])
    told = sync(agencies, path, "--yes", code=1)
    assert re.search(r"^ended +L-5 +vacancy withdrawn: not in the file$", told.stdout, re.M)
    assert not {each[0]["agency_reference"]: each[2] for each in state(agencies)}["L-5"]


def test_an_older_file_takes_nothing_back(agencies, file):
    path = file.write(row(0), row(1))
    sync(agencies, path)
    sync(agencies, file.write(row(0, beds=2), row(1)))
    before = state(agencies)
    old = file.write(row(0), newer=False)
    os.utime(old, (file.at - 60, file.at - 60))
    for arguments in (("--yes",), ("--dry-run",)):  # what it shows is what it does
        done = sync(agencies, old, *arguments, code=1)
        assert re.search(r"^not used +L-0 +2  older than the hub: not used$", done.stdout, re.M), done.stdout
        assert re.search(r"^not used +L-1 +not in the file, which is older than the hub$", done.stdout, re.M), done.stdout
        assert "0 added, 0 changed, 0 ended, 0 unchanged" in done.stdout and "nothing to do" not in done.stdout
        assert re.search(r"carers\.csv are older than what the hub has; the file is from \d+ \w+ ", done.stdout.replace("\n", " "))
        assert done.stderr == "" and done.stdout.count("export it again") == 1
        assert state(agencies) == before
    told = json.loads(sync(agencies, old, "--json", code=1).stdout)["difference"]
    assert [each["agency_reference"] for each in told["not_used"]] == ["L-0", "L-1"]


def test_a_carer_that_has_moved_away_is_to_be_taken_out_of_the_file(federation, tmp_path, file):
    fake = said_hub.SaidHub(federation, ("AgencyService/ListCarers", "AgencyService/Submit"))
    fake.answers["AgencyService/ListCarers"] = [fake.known.ListCarersResponse(carer={
        "status": fake.known.enum("CarerStatus")["CARER_STATUS_MOVED"], "carer": {"agency_reference": "L-0"},
        "moved_to_agency": "newcastle", "moved_to_region": "E12000001"})]
    sent = []

    def submit(requests):
        for each in requests:
            sent.append(each.put_carer.carer.agency_reference or each.put_vacancy.vacancy.agency_reference)
            yield fake.known.SubmitResponse(tag=each.tag, receipt={"outcome": 1, "epoch": 1, "sequence": 5})

    fake.answers["AgencyService/Submit"] = submit
    done = fake.run(LEEDS, tmp_path, "sync", file.write(row(0), row(1)), "--yes")
    assert re.search(r"^not used +L-0 +2  moved to newcastle of E12000001: take the row out$", done.stdout, re.M), done.stdout
    assert "older than" not in done.stdout
    assert (done.returncode, sent) == (1, ["L-1", "L-1"])
    ended = file.write(row(0).rstrip("\n") + ",2026-01-31,AW1\n", header=HEADER.rstrip("\n") + ",ended_on,end_reason\n")
    done = fake.run(LEEDS, tmp_path, "sync", ended, "--yes")
    assert "moved to newcastle" in done.stdout and sent == ["L-1", "L-1"], done.stdout
    fake.stop()


def test_rows_with_their_own_time_are_as_old_as_that(agencies, file):
    header = "observed_at," + HEADER
    early, late = "2026-01-05T09:00:00Z,", "2026-02-05T09:00:00Z,"
    sync(agencies, file.write(early + row(0), early + row(1), header=header))
    done = sync(agencies, file.write(early + row(0), late + row(1), header=header))
    assert "2 unchanged (1 of them confirmed anew)" in done.stdout
    assert sync(agencies, str(file.path)).stdout.endswith("nothing to do\n")


@pytest.mark.parametrize("word, code", [("no", 2), ("yes", 0)])
def test_at_a_terminal_it_asks(federation, tmp_path, file, word, code):
    fake = said_hub.SaidHub(federation, ("AgencyService/ListCarers", "AgencyService/Submit"))
    fake.answers["AgencyService/ListCarers"] = []
    sent = []

    def submit(requests):
        for each in requests:
            sent.append(each.WhichOneof("update"))
            yield fake.known.SubmitResponse(tag=each.tag, receipt={"outcome": 1, "epoch": 1, "sequence": 5})

    fake.answers["AgencyService/Submit"] = submit
    mine, theirs = pty.openpty()
    os.write(mine, word.encode() + b"\n")
    done = fake.run(LEEDS, tmp_path, "sync", file.write(row(0)), stdin=theirs)
    os.close(mine)
    os.close(theirs)
    fake.stop()
    assert done.returncode == code and "1 added, 0 changed, 0 ended, 0 unchanged" in done.stderr, done.stderr
    assert "Go on? (yes or no)" in done.stderr and sent == (["put_carer", "put_vacancy"] if word == "yes" else [])
    assert done.stdout.endswith("receipt: E12000003, epoch 1, sequence 5\n") == (word == "yes")


def test_a_vacancy_with_a_live_hold_is_not_withdrawn_and_the_rest_goes_on(federation, tmp_path, file):
    fake = said_hub.SaidHub(federation, ("AgencyService/ListCarers", "AgencyService/Submit"))
    fake.answers["AgencyService/ListCarers"] = [
        fake.known.ListCarersResponse(carer={"status": 1, "carer": {"agency_reference": each}, "vacancy": {
            "vacancy": {"agency_reference": each, "beds": 1}}}) for each in ("L-1", "L-2", "L-3")]
    fake.answers["AgencyService/Submit"] = lambda requests: (fake.known.SubmitResponse(
        tag=each.tag, **({"code": 9, "message": "a team holds 1 bed; decline the hold first", "field": "withdraw_vacancy.agency_reference"}
                         if each.withdraw_vacancy.agency_reference == "L-2" else {"receipt": {"outcome": 4}}))
        for each in requests)
    path = file.write("L-1,NONE\n", header="agency_reference,vacancy\n")
    done = fake.run(LEEDS, tmp_path, "sync", path, "--yes")
    assert done.returncode == 1
    assert done.stderr == f"{path}: L-2: a team holds 1 bed; decline the hold first\n"
    assert "0 confirmed unchanged, 2 ended; 1 line rejected" in done.stdout
    # The same where the row says NONE.
    path = file.write("L-2,NONE\n", header="agency_reference,vacancy\n")
    assert f"{path}:2: agency_reference: a team holds" in fake.run(LEEDS, tmp_path, "sync", path, "--yes").stderr
    fake.stop()


UPDATES = 10  # L-1, L-2 withdrawn, L-3, L-5 and L-6 with their vacancies, L-0 and L-3 confirmed, L-4 withdrawn


def cut_sync(hub, path, folder, done, heard):
    """A sync whose link breaks when the hub has done so many updates and the client has heard of so many."""
    between = said_hub.SaidHub(hub.federation, ("AgencyService/ListCarers", "AgencyService/Submit"))
    with hub.client(LEEDS) as client:
        def submit(requests):
            yield from client.call("AgencyService/Submit", iter(list(itertools.islice(requests, done))))[:heard]
            raise Exception(grpc.StatusCode.UNAVAILABLE, "the link broke")

        between.answers["AgencyService/ListCarers"] = lambda asked: client.call("AgencyService/ListCarers", asked)
        between.answers["AgencyService/Submit"] = submit
        broken = between.run(LEEDS, folder, "sync", path, "--yes")
        between.stop()
    assert broken.returncode == 4, broken.stdout + broken.stderr
    assert f"{heard} of {UPDATES} updates were answered; run it again, that does the rest" in broken.stderr, broken.stderr


def test_a_break_at_any_record_leaves_nothing_that_the_next_run_does_not_mend(federation, tmp_path, request):
    """The link breaks when the hub has done k updates and the client has heard of k, or of one less, for every k: the
    next run makes the state that a run without a break makes."""
    start = File(tmp_path).write(*(row(n) for n in range(5)))
    change = File(tmp_path, "change.csv")
    change.at += 60
    path = change.write(row(0), row(1, beds=2), row(2, vacancy="NONE"), row(3, languages=""), row(5), row(6, places=2))
    states = []
    cuts = [None] + [(done, heard) for done in range(UPDATES + 1) for heard in {done, max(done - 1, 0)}]
    for number, cut in enumerate(cuts):
        hub = library.Hub(federation, tmp_path / f"hub-{number}")
        request.node.hubs = [hub]
        hub.start()
        homes.register_agencies(hub)
        sync(hub, start)
        if cut is not None:
            cut_sync(hub, path, tmp_path, *cut)
        sync(hub, path, "--yes")
        assert sync(hub, path).stdout.endswith("nothing to do\n")
        states.append(state(hub))
        hub.stop()
        assert states[-1] == states[0], f"cut after {cut}"
    assert len(states) == 2 * UPDATES + 2 and len(states[0]) == 7
