"""A replica's record flipped on disk: that hub alone is unequal in `vacancy hub verify`, which says so and exits 5; the next
start finds the damage, drops that region, and fetches it again from its peers (R6 on disk, D6)."""
import os

import pytest

import homes
import hub as library
import hubs as many
from hubs import NORTH, WEST, YORKSHIRE

pytestmark = pytest.mark.check

NAME = b"The agency whose name is flipped on disk"
UNVERIFIED = 5  # exit status


@pytest.fixture
def hubs(federation, tmp_path, request):
    trio = many.Hubs(federation, tmp_path)
    request.node.hubs = list(trio)
    try:
        trio.start()
        trio.wait_deciding()
        for each in trio:
            homes.register_agencies(each)
        with trio[NORTH].client(homes.OPERATOR) as operator:
            operator.call("HubService/PutAgency", agency={"id": "flipped", "name": NAME.decode(), "kind": 2,
                                                          "ofsted_urn": "SC012345"})
        trio.wait_equal()
        yield trio
    finally:
        trio.stop()


def flip(running):
    """One octet wherever the name stands in the replica's files; how often that was."""
    times = 0
    for folder, _, names in os.walk(os.path.join(running.data, "replica")):
        for name in names:
            with open(os.path.join(folder, name), "r+b") as handle:
                octets, at = handle.read(), -1
                while (at := octets.find(NAME, at + 1)) >= 0:
                    handle.seek(at + len(NAME) // 2)
                    handle.write(bytes([octets[at + len(NAME) // 2] ^ 1]))
                    times += 1
    return times


def verify(hubs, region):
    return hubs[region].run_vacancy(homes.OPERATOR, "hub", "verify")


def refetched(hubs):
    """West, started again: says what it found, and is equal again."""
    hubs.start(WEST)
    hubs[WEST].wait_log(f"region {NORTH}: what is stored of it is damaged; it is dropped and fetched again")
    hubs.wait_equal()
    done = verify(hubs, WEST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"region {YORKSHIRE}: what is stored" not in hubs[WEST].log_text()


def test_flipped_while_it_runs(hubs):
    assert verify(hubs, WEST).returncode == 0
    assert flip(hubs[WEST]) >= 1
    done = verify(hubs, WEST)
    assert done.returncode == UNVERIFIED, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "NOT EQUAL" in line]
    assert len(lines) == 1 and lines[0].startswith(NORTH), done.stdout
    for other in NORTH, YORKSHIRE:
        done = verify(hubs, other)
        assert done.returncode == 0, done.stdout + done.stderr
    rows = hubs.verify(WEST)
    assert not rows[NORTH].equal and rows[NORTH].problem
    assert rows[WEST].equal and rows[YORKSHIRE].equal
    hubs[WEST].stop()
    refetched(hubs)


def test_flipped_while_it_is_stopped(hubs):
    hubs[WEST].stop()
    assert flip(hubs[WEST]) >= 1
    refetched(hubs)
