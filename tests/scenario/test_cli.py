"""vacancy, the client, as people run it: a whole hub, mutual TLS, files, exit codes. Issue 2 item 10 and "Bad input"."""
import json
import os
import re
import socket
import subprocess
import tarfile

import pytest

import hub as library

pytestmark = pytest.mark.check

ROOT = library.ROOT
LEEDS, KIRKLEES, OPERATOR, AUDITOR = "agency leeds", "agency kirklees", "operator o", "auditor a"
SEARCH = ("find", "--near", "LS6", "--child", "8:F", "--ref", "383-204417")
AGENCIES = """id,name,kind,ofsted_urn,ofsted_rating,phone,email,out_of_hours_phone,authority
leeds,Leeds fostering service,LOCAL_AUTHORITY,,,0113 496 0000,placements@leeds.example,0113 496 0001,E08000035
kirklees,Kirklees fostering service,LOCAL_AUTHORITY,,,01484 960000,placements@kirklees.example,,E08000034
"""
HEADER = ("agency_reference,approved_on,max_children,age_from,age_to,care_types,places,bedrooms,postcode,"
          "languages,vacancy,beds\n")
GOOD = 'L-1,2020-05-04,2,0,17,SHORT_TERM;LONG_TERM,2,2,LS6 1,pl:FLUENT,VACANT,1\n'


@pytest.fixture
def agencies(hub, tmp_path):
    path = tmp_path / "agencies.csv"
    path.write_text(AGENCIES, encoding="utf-8")
    done = hub.run_vacancy(OPERATOR, "hub", "agencies", "--put", str(path))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("2 registered; 0 lines rejected")
    return hub


def push(hub, text, who=LEEDS, code=0, arguments=()):
    done = hub.run_vacancy(who, "push", *arguments, "-", stdin=text)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def summary(hub, text, code=0):
    return json.loads(push(hub, text, code=code, arguments=["--json"]).stdout)


def test_a_vacancy_from_file_to_search_and_away(agencies):
    hub = agencies
    assert push(hub, HEADER + GOOD).stdout.startswith("2 created, 0 updated, 0 confirmed unchanged, 0 ended; 0 lines")
    found = hub.run_vacancy(library.TEAM, *SEARCH)
    assert found.returncode == 0
    assert re.search(r"^1 +\d+\.\d  Leeds, LS6 +just now +in area +1  0113 496 0000$", found.stdout, re.M)
    assert "offers      short term, long term; confirmed just now\n" in found.stdout
    assert "call        Leeds fostering service, 0113 496 0000, out of hours 0113 496 0001" in found.stdout
    assert "L-1" not in found.stdout and "LS6 1" not in found.stdout.replace(" LS6 ", "")
    as_json = json.loads(hub.run_vacancy(library.TEAM, *SEARCH, "--json").stdout)
    assert as_json["options"][0]["relation"] == "IN_AREA" and as_json["policy"] == "default"
    listed = json.loads(hub.run_vacancy(LEEDS, "list", "vacancies", "--json").stdout)
    assert [(each["vacancy"]["agency_reference"], each["state"]) for each in listed] == [("L-1", "VACANT")]
    assert "L-1" in hub.run_vacancy(LEEDS, "list", "carers").stdout
    assert re.search(r"home postcode +LS6 1\n", hub.run_vacancy(LEEDS, "show", "L-1").stdout)
    assert hub.run_vacancy(LEEDS, "confirm", "--all").stdout == "1 vacancy confirmed\n"
    assert hub.run_vacancy(LEEDS, "confirm", "L-1", "L-9").returncode == 1
    assert hub.run_vacancy(LEEDS, "withdraw", "L-1").stdout == "1 of 1 withdrawn\n"
    gone = hub.run_vacancy(library.TEAM, *SEARCH)
    assert gone.returncode == 1 and gone.stdout.startswith("Nothing suits.\n\nThere are no vacancies")
    assert hub.run_vacancy(LEEDS, "end", "L-1", "--on", "2026-01-31", "--reason", "aw1").stdout == "ended\n"


def test_pushed_again_it_is_confirmed_and_none_withdraws(agencies):
    hub = agencies
    text = HEADER + GOOD
    observed = text.replace("agency_reference,", "observed_at,agency_reference,").replace(
        "L-1,", "2026-01-05T09:00:00Z,L-1,")
    assert summary(hub, observed)["created"] == 2
    again = summary(hub, observed)
    assert (again["created"], again["confirmed"], again["rejected"]) == (0, 2, [])
    assert summary(hub, text.replace("0,17", "5,17"))["updated"] >= 1
    none = text.replace("VACANT,1", "NONE,")
    assert summary(hub, none)["ended"] == 1
    again = summary(hub, none)
    assert (again["ended"], again["rejected"]) == (0, [])
    assert hub.run_vacancy(LEEDS, "list").stdout == "no vacancies; `vacancy push` sends them\n"


def test_every_rejected_line_is_named_in_order_and_the_others_are_taken(agencies):
    hub = agencies
    lines = [GOOD,
             GOOD.replace("L-1", "L-2").replace("VACANT,1", "VACANT,99"),        # the hub's word
             GOOD.replace("L-1", "L-3").replace("2020-05-04", "2020-02-30"),     # the client's
             GOOD.replace("L-1", "L-4").replace("LS6 1", "ZZ99 9"),
             '"L-5",2020-05-04,2,0,17,"SHORT_TERM",2,2,"LS6 1",,"VACANT\n",1\n',  # two lines of the file
             GOOD.replace("L-1", "L-6").replace("SHORT_TERM;", "SHORT_TERM;CUDDLES;"),
             GOOD.replace("L-1", "L-7").replace("0,17", "0,19"),
             GOOD.replace("L-1", "L-8")]
    done = push(hub, HEADER + "".join(lines), code=1)
    found = re.findall(r"^standard input:(\d+): (\w+): (.*)$", done.stderr, re.M)
    assert [(line, column) for line, column, _ in found] == [
        ("3", "beds"), ("4", "approved_on"), ("5", "postcode"), ("6", "vacancy"), ("8", "care_types"), ("9", "age_to")]
    assert "SHORT_TERM, LONG_TERM" in found[4][2] and "1 to 12" in found[0][2]
    assert "6 lines rejected" in done.stdout
    carers = json.loads(hub.run_vacancy(LEEDS, "list", "carers", "--json").stdout)
    assert [each["carer"]["agency_reference"] for each in carers] == ["L-1", "L-2", "L-8"]
    rejected = summary(hub, HEADER + "".join(lines), code=1)["rejected"]
    assert [(each["line"], each["column"]) for each in rejected] == [(int(line), column) for line, column, _ in found]


def test_a_household_twice_in_a_file_is_said_with_both_lines(agencies):
    """Nobody could say which of two rows is true; before, the second silently replaced the first."""
    done = push(agencies, HEADER + GOOD + GOOD.replace("L-1", "L-2") + GOOD.replace("0,17", "5,17"), code=1)
    assert done.stderr == ("standard input:4: agency_reference: the household of line 2 again; a file has one row for "
                           "each, so this one was not sent\n")
    assert '"age_from_months": 0' in agencies.run_vacancy(LEEDS, "show", "L-1", "--json").stdout
    # A row that was rejected here is no row: its correction may come later in the same file.
    push(agencies, HEADER + GOOD.replace("L-1", "L-3").replace("2020-05-04", "2020-02-30") + GOOD.replace("L-1", "L-3"),
         code=1)
    assert agencies.run_vacancy(LEEDS, "show", "L-3").returncode == 0


def test_a_reader_that_goes_away_is_no_error(agencies, tmp_path):
    """`vacancy find ... | head -1` ended with 2 and a complaint; a full disk is one."""
    push(agencies, HEADER + "".join(GOOD.replace("L-1", f"L-{n}") for n in range(400)))
    who = agencies.federation.principal(LEEDS, agencies.region)
    environment = {**os.environ, "VACANCY_HUB": f"localhost:{agencies.port}", "VACANCY_CERT": who.cert,
                   "VACANCY_KEY": who.key, "VACANCY_CA": agencies.federation.root, "HOME": str(tmp_path)}
    for more in ("", "--json"):
        done = subprocess.run(["bash", "-o", "pipefail", "-c", f"{library.VACANCY} list carers {more} | head -1"],
                              env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    done = subprocess.run(["bash", "-c", f"{library.VACANCY} list carers >/dev/full"], env=environment,
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and "can't be written" in done.stderr


def test_the_hubs_words_fit_the_columns(agencies):
    """An oldest age is inclusive in a file and exclusive in the contract; a code list's name says nothing to people."""
    header = HEADER.replace("\n", ",reason\n")
    done = push(agencies, header + GOOD.replace("0,17", "9,5").replace("\n", ",\n") +
                GOOD.replace("L-1", "L-2").replace("VACANT", "NOT_AVAILABLE").replace("\n", ",\n"), code=1)
    assert "age_to: no age is left: the oldest lies below the youngest" in done.stderr
    assert "reason: required when NOT_AVAILABLE: why, such as CARER_BREAK" in done.stderr


@pytest.mark.parametrize("octets, code, words", [
    (b"\xef\xbb\xbf" + (HEADER + GOOD).replace("\n", "\r\n").encode(), 0, ""),
    (b"name,postcode\nSmith,LS6 1AB\n", 2, '"name", names no column'),
    (b"", 2, "the file is empty"),
    ((HEADER + GOOD).encode("utf-16"), 2, "UTF-16"),
    ((HEADER + 'L-1,"' + "x" * (1 << 20) + "\n").encode(), 2, "line 2, column 2: the cell is over 64 KiB"),
    ((HEADER + GOOD + 'L-2,"open\n').encode(), 2, "inside quotes"),
    ((HEADER + GOOD.replace("LS6 1", "LS6\0 1")).encode(), 1, "postcode: holds a NUL byte"),
    ((HEADER + GOOD.replace("L-1", "Caf\xe9")).encode("latin-1"), 1, "agency_reference: not UTF-8"),
    ((HEADER + "L-1,2020-05-04\n").encode(), 1, "2 cells, but the header names 12"),
], ids=["bom-crlf", "header", "empty", "utf-16", "long-cell", "open-quote", "nul", "latin-1", "short-row"])
def test_files_as_they_come(agencies, tmp_path, octets, code, words):
    path = tmp_path / "file.csv"
    path.write_bytes(octets)
    done = agencies.run_vacancy(LEEDS, "push", str(path))
    assert done.returncode == code and words in done.stderr, done.stderr
    assert agencies.run_vacancy(OPERATOR, "hub", "status").returncode == 0


def test_what_the_hub_refuses_is_said_in_flags(agencies):
    for arguments, code, words in [
            (("--ref", "Smith-1"), 3, "--ref: "), (("--ref", "383-204417", "--starts", "2020-01-01"), 3, "--starts: "),
            (("--ref", "383-204417", "--child", "19:M"), 3, "--child 2: "),
            (("--ref", "383-204417", "--avoid", "QQ1"), 3, "--avoid 1: "),
            (("--ref", "383-204417", "--language", "klingon"), 3, "--language 1: "), ((), 2, "--ref: is needed")]:
        done = agencies.run_vacancy(library.TEAM, "find", "--near", "LS6", "--child", "8:F", *arguments)
        assert done.returncode == code and words in done.stderr and done.stdout == "", (arguments, done.stderr)


def test_others_are_refused(agencies):
    push(agencies, HEADER + GOOD)
    assert agencies.run_vacancy(KIRKLEES, "show", "L-1").returncode == 3
    assert agencies.run_vacancy(LEEDS, *SEARCH).returncode == 3
    assert agencies.run_vacancy(library.TEAM, "audit", "verify").returncode == 3
    assert agencies.run_vacancy("agency unknown", "list").returncode == 3
    assert agencies.run_vacancy(OPERATOR, "hub", "suspend", library.TRUST_DOMAIN).returncode == 3
    name = agencies.federation.principal(KIRKLEES, agencies.region).name
    assert agencies.run_vacancy(OPERATOR, "hub", "suspend", name).returncode == 0
    assert agencies.run_vacancy(KIRKLEES, "list").returncode == 3
    assert agencies.run_vacancy(OPERATOR, "hub", "suspend", "--resume", name).returncode == 0
    assert agencies.run_vacancy(KIRKLEES, "list").returncode == 0


def test_the_auditor_remembers(agencies, tmp_path):
    hub, state = agencies, str(tmp_path / "state")
    push(hub, HEADER + GOOD)
    first = hub.run_vacancy(AUDITOR, "audit", "verify", "--state", state)
    assert first.returncode == 0 and "First look" in first.stdout
    again = hub.run_vacancy(AUDITOR, "audit", "verify", "--state", state)
    assert again.returncode == 0 and "continues what was seen before" in again.stdout
    seen = open(state, encoding="ascii").read()
    # A hub whose trail is shorter than what was seen, or another one, is refused.
    for changed in (re.sub(r"writes (\d+)", lambda m: f"writes {int(m[1]) + 5}", seen),
                    re.sub(r"(disclosures \d+ )[0-9a-f]", lambda m: m[1] + ("0" if m[0][-1] != "0" else "1"), seen),
                    re.sub(r"key [0-9a-f]{4}", "key 0000", seen), "", seen[:100]):
        with open(state, "w", encoding="ascii") as handle:
            handle.write(changed)
        done = hub.run_vacancy(AUDITOR, "audit", "verify", "--state", state)
        assert done.returncode == 5 and "NOT VERIFIED" in done.stderr, done.stdout
        assert open(state, encoding="ascii").read() == changed
    other = hub.run_vacancy(AUDITOR, "audit", "verify", "--state", state + "2", "--region-key", "ab" * 32)
    assert other.returncode == 5
    records = json.loads(hub.run_vacancy(AUDITOR, "audit", "read", "--chain", "writes", "--json").stdout)
    assert [each["number"] for each in records] == list(range(1, len(records) + 1))
    assert records[-1]["method"].endswith("/PutVacancy") or records[-1]["method"].endswith("/Submit")


def test_a_hub_by_itself_decides_verifies_and_is_backed_up(agencies, tmp_path):
    """The real hub's side of what test_cli_hubs.py asks a made-up one."""
    push(agencies, HEADER + GOOD)
    regions = json.loads(agencies.run_vacancy(OPERATOR, "hub", "regions", "--json").stdout)["regions"]
    assert [(each["region"], each["home"], each["standing"]) for each in regions] == [(agencies.region, True, "DECIDING")]
    verified = json.loads(agencies.run_vacancy(AUDITOR, "hub", "verify", "--json").stdout)
    assert [(each["equal"], each["state_digest"]) for each in verified] == [(True, regions[0]["state_digest"])]
    path = tmp_path / "hub.tar"
    done = agencies.run_vacancy(OPERATOR, "hub", "backup", str(path))
    assert done.returncode == 0, done.stderr
    with tarfile.open(path) as archive:
        assert "home/data.mdb" in archive.getnames() and not any(name.endswith(".key") for name in archive.getnames())
    before = agencies.run_vacancy(OPERATOR, "hub", "promote", "--yes", "--json")
    after = agencies.run_vacancy(OPERATOR, "hub", "promote", "--yes", "--new-epoch", "--json")
    assert json.loads(before.stdout)["epoch"] == 1 and json.loads(after.stdout)["epoch"] == 2
    for who in (LEEDS, AUDITOR):
        assert agencies.run_vacancy(who, "hub", "promote", "--yes").returncode == 3
    assert agencies.run_vacancy(LEEDS, "hub", "backup", str(path)).returncode == 3


def test_unreachable_is_4_and_a_wrong_command_2(hub, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name in ("VACANCY_HUB", "VACANCY_CERT", "VACANCY_KEY", "VACANCY_CA"):
        environment.pop(name, None)

    def run(*arguments):
        return subprocess.run([library.VACANCY, *arguments], env=environment, capture_output=True, text=True, check=False,
                              timeout=60)

    team = hub.federation.principal(library.TEAM, hub.region)
    files = ("--cert", team.cert, "--key", team.key, "--ca", hub.federation.root)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run("ping", "--hub", f"localhost:{port}", *files).returncode == 4
    assert run("ping", "--hub", f"localhost:{hub.port}", *files).returncode == 0
    # The hub's certificate has no such name, or is of another federation: nothing that trying again would mend.
    assert run("ping", "--hub", f"[::ffff:127.0.0.1]:{hub.port}", *files).returncode == 3
    other = library.Federation(tmp_path / "other")
    untrusted = run("ping", "--hub", f"localhost:{hub.port}", *files[:-1], other.root)
    assert untrusted.returncode == 3 and "is not to be trusted" in untrusted.stderr
    assert run("ping").returncode == 2 and "VACANCY_HUB" in run("ping").stderr
    assert run("ping", "--hub", f"localhost:{hub.port}", *files[:-1], "/nowhere").returncode == 2
    for wrong in ((), ("fnd",), ("find", "--colour", "red"), ("list", "homes"), ("show",), ("push", "/nowhere.csv"),
                  ("hub", "nothing"), ("confirm",)):
        assert run(*wrong).returncode == 2, wrong
    # A profile says it all; its paths are its own folder's.
    folder = tmp_path / ".config" / "vacancy"
    folder.mkdir(parents=True)
    os.symlink(team.cert, folder / "cert.pem")
    (folder / "profile").write_text(f"[vacancy]\nhub = localhost:{hub.port}\ncert = cert.pem\nkey = {team.key}\n"
                                    f"ca = {hub.federation.root}\n", encoding="ascii")
    assert run("ping").returncode == 0
    (folder / "profile").write_text("[vacancy]\ncolour = red\n", encoding="ascii")
    assert run("ping").returncode == 2


def test_a_hub_that_dies_in_a_push_is_said(federation, tmp_path):
    """Rows are sent as they come in, not when the file ends; then exit 4."""
    running = library.Hub(federation, tmp_path / "hub").start()
    path = tmp_path / "agencies.csv"
    path.write_text(AGENCIES, encoding="utf-8")
    assert running.run_vacancy(OPERATOR, "hub", "agencies", "--put", str(path)).returncode == 0
    who = federation.principal(LEEDS, running.region)
    environment = {**os.environ, "VACANCY_HUB": f"localhost:{running.port}", "VACANCY_CERT": who.cert,
                   "VACANCY_KEY": who.key, "VACANCY_CA": federation.root, "HOME": str(tmp_path)}
    client = subprocess.Popen([library.VACANCY, "push", "-"], env=environment, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        client.stdin.write(HEADER + GOOD)
        client.stdin.flush()
        library.wait_until(lambda: "L-1" in running.run_vacancy(LEEDS, "list").stdout, 20, "the first row to arrive "
                           "while the file is still open")
        running.kill()
        client.stdin.write(GOOD.replace("L-1", "L-2") * 1000)
        client.stdin.close()
    except BrokenPipeError:
        pass  # it has noticed already
    assert client.wait(30) == 4
    said = client.stderr.read()
    assert "the connection to localhost" in said, said


def test_help_begins_with_an_example_and_the_manual_has_every_column():
    with open(os.path.join(ROOT, "client", "vacancy.1"), encoding="utf-8") as handle:
        manual = handle.read()
    described = set(re.findall(r"^\.It Cm ([a-z_]+)$", manual, re.M))
    names = subprocess.run([library.VACANCY, "--help"], capture_output=True, text=True, check=True).stdout
    for command in re.findall(r"^  ((?:hub |audit |carer )?[a-z-]+)  +[A-Z]", names, re.M):
        text = subprocess.run([library.VACANCY, *command.split(), "--help"], capture_output=True, text=True, check=True,
                              env={**os.environ, "COLUMNS": "240"}).stdout
        assert text.startswith("  vacancy ") and "exit status:\n  0  done\n" in text
        for flag in re.findall(r"^  --([a-z-]+)", text, re.M):
            assert flag == "help" or re.search(rf"Fl .*-{flag}\b", manual), (command, flag)
        columns = text.split("in any order):\n")[1].split("\n\n")[0] if "in any order):" in text else ""
        for column in re.findall(r"^  ([a-z_]+) ", columns, re.M):
            assert column in described, column
    for code in "0 1 2 3 4 5".split():
        assert re.search(rf"^\.It {code}$", manual, re.M)
