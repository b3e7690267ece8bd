#!/usr/bin/python3
"""The demo: a hub, a nation of carers pushed to it, and the questions of a placement team.

    demo.py run       make certificates, start a hub, load it, search it, stop it      (make demo)
    demo.py up        the same without the searches, and leave the hub running          (make demo-up)
    demo.py down      stop what `up` started                                            (make demo-down)

Owns: build/demo and what runs in it. Everything goes through the programs as people use them: certificates by
certs/vacancy-ca, updates by `vacancy push` with each agency's own certificate, searches by `vacancy find`.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEMO = os.path.join(ROOT, "build", "demo")
CA = os.path.join(DEMO, "ca")
REGION = "E92000001"
TRUST_DOMAIN = "fostering.example"
VACANCYD = os.path.join(ROOT, "build", "vacancyd")
VACANCY = os.path.join(ROOT, "build", "vacancy")
PRINCIPALS = {"agency": "agency leeds", "team": "placement-team E08000035 duty", "operator": "operator demo",
              "auditor": "auditor demo"}
SEARCHES = [
    ("A 14-year-old boy, tonight, near Headingley in Leeds",
     "--near LS6 --child 14:M --type EMERGENCY --purpose EMERGENCY_PLACEMENT --ref 383-204417"),
    ("Two siblings of 4 and 7, one speaks Polish, long term, near Bristol",
     "--near BS3 --child 4:F --child 7:M --type LONG_TERM --language pl --together --ref 383-204418"),
    ("A mother of 17 and her baby, near Leicester",
     "--near LE2 --child 17:F --child 2m:M --type PARENT_AND_CHILD --ref 383-204419"),
    ("A girl of 9 who uses a wheelchair, near Norwich",
     "--near NR2 --child 9:F --type SHORT_TERM --need WHEELCHAIR --need STEP_FREE --ref 383-204420"),
    ("Four brothers and sisters, together, alone in the home, within 10 miles of Truro: nothing suits, and why",
     "--near TR1 --child 3:M --child 5:F --child 8:M --child 11:F --type LONG_TERM --alongside SOLO --within 10 "
     "--ref 383-204421"),
]


class Progress:
    """One line that grows, on a terminal; milestones elsewhere."""

    def __init__(self, what, total):
        self.what, self.total, self.done, self.began = what, total, 0, time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.shown = 0

    def add(self, count):
        self.done += count
        share = self.done / self.total if self.total else 1
        rate = self.done / max(time.monotonic() - self.began, 1e-3)
        if self.terminal:
            bar = "#" * int(share * 30)
            print(f"\r  {self.what} [{bar:<30}] {self.done:,} of {self.total:,}, {rate:,.0f} a second ",
                  end="", flush=True)
        elif int(share * 4) > self.shown:
            self.shown = int(share * 4)
            print(f"  {self.what}: {self.done:,} of {self.total:,}, {rate:,.0f} a second", flush=True)

    def finish(self):
        if self.terminal:
            print(flush=True)
        return self.done / max(time.monotonic() - self.began, 1e-3)


def fail(text):
    print(f"demo: {text}", file=sys.stderr)
    sys.exit(1)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        fail(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def pid_of_hub():
    try:
        with open(os.path.join(DEMO, "vacancyd.pid"), encoding="ascii") as handle:
            pid = int(handle.read())
        # Only a process that is this demo's own daemon counts.
        with open(f"/proc/{pid}/cmdline", "rb") as handle:
            return pid if os.path.join(DEMO, "vacancyd.conf").encode() in handle.read().split(b"\0") else None
    except (OSError, ValueError):
        return None


def make_certificates(agencies):
    ca = os.path.join(ROOT, "certs", "vacancy-ca")
    run(ca, "init", CA, "--trust-domain", TRUST_DOMAIN)
    run(ca, "region", CA, REGION)
    run(ca, "issue", CA, REGION, "hub", "--dns", "localhost", "--ip", "127.0.0.1")
    principals = [f"agency {agency}" for agency in agencies] + [p for n, p in PRINCIPALS.items() if n != "agency"]
    run(ca, "issue-many", CA, REGION, "-", input="\n".join(principals) + "\n")
    run(ca, "crl", CA)


def write_configuration():
    home = os.path.join(CA, REGION)
    with open(os.path.join(home, "issuer.spki"), encoding="ascii") as handle:
        issuer = handle.read().strip()
    with open(os.path.join(DEMO, "vacancyd.conf"), "w", encoding="ascii") as handle:
        handle.write(f"""; The demo's hub. vacancyd.conf(5) explains every option.
[hub]
region = {REGION}
listen = 127.0.0.1:0
data = data
trust-domain = {TRUST_DOMAIN}

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

[gazetteer]
; The demo's made-up homes are known to a postcode sector only. A real hub leaves this out.
allow-sector = yes
""")


def start_hub():
    log = os.path.join(DEMO, "vacancyd.log")
    with open(log, "w", encoding="utf-8") as handle:
        process = subprocess.Popen([VACANCYD, "--config", os.path.join(DEMO, "vacancyd.conf")], stderr=handle,
                                   stdout=handle, stdin=subprocess.DEVNULL, start_new_session=True)
    with open(os.path.join(DEMO, "vacancyd.pid"), "w", encoding="ascii") as handle:
        handle.write(str(process.pid))
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with open(log, encoding="utf-8") as handle:
            text = handle.read()
        for line in text.splitlines():
            if " ready " in line and "port=" in line:
                return process, int(line.split("port=")[1].split()[0])
        if process.poll() is not None:
            fail(f"the hub did not start:\n{text}")
        time.sleep(0.02)
    stop_hub(process.pid)
    fail(f"the hub was not ready after 30 seconds:\n{text}")


def environment(port, principal):
    folder = os.path.join(CA, REGION, *principal.split())
    return {"VACANCY_HUB": f"localhost:{port}", "VACANCY_CERT": f"{folder}/cert.pem",
            "VACANCY_KEY": f"{folder}/key.pem", "VACANCY_CA": f"{CA}/root.pem"}


def write_environments(port):
    for name, principal in PRINCIPALS.items():
        with open(os.path.join(DEMO, f"{name}.env"), "w", encoding="ascii") as handle:
            handle.write(f"# {principal}: `. build/demo/{name}.env`, then build/vacancy ...\n")
            handle.writelines(f"export {key}='{value}'\n" for key, value in environment(port, principal).items())


def vacancy(port, principal, *arguments):
    # VACANCY_* of the caller's own shell must not leak into the demo.
    env = {k: v for k, v in os.environ.items() if not k.startswith("VACANCY_")}
    env.update(environment(port, principal))
    env.setdefault("XDG_STATE_HOME", os.path.join(DEMO, "state"))
    return subprocess.run([VACANCY, *arguments], env=env, capture_output=True, text=True, check=False)


def push(port, agency, path):
    done = vacancy(port, f"agency {agency}", "push", "--json", path)
    if done.returncode:
        raise RuntimeError(f"vacancy push of {agency} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def load(port, agencies):
    """Pushes every agency's file, a few agencies at a time, as they would on a Monday morning."""
    done = vacancy(port, PRINCIPALS["operator"], "hub", "agencies", "--put", os.path.join(DEMO, "nation",
                                                                                       "agencies.csv"))
    if done.returncode:
        fail(f"registering the agencies failed:\n{done.stdout}{done.stderr}")
    files = {agency: os.path.join(DEMO, "nation", "push", f"{agency}.csv") for agency in agencies}
    total = 0
    for path in files.values():
        with open(path, encoding="utf-8", newline="") as handle:
            total += sum(1 + (row["vacancy"] not in ("", "NONE")) for row in csv.DictReader(handle))
    progress = Progress("pushing carers and vacancies", total)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for future in concurrent.futures.as_completed(pool.submit(push, port, a, p) for a, p in files.items()):
            try:
                summary = future.result()
            except RuntimeError as error:
                pool.shutdown(cancel_futures=True)
                raise
            progress.add(summary["created"] + summary["updated"] + summary["confirmed"])
    return progress.finish()


def search(port):
    for title, arguments in SEARCHES:
        print(f"\n{title}\n  $ vacancy find {arguments}\n")
        done = vacancy(port, PRINCIPALS["team"], "find", *arguments.split())
        # 1 is `find`'s own word for "nothing suits", which the last search is there to show.
        if done.returncode not in (0, 1) or not done.stdout:
            raise RuntimeError(f"vacancy find ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        print("\n".join("  " + line for line in done.stdout.rstrip().splitlines()), flush=True)


def search_latency(port, rounds=40):
    """Whole `vacancy find` processes, TLS handshake and all: what a person waits for."""
    taken = []
    for index in range(rounds):
        arguments = SEARCHES[index % 4][1].split()
        began = time.monotonic()
        vacancy(port, PRINCIPALS["team"], "find", *arguments)
        taken.append((time.monotonic() - began) * 1000)
    taken.sort()
    return taken[len(taken) // 2], taken[int(len(taken) * .95)]


def stop_hub(pid):
    """Ends the hub as systemd would, and waits until it is gone. True: it ended well in time."""
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:
            if pid_of_hub() != pid:
                return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False


def prepare():
    if pid_of_hub():
        fail("the demo's hub is running already; `make demo-down` stops it")
    shutil.rmtree(DEMO, ignore_errors=True)
    os.makedirs(os.path.join(DEMO, "data"), mode=0o700)
    print("A made-up nation: 42,615 fostering households of 465 agencies", flush=True)
    run(sys.executable, os.path.join(ROOT, "tests", "demo", "nation.py"), os.path.join(DEMO, "nation"))
    agencies = sorted(name[:-4] for name in os.listdir(os.path.join(DEMO, "nation", "push")))
    print(f"Certificates for the hub, {len(agencies)} agencies, a placement team, an operator and an auditor", flush=True)
    make_certificates(agencies)
    write_configuration()
    process, port = start_hub()
    print(f"A hub of region {REGION} on localhost:{port}, mutual TLS only", flush=True)
    write_environments(port)
    return process, port, agencies


def demo():
    process, port, agencies = prepare()
    try:
        rate = load(port, agencies)
        print(f"\n{vacancy(port, PRINCIPALS['operator'], 'hub', 'status').stdout.rstrip()}")
        search(port)
        middle, slow = search_latency(port)
        print(f"\nDurable updates: {rate:,.0f} a second, each on disk before it was answered. "
              f"A whole `vacancy find`, program start and TLS included: {middle:.0f} ms, slowest twentieth {slow:.0f} ms.")
        audit = vacancy(port, PRINCIPALS["auditor"], "audit", "verify")
        print(audit.stdout.rstrip() or audit.stderr.rstrip())
        if audit.returncode:
            raise RuntimeError("the audit trail did not verify")
    except (RuntimeError, KeyboardInterrupt) as error:
        stop_hub(process.pid)
        fail(f"{error or 'interrupted'}; the hub's log is {DEMO}/vacancyd.log")
    if not stop_hub(process.pid) or process.wait() not in (0, None):
        fail(f"the hub did not end cleanly; its log is {DEMO}/vacancyd.log")
    os.unlink(os.path.join(DEMO, "vacancyd.pid"))
    print("\nThe hub has stopped; nothing is left running. `make demo-up` keeps one to play with.")


def up():
    process, port, agencies = prepare()
    try:
        load(port, agencies)
    except (RuntimeError, KeyboardInterrupt) as error:
        stop_hub(process.pid)
        fail(f"{error or 'interrupted'}")
    print(f"""
The hub is running on localhost:{port}. Try:

    . build/demo/team.env
    build/vacancy find {SEARCHES[0][1]}
    . build/demo/agency.env
    build/vacancy list vacancies
    build/vacancy confirm --all
    . build/demo/operator.env
    build/vacancy hub status
    . build/demo/auditor.env
    build/vacancy audit verify --state build/demo/audit-seen

`make demo-down` stops it.""")


def down():
    pid = pid_of_hub()
    if not pid:
        print("The demo's hub is not running.")
        return
    if not stop_hub(pid):
        fail("the hub did not end in 20 seconds and was killed")
    os.unlink(os.path.join(DEMO, "vacancyd.pid"))
    print("The demo's hub has stopped.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "up", "down"))
    began = time.monotonic()
    what = parser.parse_args().what
    {"run": demo, "up": up, "down": down}[what]()
    if what == "run":
        print(f"({time.monotonic() - began:.0f} seconds)")


if __name__ == "__main__":
    main()
