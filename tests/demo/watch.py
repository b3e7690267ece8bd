"""What the demo's nine hubs hold, seen through ListRegions by a gRPC client of Debian's, not by ours.

Owns: one connection to each hub, as its operator. `Watch.look()` asks them all at once.
"""
import concurrent.futures
import os
import sys
import time

import hubs

sys.path.insert(0, os.path.join(hubs.ROOT, "tests", "lib"))
sys.dont_write_bytecode = True

import client  # noqa: E402
import hub as library  # noqa: E402

POLL_S = 0.01


class Watch:
    def __init__(self, federation):
        self.clients = {}
        for each in federation:
            who = library.Principal(os.path.join(hubs.CA, each.region, *each.principals["operator"].split()))
            self.clients[each.region] = client.Client(each.port, who, os.path.join(hubs.CA, "root.pem"))
        self.pool = concurrent.futures.ThreadPoolExecutor(len(self.clients))

    def close(self):
        self.pool.shutdown()
        for each in self.clients.values():
            each.close()

    def regions(self, region):
        """{region: what the hub of `region` has of it}"""
        return {each.region: each for each in self.clients[region].call("HubService/ListRegions").regions}

    def look(self):
        """{hub's region: {region: Region}} of all hubs."""
        return dict(zip(self.clients, self.pool.map(self.regions, self.clients)))

    def until(self, holds, bound_s, what):
        """Looks until holds(look) is true; gives the look and the seconds it took."""
        began = time.monotonic()
        while True:
            seen = self.look()
            taken = time.monotonic() - began
            if holds(seen):
                return seen, taken
            if taken > bound_s:
                raise hubs.Failure(f"waited {bound_s} s in vain until {what}:\n{describe(seen)}")
            time.sleep(POLL_S)


def describe(seen):
    return "\n".join(f"at {at}: " + ", ".join(f"{each.region} {each.epoch}/{each.sequence}" for each in found.values())
                     for at, found in seen.items())


def caught_up(seen):
    """Each hub has all that each region's own hub has."""
    return all(found.get(region) and found[region].epoch == seen[region][region].epoch and
               found[region].sequence >= seen[region][region].sequence
               for found in seen.values() for region in hubs.REGIONS)


def equal(seen):
    """Each hub's own digest of each region is that of the region's own hub."""
    return caught_up(seen) and all(found[region].sequence == seen[region][region].sequence and
                                   found[region].state_digest == seen[region][region].state_digest
                                   for found in seen.values() for region in hubs.REGIONS)


def deciding(seen):
    return all(found[at].standing == STANDING_DECIDING for at, found in seen.items() if at in found) and \
        all(at in found for at, found in seen.items())


STANDING_DECIDING = 1
