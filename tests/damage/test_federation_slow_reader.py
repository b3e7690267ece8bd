"""A peer that opens streams and never reads (R15): the hub's memory stays bounded, others are served, and it is left alone
once the peer is gone."""
import itertools
import os
import threading

import pytest

import homes
import hub as library
import hubs as many
from hubs import NORTH, WEST, YORKSHIRE

pytestmark = pytest.mark.check

STREAMS, CARERS = 32, 4000  # unbounded would be 32 times both logs and snapshots of 8,000: 100 MiB
MEMORY_BOUND = 32 << 20
NARROW = (("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0))


@pytest.fixture
def hubs(federation, tmp_path, request):
    trio = many.Hubs(federation, tmp_path, options={("log", "level"): "info"})
    request.node.hubs = list(trio)
    try:
        trio.start()
        trio.wait_deciding()
        homes.register_agencies(trio[NORTH])
        yield trio
    finally:
        trio.stop()


def push(running, messages, prefix, count):
    with running.client(homes.LEEDS) as leeds:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"{prefix}-{n}")}) for n in range(count)])


def never_read(peer, over):
    """Follow and FetchSnapshot of everything; signs of life are sent, nothing is taken."""
    def asked():
        yield peer.request("FederationService/Follow", positions={"complete": True})
        yield peer.request("FederationService/Follow", take={"region": NORTH, "sequence": 0, "head": bytes(32)})
        while not over.wait(0.4):
            yield peer.request("FederationService/Follow", positions={})

    return [peer.stream("FederationService/Follow", asked()),
            peer.stream("FederationService/FetchSnapshot", peer.request("FederationService/FetchSnapshot", region=NORTH))]


def test_who_never_reads_costs_little(hubs, messages):
    north, over = hubs[NORTH], threading.Event()
    push(north, messages, "H-before", CARERS)
    hubs.wait_equal()
    before = north.rss_bytes()
    peers = [north.client(hubs.federation.principal("hub", WEST), options=NARROW) for _ in range(STREAMS)]
    try:
        with north.watch_memory() as seen:
            calls = list(itertools.chain.from_iterable(never_read(peer, over) for peer in peers))
            push(north, messages, "H-meanwhile", CARERS)
            hubs.wait_equal()
            active = sum(each.is_active() for each in calls)
            with hubs[YORKSHIRE].client(homes.OPERATOR) as operator:
                assert operator.call("HubService/GetStatus").writable
        print(f"{before >> 10} KiB before, {seen.peak >> 10} KiB at the peak, {active} of {len(calls)} streams open")
        if not os.environ.get("SAN"):
            assert seen.peak < before + MEMORY_BOUND, f"{before} before, {seen.peak} at the peak"
    finally:
        over.set()
        for each in calls:
            each.cancel()
        for peer in peers:
            peer.close()
    push(north, messages, "H-after", 10)
    hubs.wait_equal()
    assert library.wait_until(north.alive, 1, "north")
