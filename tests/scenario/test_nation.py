"""The demo's nation keeps to the published figures (the domain notes' section 3.1) and to itself.

Marginals within 5 per cent: kinship share 21 % of 42,615 households, 70,465 mainstream places of which 43,000 filled, 11,300
vacant and the rest (about 16,200) not available [FN612]; 147 council and 318 independent agencies [OF25]; almost half of
places with independent agencies [NAFP-25]; households by authority as its postcodes are, which stands for its people.
"""
import importlib.util
import os

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load_generator():
    spec = importlib.util.spec_from_file_location("nation", os.path.join(ROOT, "tests", "demo", "nation.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator():
    return load_generator()


@pytest.fixture(scope="module")
def nation(generator):
    return generator.Nation(now=1_790_000_000)


def within(found, published, share=0.05):
    return abs(found - published) <= share * published


def mainstream(nation):
    return [home for home in nation.households if home["named_child_only"] == "no"]


def test_households_and_kinship(nation):
    assert within(len(nation.households), 42_615)
    kinship = len(nation.households) - len(mainstream(nation))
    assert within(kinship, 0.21 * 42_615)


def test_places_filled_vacant_and_not_available(nation):
    homes = mainstream(nation)
    places = sum(home["places"] for home in homes)
    filled = sum(len(home["placed"]) for home in homes)
    vacant = sum(home["beds"] for home in homes if home["vacancy"] == "VACANT")
    unavailable = sum(home["beds"] for home in homes if home["vacancy"] in ("NOT_AVAILABLE", "RESERVED"))
    assert within(places, 70_465)
    assert within(filled, 43_000)
    assert within(vacant, 11_300)
    assert within(unavailable, 16_200)
    assert filled + vacant + unavailable == places


def test_agencies(nation):
    council = [agency for agency in nation.agencies if agency["kind"] == "LOCAL_AUTHORITY"]
    assert (len(council), len(nation.agencies) - len(council)) == (147, 318)
    assert len({agency["id"] for agency in nation.agencies}) == 465
    independent = sum(home["places"] for home in mainstream(nation) if not home["agency"]["authority"])
    assert within(independent, 0.48 * 70_465)


def test_households_of_each_authority(nation, generator):
    """In proportion to postcodes, to the nearest household; so within 5 per cent wherever there are twenty."""
    found = {}
    for home in nation.households:
        found[home["authority"]] = found.get(home["authority"], 0) + 1
    weights = {}
    for row in generator.read_table("sectors.csv"):
        weights[row["authority"]] = weights.get(row["authority"], 0) + int(row["postcodes"])
    whole = sum(weights.values())
    for authority, weight in weights.items():
        expected = 42_615 * weight / whole
        assert abs(found.get(authority, 0) - expected) <= max(1, 0.05 * expected), authority


def test_homes_are_consistent(nation):
    """Nothing that the hub would refuse, and what depends on what: placed children fit the terms, beds fit the places."""
    for home in nation.households:
        low, high = int(home["age_from"]), int(home["age_to"])
        assert low <= high <= 17
        assert len(home["placed"]) + home["beds"] <= home["places"]
        assert 1 <= home["bedrooms"] <= home["places"]
        assert (home["vacancy"] == "NOT_AVAILABLE") == bool(home["reason"])
        if home["leaning"] != "kinship":
            for band, _, group, _ in home["placed"]:
                first, last = map(int, band.split("-"))
                assert first <= high and last >= low
        groups = [group for _, _, group, _ in home["placed"] if group]
        assert all(groups.count(group) >= 2 for group in groups) or home["leaning"] == "kinship"


def test_leanings_show_in_skills_and_homes(nation):
    """Teenagers' carers know teenagers; homes with a hoist are those of disabled children."""
    homes = mainstream(nation)
    teenagers = [home for home in homes if home["leaning"] == "teenagers"]
    others = [home for home in homes if home["leaning"] == "babies"]
    share = sum("TEENAGERS" in home["skills"] for home in teenagers) / len(teenagers)
    assert share > 0.5 > sum("TEENAGERS" in home["skills"] for home in others) / len(others)
    assert all(home["leaning"] == "disability" for home in homes if "HOIST" in home["features"])


def test_the_same_seed_gives_the_same_nation(generator):
    first, second = (generator.Nation(seed=7, households=2_000, now=1_790_000_000) for _ in range(2))
    assert [first.row(home) for home in first.households] == [second.row(home) for home in second.households]
    third = generator.Nation(seed=8, households=2_000, now=1_790_000_000)
    assert [first.row(home) for home in first.households] != [third.row(home) for home in third.households]
