"""Nine regional hubs on loopback, for the demo: certificates, configuration, roster, starting, stopping.

Owns: build/demo but for the nation's files. Everything goes through the programs as people use them: certificates and the
roster by certs/vacancy-ca, each hub a vacancyd with a configuration, log and data folder of its own in build/demo/REGION.
"""
import collections
import concurrent.futures
import contextlib
import csv
import os
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEMO = os.path.realpath(os.path.join(ROOT, "build", "demo"))
NATION = os.path.join(DEMO, "nation")
CA = os.path.join(DEMO, "ca")
VACANCYD = os.path.join(ROOT, "build", "vacancyd")
VACANCY = os.path.join(ROOT, "build", "vacancy")
VACANCY_CA = os.path.join(ROOT, "certs", "vacancy-ca")
TRUST_DOMAIN = "fostering.example"
REGIONS = {"E12000001": "North East", "E12000002": "North West", "E12000003": "Yorkshire and The Humber",
           "E12000004": "East Midlands", "E12000005": "West Midlands", "E12000006": "East of England",
           "E12000007": "London", "E12000008": "South East", "E12000009": "South West"}
COUNCILS = {"E12000003": "leeds"}   # elsewhere the region's largest
START_BOUND_S, STOP_BOUND_S = 30, 20


class Failure(Exception):
    """What ends the demo, in words."""


Agency = collections.namedtuple("Agency", "id authority")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Failure(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def agencies_of(region):
    with open(os.path.join(NATION, "agencies", f"{region}.csv"), encoding="utf-8", newline="") as handle:
        return [Agency(row["id"], row["authority"]) for row in csv.DictReader(handle)]


def rows_of(agency):
    with open(os.path.join(NATION, "push", f"{agency}.csv"), encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def dfe_number(authority):
    """With which the references of its requests begin."""
    with open(os.path.join(ROOT, "daemon", "gazetteer", "data", "authorities.csv"), encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(line for line in handle if not line.startswith("#"))
        return next(row["dfe_number"] for row in rows if row["authority"] == authority)


class Hub:
    """One region's hub. Its own people: a council of the region as agency and team, an operator, an auditor."""

    def __init__(self, region):
        self.region, self.name = region, REGIONS[region]
        self.folder = os.path.join(DEMO, region)
        self.log = os.path.join(self.folder, "vacancyd.log")
        self.configuration = os.path.join(self.folder, "vacancyd.conf")
        self.port, self.process = None, None

    def choose_people(self):
        self.agencies = agencies_of(self.region)
        council = max((agency for agency in self.agencies if agency.authority and
                       agency.id == COUNCILS.get(self.region, agency.id)),
                      key=lambda agency: os.path.getsize(os.path.join(NATION, "push", f"{agency.id}.csv")))
        self.dfe = dfe_number(council.authority)
        self.principals = {"agency": f"agency {council.id}", "team": f"placement-team {council.authority} duty",
                           "operator": "operator demo", "auditor": "auditor demo"}

    # --- certificates and configuration -------------------------------------------------------------------------------
    def certify(self):
        run(VACANCY_CA, "region", CA, self.region)
        lines = ["hub --dns localhost --ip 127.0.0.1", *(f"agency {agency.id}" for agency in self.agencies),
                 *(principal for who, principal in self.principals.items() if who != "agency")]
        run(VACANCY_CA, "issue-many", CA, self.region, "-", input="\n".join(lines) + "\n")

    def configure(self, roster):
        home = os.path.join(CA, self.region)
        with open(os.path.join(home, "issuer.spki"), encoding="ascii") as handle:
            issuer = handle.read().strip()
        with open(os.path.join(CA, "roster.pub"), encoding="ascii") as handle:
            roster_key = handle.read().strip()
        os.makedirs(os.path.join(self.folder, "data"), mode=0o700)
        with open(self.configuration, "w", encoding="ascii") as handle:
            handle.write(f"""; The demo's hub for {self.name}. vacancyd.conf(5) explains every option.
[hub]
region = {self.region}
listen = 127.0.0.1:{self.port}
data = data
trust-domain = {TRUST_DOMAIN}
; Nine hubs share this machine.
workers = 1

[tls]
certificate = {home}/hub/cert.pem
key = {home}/hub/key.pem
ca = {CA}/root.pem
crl = {CA}/crl.pem

[region]
signing-key = {home}/region.key
reference-secret = {home}/reference.secret

[issuers]
issuer = {issuer}

[federation]
roster = {roster}
roster-key = {roster_key}
stale-after = 15s

[store]
map-size = 2G
limit = 1G

[limits]
connections = 256
write-queue = 2048

[gazetteer]
; The demo's made-up homes are known to a postcode sector only. A real hub leaves this out.
allow-sector = yes
""")

    def environment(self, principal):
        folder = os.path.join(CA, self.region, *principal.split())
        return {"VACANCY_HUB": f"localhost:{self.port}", "VACANCY_CERT": f"{folder}/cert.pem",
                "VACANCY_KEY": f"{folder}/key.pem", "VACANCY_CA": f"{CA}/root.pem"}

    def write_environments(self, folder):
        where = os.path.relpath(folder, ROOT)
        for who, principal in self.principals.items():
            with open(os.path.join(folder, f"{who}.env"), "w", encoding="ascii") as handle:
                handle.write(f"# {principal} at {self.region}: `. {where}/{who}.env`, then build/vacancy ...\n")
                handle.writelines(f"export {key}='{value}'\n" for key, value in self.environment(principal).items())

    # --- life ---------------------------------------------------------------------------------------------------------
    def launch(self):
        with open(self.log, "w", encoding="utf-8") as handle:
            self.process = subprocess.Popen([VACANCYD, "--config", self.configuration], stderr=handle, stdout=handle,
                                            stdin=subprocess.DEVNULL, start_new_session=True)

    def wait_ready(self, until):
        while time.monotonic() < until:
            with open(self.log, encoding="utf-8") as handle:
                text = handle.read()
            if any(" ready " in line and "port=" in line for line in text.splitlines()):
                return
            if self.process.poll() is not None:
                raise Failure(f"the hub of {self.region} did not start:\n{text}")
            time.sleep(0.02)
        raise Failure(f"the hub of {self.region} was not ready after {START_BOUND_S} seconds:\n{text}")

    def pid(self):
        """Of the daemon that runs with this hub's configuration, whoever started it; None: it does not run."""
        return daemons().get(self.configuration)

    def gone(self):
        return (self.process is None or self.process.poll() is not None) and self.pid() is None

    # --- as people use it ---------------------------------------------------------------------------------------------
    def vacancy(self, principal, *arguments):
        # VACANCY_* of the caller's own shell must not leak into the demo.
        env = {k: v for k, v in os.environ.items() if not k.startswith("VACANCY_")}
        env.update(self.environment(self.principals.get(principal, principal)))
        env.setdefault("XDG_STATE_HOME", os.path.join(DEMO, "state"))
        return subprocess.run([VACANCY, *arguments], env=env, capture_output=True, text=True, check=False)


def daemons():
    """{path of its configuration: process id} of every vacancyd that runs."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as handle:
                words = handle.read().split("\0")
            if os.path.basename(words[0]) == "vacancyd" and "--config" in words[:-1]:
                path = words[words.index("--config") + 1]
                found[os.path.realpath(os.path.join(os.readlink(f"/proc/{pid}/cwd"), path))] = int(pid)
        except (OSError, UnicodeDecodeError):
            continue  # it has ended, or is somebody else's
    return found


def free_ports(count):
    """Nobody listens on them now; hubs need to know each other's before they start."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Federation:
    def __init__(self):
        self.hubs = {region: Hub(region) for region in REGIONS}

    def __iter__(self):
        return iter(self.hubs.values())

    def __getitem__(self, region):
        return self.hubs[region]

    def certify(self):
        run(VACANCY_CA, "init", CA, "--trust-domain", TRUST_DOMAIN)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(Hub.certify, self))
        run(VACANCY_CA, "crl", CA)

    def write_roster(self, name, ports):
        """Who is where: {region: port}. Gives the file's path."""
        path = os.path.join(DEMO, name)
        teams = [(agency.authority, hub.region) for hub in self for agency in hub.agencies if agency.authority]
        lines = [("--endpoint", f"{region}=127.0.0.1:{port}") for region, port in ports.items()]
        lines += [("--team", f"{authority}={region}") for authority, region in teams]
        run(VACANCY_CA, "roster", CA, "--out", path, *(word for line in lines for word in line))
        return path

    def start(self):
        """All of them, or none."""
        try:
            for hub in self:
                hub.launch()
            until = time.monotonic() + START_BOUND_S
            for hub in self:
                hub.wait_ready(until)
        except BaseException:
            self.stop()
            raise

    def running(self):
        found = daemons()
        return [hub for hub in self if hub.configuration in found]

    def stop(self):
        """Ends the hubs as systemd would, and waits until they are gone. Gives those that did not end well."""
        found, late = daemons(), set()
        pids = {hub: found[hub.configuration] for hub in self if hub.configuration in found}
        for pid in pids.values():
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + STOP_BOUND_S
        for hub, pid in pids.items():
            while not hub.gone() and time.monotonic() < until:
                time.sleep(0.02)
            if not hub.gone():
                os.kill(pid, signal.SIGKILL)
                late.add(hub)
        return [hub.region for hub in self if hub in late or (hub.process and hub.process.wait() != 0)]

    def clear(self):
        if self.running():
            raise Failure("the demo's hubs are running already; `make demo-down` stops them")
        shutil.rmtree(DEMO, ignore_errors=True)
        os.makedirs(DEMO)
