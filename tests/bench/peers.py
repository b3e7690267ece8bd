"""The programs that the hub is measured beside: nghttpd and PostgreSQL, both from Debian. Each is started in a folder of
its own, on loopback, over TLS, and ended with the run."""
import glob
import os
import pwd
import re
import shutil
import socket
import subprocess

from hub import wait_until

START_BOUND_S = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Nghttpd:
    """Answers every POST to /reply.grpc with one body of the wanted size, framed as gRPC does (headers, a prefixed
    message, grpc-status in the trailers), so that the same load generator asks both. It demands a client certificate,
    as the hub does, though it does not look whether to trust it."""

    PATH = "/reply.grpc"
    program = shutil.which("nghttpd")

    def __init__(self, folder, principal, body_bytes, workers):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, self.PATH[1:]), "wb") as handle:
            handle.write(b"\0" + body_bytes.to_bytes(4, "big") + bytes(body_bytes))
        types = os.path.join(folder, "mime.types")
        with open(types, "w", encoding="ascii") as handle:
            handle.write("application/grpc grpc\n")
        self.port = free_port()
        self.process = subprocess.Popen(
            [self.program, "--address=127.0.0.1", f"--htdocs={folder}", f"--workers={workers}", "--verify-client",
             f"--mime-types-file={types}", "--trailer=grpc-status: 0", "--no-content-length", str(self.port),
             principal.key, principal.cert], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(self.port), START_BOUND_S, "nghttpd to listen")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Postgres:
    """A database in a folder of its own: PostgreSQL's defaults (fsync, synchronous_commit on), TLS demanded, one table of
    as many rows as the register has vacancies."""

    bins = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), "")
    program = bins and shutil.which("pgbench", path=bins) and shutil.which("initdb", path=bins)

    def __init__(self, folder, rows, body_bytes):
        self.folder, self.data, self.rows = folder, os.path.join(folder, "data"), rows
        os.makedirs(folder, exist_ok=True)
        # PostgreSQL refuses to run as root.
        self.user = {}
        if os.geteuid() == 0:
            names = {entry.pw_name: entry for entry in pwd.getpwall()}
            who = names.get("postgres") or names["nobody"]
            self.user = dict(user=who.pw_uid, group=who.pw_gid, extra_groups=[])
            os.chown(folder, who.pw_uid, who.pw_gid)
        self.port = free_port()
        self.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGHOST": "127.0.0.1", "PGPORT": str(self.port),
                            "PGUSER": "bench", "PGDATABASE": "postgres", "PGSSLMODE": "require", "HOME": folder}
        self.run("initdb", "--pgdata", self.data, "--username", "bench", "--auth", "trust", "--encoding", "UTF8")
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-keyout", f"{self.data}/server.key", "-out", f"{self.data}/server.crt")
        os.chmod(f"{self.data}/server.key", 0o600)
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="ascii") as handle:
            handle.write("hostssl all all 127.0.0.1/32 trust\n")
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="ascii") as handle:
            handle.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\nssl = on\n")
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen([os.path.join(self.bins, "postgres"), "-D", self.data], env=self.environment,
                                            cwd=folder, stdout=log, stderr=log, **self.user)
        wait_until(lambda: listens(self.port), START_BOUND_S, "PostgreSQL to listen")
        wait_until(lambda: self.try_sql("SELECT 1"), START_BOUND_S, "PostgreSQL to answer")
        self.sql("CREATE TABLE vacancy (id integer PRIMARY KEY, beds integer NOT NULL, observed_at bigint NOT NULL, "
                 "body bytea NOT NULL)")
        self.sql(f"INSERT INTO vacancy SELECT n, 1, 0, decode(repeat('5a', {body_bytes}), 'hex') "
                 f"FROM generate_series(1, {rows}) n")
        self.sql("VACUUM ANALYZE vacancy")
        self.sql("CHECKPOINT")
        self.script = os.path.join(folder, "update.sql")
        with open(self.script, "w", encoding="ascii") as handle:
            handle.write(f"\\set id random(1, {rows})\n\\set beds random(1, 12)\n"
                         "UPDATE vacancy SET beds = :beds, observed_at = observed_at + 1 WHERE id = :id;\n")

    def run(self, program, *arguments):
        path = os.path.join(self.bins, program)
        done = subprocess.run([path if os.path.exists(path) else program, *arguments], env=self.environment,
                              cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=120, **self.user)
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def sql(self, text):
        return self.run("psql", "--quiet", "--no-psqlrc", "-c", text)

    def try_sql(self, text):
        try:
            return self.sql(text)
        except RuntimeError:
            return None

    def updates(self, clients, seconds):
        """Updates a second, and the mean latency in microseconds."""
        said = self.run("pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={min(clients, 2)}",
                        f"--time={max(1, round(seconds))}", f"--file={self.script}")
        return (float(re.search(r"tps = ([\d.]+)", said).group(1)),
                float(re.search(r"latency average = ([\d.]+) ms", said).group(1)) * 1000)

    def version(self):
        return re.search(r"[\d.]+", self.run("postgres", "--version")).group(0)

    def stop(self):
        self.process.terminate()   # smart shutdown; nobody is connected
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
