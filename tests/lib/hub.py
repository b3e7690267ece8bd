"""A federation's certificates and a running hub, for tests of the whole daemon.

Owns: the authority of a test session, a hub's folder and configuration (written in one place, `write_configuration`),
starting, stopping and killing the daemon, its log, its memory and descriptors. Calls to it: client.py.
Waits are on stated conditions with a bound; nothing sleeps for luck.
"""
import os
import re
import resource
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or os.path.join(ROOT, "build", "plain")
VACANCYD = os.environ.get("VACANCYD") or os.path.join(BUILD, "vacancyd")
VACANCY = os.environ.get("VACANCY") or os.path.join(BUILD, "vacancy")
VACANCY_CA = os.path.join(ROOT, "certs", "vacancy-ca")

TRUST_DOMAIN = "fostering.example"
REGION = "E12000003"
TEAM = "placement-team E08000035 duty"

# What the daemon logs once it listens.
READY = re.compile(r"\bready\b.*\bport=(\d+)")
SLOWNESS = {"asan": 3, "tsan": 10}.get(os.environ.get("SAN", ""), 1)
START_BOUND_S = 20 * SLOWNESS
STOP_BOUND_S = 20 * SLOWNESS


def wait_until(condition, bound_s, what):
    """Polls until condition() is true, gives its value; fails after bound_s seconds with `what` was awaited."""
    until = time.monotonic() + bound_s
    while True:
        last = time.monotonic() > until  # looked at before: a pause of the machine leaves one more look
        value = condition()
        if value:
            return value
        if last:
            raise AssertionError(f"waited {bound_s} s in vain for {what}")
        time.sleep(0.01)


class Principal:
    """Where a certificate and its key lie."""

    def __init__(self, folder, name=""):
        self.folder = str(folder)
        self.name = name
        self.cert = os.path.join(self.folder, "cert.pem")
        self.key = os.path.join(self.folder, "key.pem")


class Federation:
    """An authority made with certs/vacancy-ca; regions and principals are made when first asked for."""

    def __init__(self, folder, trust_domain=TRUST_DOMAIN):
        self.folder = str(folder)
        self.trust_domain = trust_domain
        self.made = {}
        self.ca("init", "--trust-domain", trust_domain)
        self.root = os.path.join(self.folder, "root.pem")
        self.crl = os.path.join(self.folder, "crl.pem")

    def ca(self, command, *arguments, check=True, stdin=""):
        done = subprocess.run([VACANCY_CA, command, self.folder, *arguments], input=stdin, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if check and done.returncode:
            raise AssertionError(f"vacancy-ca {command} {' '.join(arguments)}: {done.stdout}")
        return done

    def region(self, region=REGION):
        """The region's folder: issuer.pem, region.key, reference.secret and so on."""
        folder = os.path.join(self.folder, region)
        if not os.path.exists(os.path.join(folder, "issuer.pem")):
            self.ca("region", region)
        return folder

    def principal(self, spec, region=REGION):
        """`spec` as in vacancy-ca: "agency leeds", "placement-team E08000035 duty", "hub", "auditor a", "operator o"."""
        if (region, spec) not in self.made:
            folder = self.region(region)
            names = ["--dns", "localhost", "--ip", "127.0.0.1", "--ip", "::1"] if spec == "hub" else []
            self.ca("issue", region, *spec.split(), *names)
            path = "/".join(spec.split())
            self.made[region, spec] = Principal(os.path.join(folder, path),
                                                f"spiffe://{self.trust_domain}/region/{region}/{path}")
        return self.made[region, spec]

    def principals(self, specs, region=REGION):
        """Many at once, in parallel."""
        self.region(region)
        missing = [spec for spec in specs if (region, spec) not in self.made]
        self.ca("issue-many", region, "-", stdin="\n".join(missing) + "\n")
        for spec in missing:
            path = "/".join(spec.split())
            self.made[region, spec] = Principal(os.path.join(self.folder, region, path),
                                                f"spiffe://{self.trust_domain}/region/{region}/{path}")
        return [self.made[region, spec] for spec in specs]


def write_configuration(path, federation, region=REGION, regions=(), options=None):
    """vacancyd.conf. `regions`: further regions whose issuers are trusted. `options`: {("limits", "idle"): "1s"} adds
    or replaces; None as a value leaves the option out."""
    home = federation.region(region)
    hub = federation.principal("hub", region)
    values = {
        ("hub", "region"): region,
        ("hub", "listen"): "127.0.0.1:0",
        ("hub", "data"): os.path.join(os.path.dirname(path), "data"),
        ("hub", "trust-domain"): federation.trust_domain,
        ("tls", "certificate"): hub.cert,
        ("tls", "key"): hub.key,
        ("tls", "ca"): federation.root,
        ("tls", "crl"): federation.crl,
        ("region", "signing-key"): os.path.join(home, "region.key"),
        ("region", "reference-secret"): os.path.join(home, "reference.secret"),
        ("issuers", "issuer"): [f"{each} {os.path.join(federation.region(each), 'issuer.pem')}"
                                for each in (region, *regions)],
        ("gazetteer", "allow-sector"): "yes",
        ("log", "level"): "debug",
    }
    values.update(options or {})
    sections = {}
    for (section, name), value in values.items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                sections.setdefault(section, []).append(f"{name} = {each}\n")
    with open(path, "w", encoding="utf-8") as handle:
        for section, lines in sections.items():
            handle.write(f"[{section}]\n" + "".join(lines) + "\n")


class Hub:
    """One vacancyd. `wrapper`: a command to run it under that keeps the process id (strace -D -f -o FILE).
    `limits`: {resource.RLIMIT_NOFILE: 64}. Same folder, new Hub: the same register, started again."""

    def __init__(self, federation, folder, region=REGION, regions=(), options=None, wrapper=(), environment=None,
                 limits=None):
        self.federation = federation
        self.region = region
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.configuration = os.path.join(self.folder, "vacancyd.conf")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "vacancyd.log")
        self.wrapper = list(wrapper)
        self.environment = {**os.environ, **(environment or {})}
        self.limits = limits or {}
        self.process = None
        self.port = None
        self.log_start = 0
        write_configuration(self.configuration, federation, region, regions, options)

    # --- life -------------------------------------------------------------------------------------------------------
    def launch(self):
        """Starts the process and waits for nothing."""
        def limit():
            for which, bound in self.limits.items():
                resource.setrlimit(which, (bound, bound))

        with open(self.log, "ab") as handle:
            self.log_start = handle.tell()
            self.process = subprocess.Popen([*self.wrapper, VACANCYD, "--config", self.configuration], stdout=handle,
                                            stderr=handle, stdin=subprocess.DEVNULL, env=self.environment,
                                            preexec_fn=limit if self.limits else None)
        return self

    def start(self):
        """Starts it and waits until it listens."""
        return self.launch().wait_ready()

    def wait_ready(self):
        def ready():
            found = READY.search(self.log_text())
            if found:
                return found
            if self.process.poll() is not None:
                raise AssertionError(f"vacancyd ended with {self.process.returncode}:\n{self.log_text()}")
            return None

        try:
            self.port = int(wait_until(ready, START_BOUND_S, "the hub to be ready").group(1))
        except AssertionError:
            self.kill()
            raise
        return self

    def refuses_to_start(self):
        """Starts it, expects it to end by itself and not by a signal; gives (exit status, what it said)."""
        self.launch()
        try:
            status = self.process.wait(START_BOUND_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"vacancyd started, or hung, where it should refuse:\n{self.log_text()}") from None
        self.process = None
        assert status > 0, f"vacancyd ended with {status}:\n{self.log_text()}"
        return status, self.log_text()

    def stop(self):
        """SIGTERM; it must drain and exit 0."""
        if self.process is None or self.process.poll() is not None and self.process.returncode == -signal.SIGKILL:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"vacancyd did not stop within {STOP_BOUND_S} s:\n{self.log_text()[-4000:]}") from None
        assert status == 0, f"vacancyd ended with {status}:\n{self.log_text()[-4000:]}"

    def kill(self):
        """kill -9, and its end awaited."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    # --- what can be seen from outside ------------------------------------------------------------------------------
    def log_text(self):
        """The log since the last start."""
        with open(self.log, encoding="utf-8", errors="replace") as handle:
            handle.seek(self.log_start)
            return handle.read()

    def wait_log(self, pattern, bound_s=10):
        return wait_until(lambda: re.search(pattern, self.log_text()), bound_s * SLOWNESS, f"/{pattern}/ in the log")

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as handle:
            return int(re.search(r"VmRSS:\s+(\d+) kB", handle.read()).group(1)) * 1024

    def fds(self):
        """Descriptors, but for the trail's own files: it opens its next one whenever one is full, which is nobody's leak."""
        folder, count = f"/proc/{self.process.pid}/fd", 0
        for each in os.listdir(folder):
            try:
                count += not os.path.basename(os.readlink(f"{folder}/{each}")).startswith("disclosure")
            except FileNotFoundError:
                pass  # closed meanwhile
        return count

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def client(self, spec, region=None, options=()):
        """A gRPC client with the certificate of `spec` (a Principal, or text as in vacancy-ca); `options` are gRPC's."""
        import client

        who = spec if isinstance(spec, Principal) else self.federation.principal(spec, region or self.region)
        return client.Client(self.port, who, self.federation.root, options=options)

    def run_vacancy(self, spec, *arguments, stdin=None, timeout=60):
        """Runs the CLI as `spec`; gives the finished process with text output."""
        who = spec if isinstance(spec, Principal) else self.federation.principal(spec, self.region)
        environment = {**os.environ, "VACANCY_HUB": f"localhost:{self.port}", "VACANCY_CERT": who.cert,
                       "VACANCY_KEY": who.key, "VACANCY_CA": self.federation.root, "HOME": self.folder}
        return subprocess.run([VACANCY, *arguments], input=stdin, env=environment, timeout=timeout * SLOWNESS,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def watch_memory(self):
        """`with hub.watch_memory() as seen:` then seen.peak is the highest RSS, sampled every 10 ms."""
        return MemoryWatch(self)


class MemoryWatch:
    def __init__(self, hub):
        self.hub, self.peak, self.over = hub, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.over.is_set():
            try:
                self.peak = max(self.peak, self.hub.rss_bytes())
            except (OSError, AttributeError):
                return
            self.over.wait(0.01)

    def __enter__(self):
        self.peak = self.hub.rss_bytes()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
