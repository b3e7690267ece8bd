"""OpenLDAP from Debian, which the federation is measured beside: a provider and its syncrepl consumers over ldaps.

Owns: each slapd's folder, configuration and process; the directory's entries; a session of libldap's. Everything lies
in folders of its own and listens on loopback; nothing of a slapd that the machine may run is touched.
"""
import ctypes
import ctypes.util
import os
import re
import shutil
import subprocess
import time

from hub import wait_until
from peers import START_BOUND_S, WARM_UP, free_port, listens

SUFFIX, ADMIN, PASSWORD = "dc=bench", "cn=admin,dc=bench", "bench"
SCHEMA = "/etc/ldap/schema/core.schema"
MODULES = "/usr/lib/ldap"
MAP_BYTES = 8 << 30
COPY_BOUND_S = 900


def name_of(number):
    return f"cn={number},{SUFFIX}"


class Session:
    """A connection of libldap's, which stays open."""

    library = ctypes.util.find_library("ldap-2.5") or ctypes.util.find_library("ldap")
    VERSION, TIMEOUT, CA, DEMAND, NEW_CONTEXT = 0x11, 0x5002, 0x6002, 0x6006, 0x600F
    BASE, REPLACE = 0, 2

    class Time(ctypes.Structure):
        _fields_ = [("seconds", ctypes.c_long), ("microseconds", ctypes.c_long)]

    class Change(ctypes.Structure):
        _fields_ = [("operation", ctypes.c_int), ("name", ctypes.c_char_p), ("values", ctypes.POINTER(ctypes.c_char_p))]

    def __init__(self, server):
        self.ldap = ctypes.CDLL(self.library)
        self.ldap.ldap_err2string.restype = ctypes.c_char_p
        self.ldap.ldap_first_entry.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p()
        self.must(self.ldap.ldap_initialize(ctypes.byref(self.handle), server.url.encode()))
        for option, value in ((self.VERSION, ctypes.c_int(3)), (self.CA, ctypes.c_char_p(server.certificate.encode())),
                              (self.DEMAND, ctypes.c_int(2)), (self.TIMEOUT, self.Time(20, 0)),
                              (self.NEW_CONTEXT, ctypes.c_int(0))):
            pointer = value if option == self.CA else ctypes.byref(value)
            self.must(self.ldap.ldap_set_option(self.handle, option, pointer))
        self.must(self.ldap.ldap_simple_bind_s(self.handle, ADMIN.encode(), PASSWORD.encode()))
        self.attributes = (ctypes.c_char_p * 2)(b"1.1", None)   # which entries, and nothing of them

    def must(self, code):
        if code != 0:
            raise RuntimeError(f"OpenLDAP: {self.ldap.ldap_err2string(code).decode()}")

    def replace(self, number, serial):
        values = (ctypes.c_char_p * 2)(str(serial).encode(), None)
        change = self.Change(self.REPLACE, b"serialNumber", values)
        changes = (ctypes.POINTER(self.Change) * 2)(ctypes.pointer(change), None)
        self.must(self.ldap.ldap_modify_ext_s(self.handle, name_of(number).encode(), changes, None, None))

    def find(self, number, condition="objectClass=device"):
        """Whether the entry is there and is so."""
        result, none = ctypes.c_void_p(), 32
        code = self.ldap.ldap_search_ext_s(self.handle, name_of(number).encode(), self.BASE, f"({condition})".encode(),
                                           self.attributes, 1, None, None, None, 1, ctypes.byref(result))
        found = code == 0 and bool(self.ldap.ldap_first_entry(self.handle, result))
        if result:
            self.ldap.ldap_msgfree(result)
        if code != none:
            self.must(code)
        return found

    def close(self):
        self.ldap.ldap_unbind_ext_s(self.handle, None, None)


class Slapd:
    """One server with one mdb database. `provider`: whom it copies from; None: it provides. `ldif` is loaded."""

    program = shutil.which("slapd", path="/usr/sbin:" + os.environ["PATH"])

    def __init__(self, folder, provider=None, ldif=None):
        self.folder, self.data, self.provider = folder, os.path.join(folder, "data"), provider
        os.makedirs(self.data)
        # Where AppArmor is in force, its profile lets Debian's program write only where the service's files are.
        self.copy = shutil.copy(self.program, os.path.join(folder, "slapd"))
        self.port = free_port()
        self.url = f"ldaps://127.0.0.1:{self.port}"
        self.certificate, self.key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                        self.key, "-out", self.certificate], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.configuration = os.path.join(folder, "slapd.conf")
        if ldif:
            self.configure(sync=True)
            self.run("-Ta", "-q", "-w", "-f", self.configuration, "-l", ldif)   # slapadd by its other name

    def start(self, sync=True):
        """Without sync its commits wait for no disk (dbnosync)."""
        self.configure(sync)
        with open(os.path.join(self.folder, "log"), "ab") as log:
            # -d: it stays in the foreground.
            self.process = subprocess.Popen([self.copy, "-d", "0", "-f", self.configuration, "-h", self.url], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: listens(self.port), START_BOUND_S, "slapd to listen")
        except BaseException:
            self.stop()
            raise
        return self

    def configure(self, sync):
        lines = [f"include {SCHEMA}", f"modulepath {MODULES}", "moduleload back_mdb", "moduleload syncprov",
                 f"TLSCertificateFile {self.certificate}", f"TLSCertificateKeyFile {self.key}",
                 f"TLSCACertificateFile {self.certificate}", "database mdb", f'suffix "{SUFFIX}"', f'rootdn "{ADMIN}"',
                 f"rootpw {PASSWORD}", f"directory {self.data}", f"maxsize {MAP_BYTES}", "index objectClass eq",
                 "index entryUUID,entryCSN eq"]   # which its guide asks for where syncrepl is used
        if not sync:
            lines.append("dbnosync")
        if self.provider is None:
            lines.append("overlay syncprov")
        else:
            lines.append(f'syncrepl rid=001 provider={self.provider.url} type=refreshAndPersist searchbase="{SUFFIX}" '
                         f'bindmethod=simple binddn="{ADMIN}" credentials={PASSWORD} retry="1 +" '
                         f"tls_cacert={self.provider.certificate} tls_reqcert=demand")
        with open(self.configuration, "w", encoding="ascii") as handle:
            handle.write("".join(line + "\n" for line in lines))
        os.chmod(self.configuration, 0o600)

    def run(self, *arguments):
        done = subprocess.run([self.copy, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, stdin=subprocess.DEVNULL, timeout=300)
        if done.returncode:
            raise RuntimeError(f"slapd {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def version(self):
        done = subprocess.run([self.copy, "-VV"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return re.search(r"slapd ([\d.]+)", done.stdout).group(1)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Directory:
    """A provider with `entries` entries of body_bytes and a little, and consumers that follow it (refreshAndPersist)."""

    available = Slapd.program and Session.library and os.path.exists(SCHEMA)

    def __init__(self, folder, entries, body_bytes, consumers_folder=None):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.entries, self.consumers, self.turn = consumers_folder or folder, entries, [], 0
        ldif = os.path.join(folder, "entries.ldif")
        with open(ldif, "w", encoding="ascii") as handle:
            handle.write(f"dn: {SUFFIX}\nobjectClass: organization\nobjectClass: dcObject\no: bench\ndc: bench\n\n")
            for number in range(1, entries + 1):
                handle.write(f"dn: {name_of(number)}\nobjectClass: device\ncn: {number}\nserialNumber: 0\n"
                             f"description: {'Z' * body_bytes}\n\n")
        self.provider = Slapd(os.path.join(folder, "provider"), ldif=ldif).start()

    def subscribe(self, sync=False):
        """One consumer more, which begins empty: seconds from when it listens until it shows the last entry. `sync`: as
        it is configured by default, each entry's commit waits for the disk. After the copy it does so in any case."""
        consumer = Slapd(os.path.join(self.folder, f"consumer-{len(self.consumers)}"), self.provider).start(sync)
        self.consumers.append(consumer)
        began = time.monotonic()
        session = Session(consumer)
        wait_until(lambda: session.find(self.entries), COPY_BOUND_S, "OpenLDAP's initial copy")
        taken = time.monotonic() - began
        session.close()
        if not sync:
            consumer.stop()
            consumer.start()
        return taken

    def forget(self):
        """The consumers and what they have."""
        for each in self.consumers:
            each.stop()
            shutil.rmtree(each.folder)
        self.consumers.clear()

    def latencies(self, updates, rest_s, consumer=0):
        """Microseconds from sending a modify to finding what it says at a consumer, sorted."""
        writer, reader = Session(self.provider), Session(self.consumers[consumer])
        taken = []
        for index in range(WARM_UP + updates):
            self.turn += 1
            number = self.turn % self.entries + 1
            condition = f"serialNumber={self.turn}"
            began = time.perf_counter_ns()
            writer.replace(number, self.turn)
            while not reader.find(number, condition):
                pass
            if index >= WARM_UP:
                taken.append((time.perf_counter_ns() - began) / 1000)
            time.sleep(rest_s)
        writer.close()
        reader.close()
        return sorted(taken)

    def version(self):
        return self.provider.version()

    def stop(self):
        for each in (*self.consumers, self.provider):
            each.stop()
