#!/usr/bin/env python3
"""A made-up but lifelike register of England: 42,615 fostering households of 465 agencies.

Owns: the synthetic nation that the demo loads and that larger tests draw on. Nothing here is about real people or
real agencies; agencies' names are made of common words. Fixed seed: the same nation every time.
Numbers: Ofsted 2024 and others as gathered in the project's domain notes, section 3.1 (sources FN612, OF25, NAFP-25,
CA21); where no figure is published the choice is said beside the line.

What depends on what, as in life: a household has a leaning (babies, teenagers, disability, parent and child, ...), from
which terms, skills, training, home and risks follow; who is placed fits the terms; what is free follows from who is
placed; languages follow the region; independent agencies cluster in regions and take children from farther away.

    nation.py OUT            writes OUT/agencies.csv, the same by region as OUT/agencies/REGION.csv, and
                             OUT/push/AGENCY.csv, one file an agency
"""
import argparse
import csv
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "daemon", "gazetteer", "data")

HOUSEHOLDS = 42_615          # FN612
KINSHIP_SHARE = 0.21         # FN612
PLACES = 70_465              # FN612, mainstream
FILLED, VACANT = 43_000, 11_300   # FN612, derived; the rest, about 16,200, is not available
COUNCIL_AGENCIES, INDEPENDENT_AGENCIES = 147, 318   # OF25
INDEPENDENT_PLACES = 0.48    # "almost 50%" of places, NAFP-25

# Six authorities run no service of their own in this model (153 authorities, 147 council services).
SHARED_SERVICES = {
    "E09000001": "E09000033",  # City of London: Westminster
    "E06000053": "E06000052",  # Isles of Scilly: Cornwall
    "E09000021": "E09000027",  # Kingston upon Thames: Richmond upon Thames
    "E06000040": "E09000027",  # Windsor and Maidenhead: Richmond upon Thames
    "E09000020": "E09000033",  # Kensington and Chelsea: Westminster
    "E06000017": "E10000018",  # Rutland: Leicestershire
}

BANDS = [("0-2", 0, 3), ("3-5", 3, 6), ("6-8", 6, 9), ("9-11", 9, 12), ("12-14", 12, 15), ("15-17", 15, 18)]

# Leaning: share, ages approved (from, to: one of), care types (always, sometimes with share), skills (share), bedrooms.
LEANINGS = {
    "babies": dict(share=.10, ages=[(0, 4), (0, 2), (0, 5)], always=["SHORT_TERM"],
                   maybe={"EMERGENCY": .5, "FOSTERING_FOR_ADOPTION": .25, "RESPITE": .2},
                   skills={"BABIES": .9, "ADOPTION_MOVES": .5}),
    "general": dict(share=.42, ages=[(0, 18), (0, 17), (5, 17), (4, 12), (0, 11)], always=["SHORT_TERM"],
                    maybe={"LONG_TERM": .6, "EMERGENCY": .45, "RESPITE": .3, "BRIDGING": .1},
                    skills={"BEHAVIOUR": .25, "TEENAGERS": .2, "BABIES": .15}),
    "school_age": dict(share=.20, ages=[(5, 12), (4, 11), (6, 14), (5, 15)], always=["SHORT_TERM", "LONG_TERM"],
                       maybe={"EMERGENCY": .25, "RESPITE": .25},
                       skills={"BEHAVIOUR": .3, "AUTISM": .15, "LEARNING_DISABILITY": .1}),
    "teenagers": dict(share=.14, ages=[(10, 17), (11, 17), (12, 17), (13, 17)], always=["SHORT_TERM", "LONG_TERM"],
                      maybe={"EMERGENCY": .5, "UASC": .35, "REMAND": .12, "BRIDGING": .3},
                      skills={"TEENAGERS": .95, "UASC": .35, "BEHAVIOUR": .5}),
    "disability": dict(share=.05, ages=[(0, 17), (5, 17), (3, 17)], always=["DISABLED_CHILDREN", "SHORT_TERM"],
                       maybe={"SHORT_BREAKS": .6, "LONG_TERM": .6, "RESPITE": .4},
                       skills={"PHYSICAL_DISABILITY": .7, "LEARNING_DISABILITY": .7, "COMPLEX_HEALTH": .4,
                               "AUTISM": .5, "SIGNING": .15}),
    "parent_and_child": dict(share=.03, ages=[(0, 17)], always=["PARENT_AND_CHILD", "SHORT_TERM"],
                             maybe={"EMERGENCY": .3}, skills={"PARENT_AND_CHILD": .95, "BABIES": .8}),
    "therapeutic": dict(share=.06, ages=[(5, 17), (6, 16), (8, 17)], always=["THERAPEUTIC", "LONG_TERM"],
                        maybe={"SHORT_TERM": .7, "BRIDGING": .4},
                        skills={"THERAPEUTIC": .95, "BEHAVIOUR": .8, "TEENAGERS": .4, "AUTISM": .3}),
}

# Second languages: tag -> share in London, share elsewhere (in the order of Census 2021 main languages; the rates are
# this model's own).
LANGUAGES = {"pl": (.022, .014), "ro": (.015, .006), "pa": (.02, .009), "ur": (.025, .014), "pt": (.02, .004),
             "es": (.022, .005), "ar": (.022, .006), "bn": (.022, .003), "gu": (.018, .006), "it": (.015, .003),
             "fr": (.03, .008), "so": (.02, .002), "ti": (.008, .001), "tr": (.02, .002), "fa": (.01, .003),
             "ckb": (.005, .003), "ps": (.005, .002), "am": (.006, .001), "sq": (.008, .001), "vi": (.004, .001),
             "yo": (.03, .003), "ta": (.015, .002), "bfi": (.006, .007), "prs": (.004, .002), "rom": (.001, .001)}

NOT_AVAILABLE = [("NEEDS_OF_CURRENT_CHILD", .36), ("CARER_BREAK", .16), ("CARER_HEALTH_OR_FAMILY", .12),
                 ("CARER_PREFERENCE", .08), ("HOUSEHOLD_CHANGE", .07), ("STAYING_PUT_OCCUPIES", .07),
                 ("SOLO_ONLY", .05), ("HOME_WORKS", .03), ("NOTICE_RESIGNING", .03), ("AGENCY_HOLD", .03)]

WORDS_A = ("Alder Amber Beacon Birchwood Bluebell Bramble Bridgeway Brightwater Cedar Clover Compass Copper Coppice "
           "Coral Crossway Daybreak Dovecote Elmfield Fairway Fern Foxglove Gateway Greenfield Harbour Hawthorn Hazel "
           "Hearth Heather Highfield Holly Ivy Juniper Kestrel Kingfisher Lantern Larkspur Laurel Linden Lodestar "
           "Maple Meadow Millstream Moorland Oakwood Orchard Otter Pathway Pebble Primrose Rainbow Redwood Robin "
           "Rowan Saffron Sandpiper Silver Skylark Sparrow Springfield Starling Stepping Sunrise Swallow Sycamore "
           "Thistle Tidewater Waterside Wayfarer Willow Windmill Woodland Wren Yarrow").split()
WORDS_B = ("Fostering", "Foster Care", "Families", "Family Placement", "Fostering Partnership")

HEADER = ("agency_reference observed_at approved_on approval_ends_on max_children max_children_if_siblings age_from "
          "age_to sex care_types named_child_only places bedrooms room_sharing postcode placed household exemptions "
          "home_features pets cannot_take skills training languages vacancy reason beds vacancy_care_types "
          "available_from available_until vacancy_age_from vacancy_age_to vacancy_sex siblings_only on_call "
          "reserved_until ended_on end_reason").split()


def read_table(name):
    with open(os.path.join(DATA, name), encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(line for line in handle if not line.startswith("#")))


def slug(name):
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())[:40].strip("-")


def apportion(total, weights):
    """Whole numbers in proportion to the weights that sum to total exactly (largest remainder, ties by key)."""
    whole = sum(weights.values())
    exact = {key: total * weight / whole for key, weight in weights.items()}
    given = {key: int(value) for key, value in exact.items()}
    for key in sorted(exact, key=lambda k: (given[k] - exact[k], k))[:total - sum(given.values())]:
        given[key] += 1
    return given


class Nation:
    """The whole register, as lists of plain dictionaries."""

    def __init__(self, seed=20240331, households=HOUSEHOLDS, now=None):
        self.random = random.Random(seed)
        self.now = int(now if now is not None else time.time())
        self.today = time.gmtime(self.now)
        self.scale = households / HOUSEHOLDS
        self.total = households
        self.authorities = {row["authority"]: row for row in read_table("authorities.csv")}
        self.sectors = {code: [] for code in self.authorities}
        for row in read_table("sectors.csv"):
            self.sectors[row["authority"]].append((row["sector"], int(row["postcodes"])))
        self.weights = {code: sum(n for _, n in rows) for code, rows in self.sectors.items() if rows}
        self.cumulative = {}
        for code, rows in self.sectors.items():
            running, table = 0, []
            for _, count in rows:
                running += count
                table.append(running)
            self.cumulative[code] = table
        self.adjoining = {code: [] for code in self.authorities}
        for row in read_table("adjoining.csv"):
            if row["kind"] != "water" and row["neighbour"] in self.authorities:
                self.adjoining[row["authority"]].append(row["neighbour"])
        self.by_region = {}
        for code, row in self.authorities.items():
            self.by_region.setdefault(row["region"], []).append(code)
        self.agencies, self.households = [], []
        self._make_agencies()
        self._make_households()
        self._settle_places()
        self._settle_vacancies()

    # --- agencies ---------------------------------------------------------------------------------------------
    def _make_agencies(self):
        rng = self.random
        self.council_of = {}
        for code, row in sorted(self.authorities.items()):
            if code in SHARED_SERVICES:
                continue
            agency = dict(id=slug(row["name"]), name=f"{row['name']} fostering service", kind="LOCAL_AUTHORITY",
                          ofsted_urn="", ofsted_rating="", authority=code, region=row["region"])
            self.council_of[code] = agency
            self.agencies.append(agency)
        for code, host in SHARED_SERVICES.items():
            self.council_of[code] = self.council_of[host]
        names = [f"{a} {b}" for b in WORDS_B for a in WORDS_A]
        rng.shuffle(names)
        regions = apportion(INDEPENDENT_AGENCIES, {r: sum(self.weights.get(c, 0) for c in codes)
                                                   for r, codes in self.by_region.items()})
        self.independents = {code: [] for code in self.authorities}
        ratings = ["OUTSTANDING"] * 20 + ["GOOD"] * 73 + ["REQUIRES_IMPROVEMENT"] * 6 + ["INADEQUATE"] * 1  # OF20
        number = 0
        for region, count in sorted(regions.items()):
            for _ in range(count):
                number += 1
                urn = f"SC{rng.randrange(30000, 480000):06d}" if rng.random() < .6 else str(1_200_000 + number * 37)
                agency = dict(id=slug(names[number - 1]), name=names[number - 1], kind="INDEPENDENT", ofsted_urn=urn,
                              ofsted_rating=rng.choice(ratings), authority="", region=region)
                self.agencies.append(agency)
                # A few large groups, many small agencies; each recruits in a part of its region.
                size = min(rng.paretovariate(1.1), 40)
                reach = max(1, int(len(self.by_region[region]) * min(1, .25 + size / 40)))
                for code in rng.sample(self.by_region[region], reach):
                    self.independents[code].append((agency, size))
        for code, rows in self.independents.items():
            if not rows:   # no agency happens to recruit here: all of the region do
                rows.extend((a, 1) for a in self.agencies if not a["authority"]
                            and a["region"] == self.authorities[code]["region"])
        for index, agency in enumerate(self.agencies):
            # 01632 is the area code kept for fiction, 0808 157 0xxx and example.org likewise.
            agency["phone"] = f"01632 96{index % 10000:04d}"
            agency["out_of_hours_phone"] = f"0808 157 0{index % 1000:03d}"
            agency["email"] = f"placements@{agency['id']}.example.org"
            agency["count"] = 0

    # --- households -------------------------------------------------------------------------------------------
    def _make_households(self):
        rng = self.random
        kinship = round(self.total * KINSHIP_SHARE)
        per_authority = apportion(self.total, self.weights)
        homes = [code for code, count in sorted(per_authority.items()) for _ in range(count)]
        rng.shuffle(homes)
        for index, code in enumerate(homes):
            self.households.append(self._kinship(code) if index < kinship else self._mainstream(code))

    def _start(self, code, agency, sector):
        agency["count"] += 1
        prefix = "".join(word[0] for word in agency["id"].split("-"))[:3].upper()
        return dict(agency=agency, authority=code, agency_reference=f"{prefix}-{agency['count']:05d}", postcode=sector,
                    placed=[], own=[], exemptions=[], reason="", vacancy="NONE", beds=0, on_call="no",
                    reserved_until="", vacancy_care_types=[])

    def _sector(self, code):
        point = self.random.randrange(self.cumulative[code][-1])
        low, high = 0, len(self.cumulative[code]) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.cumulative[code][middle] <= point else (low, middle)
        return self.sectors[code][low][0]

    def _day(self, days):
        return time.strftime("%Y-%m-%d", time.gmtime(self.now + days * 86400))

    def _kinship(self, code):
        """A relative or friend approved for a named child: registered, never offered. Half of new approvals (FN612)."""
        rng = self.random
        home = self._start(code, self.council_of[code], self._sector(code))
        children = rng.choices((1, 2, 3), (.68, .24, .08))[0]
        home.update(leaning="kinship", named_child_only="yes", places=children, max_children=children,
                    age_from="0", age_to="17", sex="", care_types=["LONG_TERM"], bedrooms=children,
                    room_sharing="SIBLINGS" if children > 1 else "NONE", training="", skills=[], features=[],
                    pets=[], cannot_take=[], languages=[], approved_on=self._day(-int(rng.expovariate(1 / 700)) - 5))
        group = 1 if children > 1 else 0
        for _ in range(children):
            home["placed"].append((rng.choice(BANDS)[0], self._sex(), group, code))
        return home

    def _sex(self):
        return "M" if self.random.random() < .56 else "F"   # EES25: 56% male

    def _mainstream(self, code):
        rng = self.random
        independent = rng.random() < INDEPENDENT_PLACES
        if independent:
            rows = self.independents[code]
            agency = rng.choices([a for a, _ in rows], [w for _, w in rows])[0]
        else:
            # Some of a council's carers live over its border.
            near = self.adjoining[code]
            agency = self.council_of[rng.choice(near) if near and rng.random() < .07 else code]
        home = self._start(code, agency, self._sector(code))
        names = list(LEANINGS)
        shares = [LEANINGS[n]["share"] * (1.6 if independent and n in ("teenagers", "therapeutic", "parent_and_child")
                                          else 1) for n in names]
        leaning = rng.choices(names, shares)[0]
        lean = LEANINGS[leaning]
        low, high = rng.choice(lean["ages"])
        high = min(high, 17)
        places = rng.choices((1, 2, 3, 4), (.28, .42, .25, .05))[0]
        if leaning == "parent_and_child":
            places = max(places, 2)
        years = rng.expovariate(1 / 7)
        home.update(leaning=leaning, named_child_only="no", places=places, max_children=places,
                    age_from=str(low), age_to=str(high), sex=rng.choices(("", "F", "M"), (.88, .07, .05))[0],
                    care_types=lean["always"] + [t for t, p in lean["maybe"].items() if rng.random() < p],
                    skills=[s for s, p in lean["skills"].items() if rng.random() < p * min(1, .5 + years / 8)],
                    approved_on=self._day(-int(min(years, 35) * 365) - 30))
        self._house(home, leaning, places, years)
        home["languages"] = [(tag, "FLUENT" if rng.random() < .7 else "CONVERSATIONAL")
                             for tag, share in LANGUAGES.items()
                             if rng.random() < share[0 if code.startswith("E09") else 1]]
        return home

    def _house(self, home, leaning, places, years):
        rng = self.random
        bedrooms = places - (1 if places > 1 and rng.random() < .3 else 0)
        sharing = "SIBLINGS" if bedrooms < places else rng.choices(("NONE", "SIBLINGS", "BY_AGREEMENT"),
                                                                  (.62, .33, .05))[0]
        disability = leaning == "disability"
        features = []
        if rng.random() < (.6 if disability else .16):
            features.append("STEP_FREE")
            if rng.random() < (.7 if disability else .25):
                features.append("GROUND_FLOOR_BEDROOM")
                if rng.random() < (.75 if disability else .3):
                    features += ["WHEELCHAIR", "ADAPTED_BATHROOM"]
                    if disability and rng.random() < .4:
                        features += ["HOIST", "WHEELCHAIR_VEHICLE"]
        if rng.random() < .82:
            features.append("SMOKE_FREE")
        pets = [pet for pet, share in (("DOG", .31), ("CAT", .22), ("SMALL_FURRY", .08), ("BIRD", .04),
                                       ("REPTILE_OR_FISH", .06), ("FARM_ANIMAL", .01)) if rng.random() < share]
        wary = .3 if leaning in ("babies", "disability", "parent_and_child") else .18
        if leaning in ("therapeutic", "teenagers"):
            wary = .08
        cannot = [risk for risk, factor in (("FIRE_SETTING", 1.6), ("SEXUAL_HARM_TO_OTHERS", 1.6),
                                            ("PHYSICAL_HARM_TO_OTHERS", .9), ("DRUGS_ALCOHOL", .8), ("MISSING", .4),
                                            ("SELF_HARM", .5), ("CRIMINAL_EXPLOITATION", .6),
                                            ("EATING_DISORDER", .3)) if rng.random() < wary * factor]
        if pets and rng.random() < .5:
            cannot.append("HARM_TO_ANIMALS")
        own = [(rng.choice(BANDS)[0], self._sex()) for _ in range(rng.choices((0, 1, 2, 3), (.66, .18, .12, .04))[0])]
        training = "PREPARATION" if years < 1 else "SPECIALIST" if leaning == "therapeutic" or rng.random() < .15 \
            else "TSD_STANDARDS"
        home.update(bedrooms=bedrooms, room_sharing=sharing, features=features, pets=pets, cannot_take=cannot, own=own,
                    training=training)

    # --- who is placed, and what is free ----------------------------------------------------------------------
    def _settle_places(self):
        """Nudges households' places until the nation's sum is exact."""
        rng = self.random
        mainstream = [h for h in self.households if h["named_child_only"] == "no"]
        missing = round(PLACES * self.scale) - sum(h["places"] for h in mainstream)
        while missing:
            home = rng.choice(mainstream)
            step = 1 if missing > 0 else -1
            if 1 <= home["places"] + step <= 4 and not (home["leaning"] == "parent_and_child" and step < 0):
                home["places"] = home["max_children"] = home["places"] + step
                home["bedrooms"] = max(1, min(home["bedrooms"] + step, home["places"]))
                if home["bedrooms"] < home["places"] and home["room_sharing"] == "NONE":
                    home["room_sharing"] = "SIBLINGS"
                missing -= step

    def _place_children(self, home, count):
        rng = self.random
        low, high = int(home["age_from"]), int(home["age_to"])
        bands = [name for name, start, end in BANDS if start >= low and end <= high + 1]
        if not bands:
            bands = [name for name, start, end in BANDS if start <= low < end]
        independent = not home["agency"]["authority"]
        group, tag = 0, 0
        while len(home["placed"]) < count:
            free = count - len(home["placed"])
            # Group size mean about 2.5 among siblings (CELCIS); a third of children are placed with one.
            size = rng.choice((2, 2, 3)) if free > 1 and rng.random() < .33 else 1
            size = min(size, free)
            group = group + 1 if size > 1 else group
            tag = group if size > 1 else 0
            authority = home["authority"] if not independent or rng.random() < .45 else \
                rng.choice(self.by_region[self.authorities[home["authority"]]["region"]])
            for _ in range(size):
                home["placed"].append((rng.choice(bands), home["sex"] or self._sex(), tag, authority))

    def _settle_vacancies(self):
        """Fills places until the nation's filled count is exact, then divides what is left into vacant and not."""
        rng = self.random
        mainstream = [h for h in self.households if h["named_child_only"] == "no"]
        counts = []
        for home in mainstream:
            # Homes tend to be full or empty rather than half used; independents are a little fuller.
            bias = rng.betavariate(1.1, .68) + (.01 if not home["agency"]["authority"] else 0)
            counts.append(sum(rng.random() < bias for _ in range(home["places"])))
        missing = round(FILLED * self.scale) - sum(counts)
        while missing:
            index = rng.randrange(len(counts))
            step = 1 if missing > 0 else -1
            if 0 <= counts[index] + step <= mainstream[index]["places"]:
                counts[index] += step
                missing -= step
        for home, count in zip(mainstream, counts):
            self._place_children(home, count)
        with_room = [h for h in mainstream if h["places"] > len(h["placed"])]
        rng.shuffle(with_room)
        wanted = round(VACANT * self.scale)
        for home in with_room:
            free = home["places"] - len(home["placed"])
            vacant = wanted >= free
            wanted -= free if vacant else 0
            self._offer(home, free, vacant)
        assert wanted == 0

    def _offer(self, home, beds, vacant):
        rng = self.random
        home["beds"] = beds
        if vacant:
            home["vacancy"] = "VACANT"
            home["on_call"] = "yes" if "EMERGENCY" in home["care_types"] and rng.random() < .6 else "no"
            # Those who take emergencies confirm daily, the others about weekly.
            hours = rng.uniform(0, 18) if "EMERGENCY" in home["care_types"] else rng.triangular(0, 150, 20)
        elif rng.random() < .04:
            home["vacancy"], home["reserved_until"] = "RESERVED", self._day(rng.randrange(3, 28))
            hours = rng.uniform(0, 18)
        else:
            home["vacancy"] = "NOT_AVAILABLE"
            fits = [(r, s) for r, s in NOT_AVAILABLE if home["placed"] or r != "NEEDS_OF_CURRENT_CHILD"]
            home["reason"] = rng.choices([r for r, _ in fits], [s for _, s in fits])[0]
            hours = rng.uniform(0, 18)
        home["observed"] = self.now - int(hours * 3600)

    # --- out --------------------------------------------------------------------------------------------------
    def row(self, home):
        observed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(home.get("observed", self.now - 3600)))
        values = dict(
            agency_reference=home["agency_reference"], observed_at=observed, approved_on=home["approved_on"],
            max_children=home["max_children"], age_from=home["age_from"], age_to=home["age_to"], sex=home["sex"],
            care_types=";".join(home["care_types"]), named_child_only=home["named_child_only"],
            places=home["places"], bedrooms=home["bedrooms"], room_sharing=home["room_sharing"],
            postcode=home["postcode"], placed=";".join(":".join(map(str, child)) for child in home["placed"]),
            household=";".join(":".join(child) for child in home["own"]), home_features=";".join(home["features"]),
            pets=";".join(home["pets"]), cannot_take=";".join(home["cannot_take"]), skills=";".join(home["skills"]),
            training=home["training"], languages=";".join(":".join(pair) for pair in home["languages"]),
            vacancy=home["vacancy"], reason=home["reason"], beds=home["beds"] or "", on_call=home["on_call"],
            reserved_until=home["reserved_until"])
        return [values.get(name, "") for name in HEADER]

    @staticmethod
    def write_agencies(path, agencies):
        with open(path, "w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            names = "id name kind ofsted_urn ofsted_rating phone email out_of_hours_phone authority".split()
            writer.writerow(names)
            writer.writerows([agency[name] for name in names] for agency in agencies)

    def write(self, out):
        os.makedirs(os.path.join(out, "push"), exist_ok=True)
        os.makedirs(os.path.join(out, "agencies"), exist_ok=True)
        self.write_agencies(os.path.join(out, "agencies.csv"), self.agencies)
        for region in self.by_region:
            self.write_agencies(os.path.join(out, "agencies", f"{region}.csv"),
                                [agency for agency in self.agencies if agency["region"] == region])
        by_agency = {agency["id"]: [] for agency in self.agencies}
        for home in self.households:
            by_agency[home["agency"]["id"]].append(home)
        for agency, homes in by_agency.items():
            with open(os.path.join(out, "push", f"{agency}.csv"), "w", encoding="utf-8", newline="") as handle:
                writer = csv.writer(handle, lineterminator="\n")
                writer.writerow(HEADER)
                writer.writerows(self.row(home) for home in homes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="folder to write to")
    parser.add_argument("--households", type=int, default=HOUSEHOLDS, help="a smaller or larger nation")
    parser.add_argument("--seed", type=int, default=20240331)
    parser.add_argument("--now", type=int, help="Unix time that counts as now")
    options = parser.parse_args()
    nation = Nation(options.seed, options.households, options.now)
    nation.write(options.out)
    print(f"{len(nation.households)} households of {len(nation.agencies)} agencies in {options.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
