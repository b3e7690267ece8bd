"""Two real hubs that a module's tests share, Yorkshire and the west, and a ground of clients for each test.

A module says `two = two_fixture(teams, options)` and `ground = ground_fixture(Ground)`, its own Ground of this one.
"""
import pytest

import homes
import hubs as many
from hubs import WEST, YORKSHIRE


class Ground:
    """The clients of everybody at both hubs, closed at the end."""

    def __init__(self, pair, messages):
        self.pair, self.messages, self.clients, self.count = pair, messages, {}, 0

    def client(self, region, spec):
        if (region, spec) not in self.clients:
            self.clients[region, spec] = self.pair[region].client(spec)
        return self.clients[region, spec]

    def close(self):
        for each in self.clients.values():
            each.close()


def two_fixture(teams, options=None):
    """`teams`: the roster's lines of them. The agencies are registered in both regions."""
    @pytest.fixture(scope="module", name="two")
    def fixture(federation, tmp_path_factory):
        pair = many.Hubs(federation, tmp_path_factory.mktemp("two"), regions=[WEST, YORKSHIRE], options=options)
        pair.write_rosters(teams)
        try:
            pair.start()
            pair.wait_deciding()
            for each in pair:
                homes.register_agencies(each)
            pair.wait_linked()
            yield pair
        finally:
            pair.stop()

    return fixture


def mend(pair):
    """What a test before has cut, killed or stopped is there again."""
    pair.heal()
    for each in pair:
        if not each.alive():
            each.start()
    pair.wait_deciding()
    pair.wait_linked()


def ground_fixture(kind):
    """`kind`: a Ground of the module's own, made anew for each test over a pair of hubs that is whole."""
    @pytest.fixture(name="ground")
    def fixture(two, messages, request):
        request.node.hubs = list(two)
        mend(two)
        here = kind(two, messages)
        try:
            yield here
        finally:
            here.close()

    return fixture
