"""The programs that the hub is measured beside: nghttpd and PostgreSQL, both from Debian (OpenLDAP: openldap.py). Each is
started in a folder of its own, on loopback, over TLS, and ended with the run."""
import ctypes
import ctypes.util
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

from hub import wait_until

START_BOUND_S = 30
WARM_UP = 20   # updates of each turn that do not count


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


class Cluster:
    """PostgreSQL in a folder of its own, with its defaults (fsync, synchronous_commit on) and TLS demanded."""

    bins = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), "")
    program = bins and shutil.which("pgbench", path=bins) and shutil.which("initdb", path=bins)

    def __init__(self, folder, settings=""):
        self.folder, self.data = folder, os.path.join(folder, "data")
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
            handle.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\nssl = on\n{settings}")
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen([os.path.join(self.bins, "postgres"), "-D", self.data], env=self.environment,
                                            cwd=folder, stdout=log, stderr=log, **self.user)
        wait_until(lambda: listens(self.port), START_BOUND_S, "PostgreSQL to listen")
        wait_until(lambda: self.try_sql("SELECT 1"), START_BOUND_S, "PostgreSQL to answer")

    def address(self, database):
        return f"host=127.0.0.1 port={self.port} user=bench dbname={database} sslmode=require"

    def run(self, program, *arguments, bound_s=120):
        path = os.path.join(self.bins, program)
        done = subprocess.run([path if os.path.exists(path) else program, *arguments], env=self.environment,
                              cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=bound_s, **self.user)
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def sql(self, text, database="postgres", bound_s=120):
        return self.run("psql", "--quiet", "--no-psqlrc", "-d", database, "-c", text, bound_s=bound_s)

    def make_table(self, database="postgres"):
        self.sql("CREATE TABLE vacancy (id integer PRIMARY KEY, beds integer NOT NULL, observed_at bigint NOT NULL, "
                 "body bytea NOT NULL)", database)

    def fill_table(self, rows, body_bytes):
        self.sql(f"INSERT INTO vacancy SELECT n, 1, 0, decode(repeat('5a', {body_bytes}), 'hex') "
                 f"FROM generate_series(1, {rows}) n")
        self.sql("VACUUM ANALYZE vacancy")
        self.sql("CHECKPOINT")

    def try_sql(self, text):
        try:
            return self.sql(text)
        except RuntimeError:
            return None

    def version(self):
        return re.search(r"[\d.]+", self.run("postgres", "--version")).group(0)

    def stop(self):
        self.process.send_signal(signal.SIGINT)   # fast shutdown: subscribers stay connected
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Postgres(Cluster):
    """With one table of as many rows as the register has vacancies."""

    def __init__(self, folder, rows, body_bytes):
        super().__init__(folder)
        self.make_table()
        self.fill_table(rows, body_bytes)
        self.script = os.path.join(folder, "update.sql")
        with open(self.script, "w", encoding="ascii") as handle:
            handle.write(f"\\set id random(1, {rows})\n\\set beds random(1, 12)\n"
                         "UPDATE vacancy SET beds = :beds, observed_at = observed_at + 1 WHERE id = :id;\n")

    def updates(self, clients, seconds):
        """Updates a second, and the mean latency in microseconds."""
        said = self.run("pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={min(clients, 2)}",
                        f"--time={max(1, round(seconds))}", f"--file={self.script}")
        return (float(re.search(r"tps = ([\d.]+)", said).group(1)),
                float(re.search(r"latency average = ([\d.]+) ms", said).group(1)) * 1000)


class Session:
    """A connection of libpq's: prepared statements without a process for each."""

    library = ctypes.util.find_library("pq")

    def __init__(self, cluster, database="postgres"):
        self.pq = ctypes.CDLL(self.library)
        for name in ("PQconnectdb", "PQprepare", "PQexecPrepared"):
            getattr(self.pq, name).restype = ctypes.c_void_p
        self.pq.PQerrorMessage.restype = ctypes.c_char_p
        self.connection = ctypes.c_void_p(self.pq.PQconnectdb(cluster.address(database).encode()))
        if self.pq.PQstatus(self.connection) != 0:
            raise RuntimeError(self.pq.PQerrorMessage(self.connection).decode())

    def rows(self, result):
        """How many the result has; frees it."""
        result = ctypes.c_void_p(result)
        if self.pq.PQresultStatus(result) not in (1, 2):
            raise RuntimeError(self.pq.PQerrorMessage(self.connection).decode())
        count = self.pq.PQntuples(result)
        self.pq.PQclear(result)
        return count

    def prepare(self, name, text):
        self.rows(self.pq.PQprepare(self.connection, name.encode(), text.encode(), 0, None))

    def execute(self, name, value):
        values = (ctypes.c_char_p * 1)(str(value).encode())
        return self.rows(self.pq.PQexecPrepared(self.connection, name.encode(), 1, values, None, None, 0))

    def close(self):
        self.pq.PQfinish(self.connection)


class Replication:
    """PostgreSQL's logical replication over TLS: one cluster publishes, another has a database for each subscriber."""

    available = Cluster.program and Session.library

    def __init__(self, folder, rows, body_bytes, subscribers_folder=None):
        os.makedirs(folder, exist_ok=True)
        self.rows, self.body_bytes, self.subscribers, self.turn = rows, body_bytes, 0, 0
        self.publisher = Cluster(os.path.join(folder, "publisher"),
                                 "wal_level = logical\nmax_wal_senders = 32\nmax_replication_slots = 32\n")
        try:
            self.subscriber = Cluster(os.path.join(subscribers_folder or folder, "subscriber"), "max_worker_processes = 40\n"
                                      "max_logical_replication_workers = 32\nmax_replication_slots = 32\n"
                                      # Else a subscriber that comes soon after another waits for 5 s.
                                      "wal_retrieve_retry_interval = 50ms\n")
        except BaseException:
            self.publisher.stop()
            raise
        self.publisher.make_table()
        self.publisher.fill_table(rows, body_bytes)
        self.publisher.sql("CREATE PUBLICATION everything FOR TABLE vacancy")

    def subscribe(self):
        """One subscriber more, which begins empty: seconds until it shows the last row."""
        name = f"copy{self.subscribers}"
        self.subscribers += 1
        self.subscriber.sql(f"CREATE DATABASE {name}")
        self.subscriber.make_table(name)
        session = Session(self.subscriber, name)
        session.prepare("find", "SELECT 1 FROM vacancy WHERE id = $1")
        began = time.monotonic()
        self.subscriber.sql(f"CREATE SUBSCRIPTION {name} CONNECTION '{self.publisher.address('postgres')}' "
                            "PUBLICATION everything", name)
        wait_until(lambda: session.execute("find", self.rows), 300, "the initial copy")
        taken = time.monotonic() - began
        session.close()
        wait_until(lambda: " r" in self.subscriber.sql("SELECT srsubstate FROM pg_subscription_rel", name), 60,
                   "the subscriber to follow")
        return taken

    def latencies(self, updates, rest_s, subscriber=0):
        """Microseconds from sending an INSERT to finding its row at a subscriber, sorted."""
        writer, reader = Session(self.publisher), Session(self.subscriber, f"copy{subscriber}")
        writer.prepare("put", "INSERT INTO vacancy VALUES ($1, 1, 0, "
                              f"decode(repeat('5a', {self.body_bytes}), 'hex'))")
        reader.prepare("find", "SELECT 1 FROM vacancy WHERE id = $1")
        taken = []
        for index in range(WARM_UP + updates):
            self.turn += 1
            row = self.rows + self.turn
            began = time.perf_counter_ns()
            writer.execute("put", row)
            while not reader.execute("find", row):
                pass
            if index >= WARM_UP:
                taken.append((time.perf_counter_ns() - began) / 1000)
            time.sleep(rest_s)
        writer.close()
        reader.close()
        return sorted(taken)

    def version(self):
        return self.publisher.version()

    def stop(self):
        self.subscriber.stop()
        self.publisher.stop()


class Finder(Cluster):
    """PostgreSQL with PostGIS, with a table to find the nearest vacancies in that have every token asked for: what a
    search costs where it is all in memory and indexed for nothing but this. It writes no trail and gives no reasons.

    One GiST index over the point and the tokens (intarray) of what is vacant: nearest neighbours come out of it in order,
    and subtrees without a token are passed over. Beside it a GIN index of the tokens: the planner takes that where it
    expects few."""

    SETTINGS = ("shared_buffers = 2GB\njit = off\nrandom_page_cost = 1.0\neffective_cache_size = 6GB\nwork_mem = 32MB\n"
                "max_connections = 100\nfsync = off\nautovacuum = off\nmax_parallel_workers_per_gather = 0\n"
                # Measured faster than one plan for all: what is asked for decides between the order and the tokens.
                "plan_cache_mode = force_custom_plan\n")
    COLUMNS = "id, card, floor(point <-> ST_SetSRID(ST_MakePoint($1::float8, $2::float8), 27700))::int"
    FROM = "FROM place WHERE vacant AND tokens @> ${}::int[]"
    WITHIN = ("AND ST_DWithin(point, ST_SetSRID(ST_MakePoint($1::float8, $2::float8), 27700), "
              # What is asked for ends where the first metre beyond it begins.
              "$3::int + 0.9999)")
    ORDER = "ORDER BY point <-> ST_SetSRID(ST_MakePoint($1::float8, $2::float8), 27700), id LIMIT {}"

    available = bool(Cluster.program and Session.library and
                     glob.glob("/usr/share/postgresql/*/extension/postgis.control"))

    def __init__(self, folder, rows, options):
        """`rows`: a file of lines: id, E, N, whether vacant, tokens; `options`: how many an answer has at most."""
        super().__init__(folder, self.SETTINGS)
        self.anywhere = f"SELECT {self.COLUMNS} {self.FROM.format(3)} {self.ORDER.format(options)}"
        self.within = f"SELECT {self.COLUMNS} {self.FROM.format(4)} {self.WITHIN} {self.ORDER.format(options)}"
        self.sql("CREATE EXTENSION postgis")
        self.sql("CREATE EXTENSION intarray")
        self.sql("CREATE UNLOGGED TABLE raw (id text, e int, n int, vacant boolean, tokens int[])")
        self.sql(f"COPY raw FROM '{rows}'", bound_s=600)
        self.sql("CREATE UNLOGGED TABLE place (id text COLLATE \"C\" NOT NULL, point geometry(Point, 27700) NOT NULL, "
                 "vacant boolean NOT NULL, tokens int[] NOT NULL, card bytea NOT NULL)")
        # In the order of the space, so that neighbours share pages. The card is what an answer shows of one.
        self.sql("INSERT INTO place SELECT id, ST_SetSRID(ST_MakePoint(e, n), 27700), vacant, tokens, "
                 "decode(repeat('5a', 300), 'hex') FROM raw ORDER BY ST_SetSRID(ST_MakePoint(e, n), 27700)", bound_s=600)
        self.sql("DROP TABLE raw")
        self.sql("CREATE INDEX ON place USING gist (point, tokens gist__intbig_ops (siglen = 64)) WHERE vacant", bound_s=900)
        self.sql("CREATE INDEX ON place USING gin (tokens gin__int_ops) WHERE vacant", bound_s=600)
        self.sql("VACUUM ANALYZE place", bound_s=300)
        self.sql("CREATE EXTENSION pg_prewarm")
        self.sql("SELECT pg_prewarm(oid) FROM pg_class WHERE relname LIKE 'place%' AND relkind IN ('r', 'i')")

    def answers(self, questions, folder):
        """[(id, metres), ...] for each of (E, N, metres, tokens), by the statements measured."""
        path = os.path.join(folder, "questions.sql")
        with open(path, "w", encoding="ascii") as handle:
            handle.write(f"PREPARE anywhere AS {self.anywhere};\nPREPARE within AS {self.within};\n")
            for e, n, metres, tokens in questions:
                which = f"within({e}, {n}, {metres}, '{tokens}')" if metres else f"anywhere({e}, {n}, '{tokens}')"
                handle.write(f"EXECUTE {which};\n\\echo next\n")
        os.chmod(path, 0o644)
        said = self.run("psql", "--quiet", "--no-psqlrc", "-At", "-d", "postgres", "-f", path, bound_s=600)
        return [[(line.split("|")[0], int(line.split("|")[2])) for line in part.split()]
                for part in said.split("next\n")[:-1]]

    def stop(self):
        super().stop()
        shutil.rmtree(self.data, ignore_errors=True)
