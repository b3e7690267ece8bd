"""Many hubs as one federation: rosters signed here, ports fixed beforehand, and a relay on every way from one hub to another.

Owns: Hubs (each hub's folder, configuration and roster), the relays, the text of a roster and its signature (also of bad
ones), what ListRegions says as plain dictionaries. One hub: hub.py. A relay: relay.py.
The roster of each hub names relays of its own as the others' endpoints, so that a way can be cut in one direction only.
"""
import os
import random
import socket
import subprocess

import hub as library
from relay import Relay

NORTH, WEST, YORKSHIRE = "E12000001", "E12000002", "E12000003"
REGIONS = [NORTH, WEST, YORKSHIRE]
OPERATOR = "operator olive"


given_ports = set()


def free_port():
    """A port that the kernel gives nobody who asks for any: below those. No port twice."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(20000, 32000)
        if port in given_ports:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        given_ports.add(port)
        return port
    raise AssertionError("no free port")


def public_hex(key, *options):
    """The 32 octets of an Ed25519 key in hex, from its PEM file."""
    der = subprocess.run(["openssl", "pkey", "-in", key, *options, "-pubout", "-outform", "DER"], check=True,
                         stdout=subprocess.PIPE).stdout
    return der[-32:].hex()


def roster_body(federation, regions, version, endpoints=(), extra=(), keys=None):
    """What is signed. endpoints: [(region, host, port)]. keys: {region: hex} instead of the regions' own."""
    lines = ["vacancy roster v1", f"version {version}"]
    for region in regions:
        folder = federation.region(region)
        with open(os.path.join(folder, "issuer.spki"), encoding="ascii") as handle:
            issuer = handle.read().split()[1]
        key = (keys or {}).get(region) or public_hex(os.path.join(folder, "region.pub"), "-pubin")
        lines.append(f"region {region} key {key} issuer {issuer}")
    lines += [f"endpoint {region} {host}:{port}" for region, host, port in endpoints]
    return "".join(each + "\n" for each in [*lines, *extra])


def sign_roster(federation, body, key=None):
    """With its last line; key: the PEM of another than the root's roster key."""
    unsigned = os.path.join(federation.folder, f"unsigned.{os.getpid()}")
    with open(unsigned, "w", encoding="ascii") as handle:
        handle.write(body)
    signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey",
                                key or os.path.join(federation.folder, "roster.key"), "-in", unsigned], check=True,
                               stdout=subprocess.PIPE).stdout
    os.unlink(unsigned)
    return f"{body}signature {signature.hex()}\n"


class Hubs:
    """hubs[REGION] is its Hub; `options` go to each of them. Nothing runs before start().
    relays=False: they reach each other directly, and nothing can be cut (the bench)."""

    def __init__(self, federation, folder, regions=REGIONS, options=None, relays=True):
        self.federation, self.regions, self.version = federation, list(regions), 0
        self.folder = str(folder)
        self.ports = {region: free_port() for region in self.regions}
        self.relays = {(here, there): Relay(("127.0.0.1", self.ports[there]))
                       for here in self.regions for there in self.regions if here != there and relays}
        self.hubs = {}
        for region in self.regions:
            home = os.path.join(self.folder, region)
            os.makedirs(home, exist_ok=True)
            self.hubs[region] = library.Hub(federation, home, region, options={
                ("hub", "listen"): f"127.0.0.1:{self.ports[region]}",
                ("hub", "workers"): 2,
                ("issuers", "issuer"): None,
                ("federation", "roster"): self.roster_path(region),
                ("federation", "roster-key"): os.path.join(federation.folder, "roster.pub"),
                **(options or {})})
        self.write_rosters()

    def __getitem__(self, region):
        return self.hubs[region]

    def __iter__(self):
        return iter(self.hubs.values())

    # --- rosters ----------------------------------------------------------------------------------------------------
    def roster_path(self, region):
        return os.path.join(self.folder, region, "roster")

    def endpoints(self, here):
        """As `here` reaches the others; its own is where it listens."""
        return [(there, "127.0.0.1", self.relays[here, there].port if (here, there) in self.relays else self.ports[there])
                for there in self.regions]

    def write_rosters(self, extra=(), version=None):
        """The next version, for every hub; take it into use with start() or reload()."""
        self.version = version or self.version + 1
        for here in self.regions:
            body = roster_body(self.federation, self.regions, self.version, self.endpoints(here), extra)
            self.put_roster(here, sign_roster(self.federation, body))

    def put_roster(self, region, text):
        path = self.roster_path(region)
        with open(path + ".new", "w", encoding="ascii") as handle:
            handle.write(text)
        os.rename(path + ".new", path)

    # --- life -------------------------------------------------------------------------------------------------------
    def start(self, *regions):
        for region in regions or self.regions:
            self.hubs[region].launch()
        for region in regions or self.regions:
            self.hubs[region].wait_ready()
        return self

    def stop(self):
        """Every hub that runs; all must end well."""
        problems = []
        for each in self:
            try:
                each.stop()
            except AssertionError as problem:
                each.kill()
                problems.append(str(problem))
        for relay in self.relays.values():
            relay.close()
        assert not problems, "\n".join(problems)

    # --- the network ------------------------------------------------------------------------------------------------
    def cut(self, here, there):
        """Nothing passes between the two any more, on whichever's link."""
        self.relays[here, there].cut()
        self.relays[there, here].cut()

    def cut_off(self, region):
        for other in self.regions:
            if other != region:
                self.cut(region, other)

    def heal(self):
        for relay in self.relays.values():
            relay.heal()

    # --- what they say ----------------------------------------------------------------------------------------------
    def list_regions(self, region):
        """{region: Region} at that region's hub."""
        with self.hubs[region].client(OPERATOR) as operator:
            return {each.region: each for each in operator.call("HubService/ListRegions").regions}

    def wait_deciding(self, *regions, bound_s=20):
        for region in regions or self.regions:
            standing = self.federation_messages().enum("Standing")["STANDING_DECIDING"]
            library.wait_until(lambda region=region: self.list_regions(region)[region].standing == standing,
                               bound_s * library.SLOWNESS, f"{region} to decide")

    def wait_linked(self, bound_s=20):
        """Every hub follows every other itself."""
        for here in self.regions:
            def linked(here=here):
                return all(row.linked for there, row in self.list_regions(here).items() if there != here)

            library.wait_until(linked, bound_s * library.SLOWNESS, f"{here} to be linked to all")

    @staticmethod
    def federation_messages():
        import stubs

        return stubs.load()

    def verify(self, region):
        """{region: VerifyResponse}: what that hub's disk adds up to, region by region."""
        with self.hubs[region].client(OPERATOR) as operator:
            return {each.region: each for each in operator.call("HubService/Verify", timeout=60)}

    def digests(self, *regions):
        """{region: {(epoch, sequence, records, digest) at each of the hubs}}: one each if they are equal."""
        seen = {}
        for here in regions or self.regions:
            for there, row in self.list_regions(here).items():
                what = (row.epoch, row.sequence, row.records, row.state_digest) if row.present else None
                seen.setdefault(there, set()).add(what)
        return seen

    def wait_equal(self, *regions, bound_s=20):
        """Every hub named (all) has the same of every region; gives it."""
        def equal():
            seen = self.digests(*regions)
            return seen if len(seen) == len(self.regions) and all(
                len(each) == 1 and None not in each for each in seen.values()) else None

        try:
            return library.wait_until(equal, bound_s * library.SLOWNESS, "the hubs to be equal")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.digests(*regions)}") from None
