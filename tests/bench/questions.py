"""Questions whose selectivity runs from 30 % to one in a million, spread evenly in log scale, as bench_match.c has them
in process; and the register's vacancies as the tokens that a database can index.

Owns: the vacancies that dataset.py pushes as plain facts (a home of the demo's nation, in the house of another of the
same leaning, in a sector of its authority), drawn for a million whatever number is pushed; counting how many of the
million meet a question, with one big integer a token, a bit for each vacancy; and the questions. Fixed seed.
A token is a code that a vacancy has. What a question needs is tokens that a vacancy must have, all of them, and a
distance: that is the whole of it, so the same question can be put to a database as `tokens @> ...`.
"""
import array
import bisect
import csv
import hashlib
import math
import os
import pickle
import random

import nation

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "daemon", "gazetteer", "data")

SAMPLE = 1_000_000   # vacancies that selectivity is counted over
FIRST_PART = 100_000
MOST = 0.3
BINS = 11            # two to a decade, from 30 % down to one in a million
OPTIONS = 3
ASKED_MOST = 16
NEAR_MOST = 1500
SEED = 20261122
FOSTERING_LIMIT = 3  # Children Act 1989 Sch 7
OVER_THREE = ("3-5", "6-8", "9-11", "12-14", "15-17")
MILES = 1609.344

# Of tokens: what kind of fact, then its code.
VACANT, ALONE = 1, 2
CARE, AGE, SEX, ROOM, BEDROOMS, FEATURE, TAKES, WITHOUT = range(100, 900, 100)


def read_table(name):
    with open(os.path.join(DATA, name), encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(line for line in handle if not line.startswith("#")))


class Places:
    """Points in metres: of sectors as asked for, and of the cells that homes in them are shown at."""

    def __init__(self):
        cells, rest = {}, {}
        for row in read_table("cells.csv"):
            point = int(row["point_e_m"]), int(row["point_n_m"])
            cells[row["authority"], int(row["size_km"]), int(row["square_e_km"]), int(row["square_n_km"])] = point
            if row["takes_rest"] == "1":
                rest[row["authority"]] = point
        self.asked, self.home = {}, {}
        for row in read_table("sectors.csv"):
            e, n, authority = int(row["square_e_km"]), int(row["square_n_km"]), row["authority"]
            around = (cells.get((authority, size, e - e % size, n - n % size)) for size in (1, 2, 4, 8, 16))
            self.asked[row["sector"]] = 1000 * e + 500, 1000 * n + 500
            self.home[row["sector"]] = next((point for point in around if point), rest.get(authority))


def room_of(home):
    """How many siblings may come: beds, terms, usual fostering limit."""
    placed = len(home["placed"])
    room = min(home["beds"], home["max_children"] - placed)
    return max(0, min(room, FOSTERING_LIMIT - placed) if placed else room)


def bedrooms_of(home):
    """How many of them may be over three."""
    may_share, seen, needed = home["room_sharing"] in ("SIBLINGS", "BY_AGREEMENT"), set(), 0
    for band, _, group, _ in home["placed"]:
        if band in OVER_THREE and not (may_share and group and group in seen):
            needed += 1
            seen.add(group)
    free = max(0, home["bedrooms"] - needed)
    return 12 if may_share and free else free


class Register:
    """`codes`: dataset.Codes. Homes are the nation's with a vacancy of any state."""

    def __init__(self, model, codes):
        self.homes = [home for home in model.households if home["vacancy"] != "NONE"]
        self.codes, self.model, self.places = codes, model, Places()
        rng = random.Random(SEED)
        alike = {}
        for index, home in enumerate(self.homes):
            alike.setdefault(home["leaning"], []).append(index)
        count = len(self.homes)
        self.house = array.array("i", (rng.choice(alike[self.homes[i % count]["leaning"]]) if i >= count else i
                                       for i in range(SAMPLE)))
        self.sector, self.e, self.n = [], array.array("i"), array.array("i")
        for i in range(SAMPLE):
            sector = self.draw_sector(rng, self.homes[i % count]["authority"])
            self.sector.append(sector)
            e, n = self.places.home[sector]
            self.e.append(e)
            self.n.append(n)
        self.own_tokens = [self.tokens_of_home(home) for home in self.homes]
        self.house_tokens = [self.tokens_of_house(home) for home in self.homes]
        self.all_bits = self.bits_of(SAMPLE)
        self.first_bits = {token: bits & (1 << FIRST_PART) - 1 for token, bits in self.all_bits.items()}

    def draw_sector(self, rng, authority):
        table = self.model.cumulative[authority]
        return self.model.sectors[authority][bisect.bisect_right(table, rng.randrange(table[-1]))][0]

    def home_of(self, index):
        return self.homes[index % len(self.homes)]

    def house_of(self, index):
        return self.homes[self.house[index]]

    def tokens_of_home(self, home):
        codes = self.codes
        tokens = [CARE + codes.CARE_TYPE[each] for each in home["care_types"]]
        tokens += [AGE + year for year in range(int(home["age_from"]), int(home["age_to"]) + 1)]
        tokens += [SEX + codes.SEX[sex] for sex in (home["sex"] or "MF")]
        tokens += [ROOM + n for n in range(1, room_of(home) + 1)]
        tokens += [BEDROOMS + n for n in range(1, bedrooms_of(home) + 1)]
        tokens += [VACANT] * (home["vacancy"] == "VACANT") + [ALONE] * (not home["placed"] and not home["own"])
        return tokens

    def tokens_of_house(self, home):
        codes = self.codes
        tokens = [FEATURE + codes.FEATURE[each] for each in home["features"]]
        tokens += [TAKES + code for name, code in codes.RISK.items() if code and name not in home["cannot_take"]]
        tokens += [WITHOUT + code for name, code in codes.PET.items() if code and name not in home["pets"]]
        return tokens

    def tokens(self, index):
        return self.own_tokens[index % len(self.homes)] + self.house_tokens[self.house[index]]

    def bits_of(self, count):
        """Each token's vacancies: bit i is vacancy i."""
        bits = {}

        def add(tokens_of_homes, spread):
            for token in {token for tokens in tokens_of_homes for token in tokens}:
                bits[token] = int(spread([b"1"[0] if token in tokens else b"0"[0] for tokens in tokens_of_homes])[::-1], 2)

        homes = len(self.homes)
        add(list(map(set, self.own_tokens)), lambda flags: (bytes(flags) * (count // homes + 1))[:count])
        add(list(map(set, self.house_tokens)), lambda flags: bytes(map(flags.__getitem__, self.house[:count])))
        return bits


class Question:
    """One question for a home that meets it, with so many things asked for."""

    def __init__(self, rng, register, index, asked):
        codes, home = register.codes, register.home_of(index)
        have = register.tokens(index)
        years = range(int(home["age_from"]), int(home["age_to"]) + 1 if bedrooms_of(home) else 3)
        self.care = rng.choice([token for token in have if token // 100 == CARE // 100]) if asked else \
            CARE + codes.CARE_TYPE[home["care_types"][0]]
        room = room_of(home)
        count = rng.randint(2, room) if asked > 3 and room > 1 and rng.random() < .5 else 1
        self.ages = [rng.choice(years) if asked else years[len(years) // 2] for _ in range(count)]
        while sum(age >= 3 for age in self.ages) > bedrooms_of(home):
            self.ages.pop()
        self.sexes = [codes.SEX[rng.choice(home["sex"] or "MF")] for _ in self.ages]
        self.features, self.risks, self.no_pets, self.skills = set(), set(), set(), set()
        self.alone, self.within = False, 0
        sector = register.draw_sector(rng, rng.choices(register.model_codes, register.model_weights)[0])
        for _ in range(min(asked, ASKED_MOST)):
            self.ask_more(rng, register, index)
        if self.within:
            sector = register.sector[index]
        self.sector, (self.e, self.n) = sector, register.places.asked[sector]
        over_three = sum(age >= 3 for age in self.ages)
        self.tokens = sorted({VACANT, self.care, AGE + min(self.ages), AGE + max(self.ages), ROOM + len(self.ages)} |
                             {SEX + sex for sex in self.sexes} | self.features | self.risks | self.no_pets |
                             ({BEDROOMS + over_three} if over_three else set()) | ({ALONE} if self.alone else set()))

    def ask_more(self, rng, register, index):
        what, have = rng.randrange(9), register.house_tokens[register.house[index]]
        kind = {0: FEATURE, 1: FEATURE, 2: TAKES, 3: TAKES, 4: TAKES, 5: WITHOUT}.get(what)
        if kind is not None:
            some = [token for token in have if token // 100 == kind // 100]
            if some:
                {FEATURE: self.features, TAKES: self.risks, WITHOUT: self.no_pets}[kind].add(rng.choice(some))
        elif what == 6:
            self.skills.add(rng.choice([code for code in register.codes.SKILL.values() if code]))
        elif what == 7:
            self.alone = self.alone or register.home_of(index)["placed"] == register.home_of(index)["own"] == []
        elif not self.within:
            self.within = round(rng.choice((2, 5, 10, 20, 50)) * MILES)

    def count(self, register, bits):
        """How many vacancies meet it. A distance is asked only where few are left without it."""
        found = -1
        for token in self.tokens:
            found &= bits.get(token, 0)
        count = found.bit_count()
        if not self.within:
            return count
        if count > NEAR_MOST:
            self.within = 0
            return count
        text, near, at, reach = bin(found)[:1:-1], 0, -1, (self.within + 1) ** 2
        all_e, all_n, e, n = register.e, register.n, self.e, self.n
        while (at := text.find("1", at + 1)) >= 0:
            near += (all_e[at] - e) ** 2 + (all_n[at] - n) ** 2 < reach
        return near

    def reaches(self, register, index):
        squared = (register.e[index] - self.e) ** 2 + (register.n[index] - self.n) ** 2
        return squared < (self.within + 1) ** 2

    def request(self, messages, codes, number, **more):
        return messages.FindVacanciesRequest(
            request_reference=f"383-{200000 + number}", purpose=codes.PURPOSE["PLACEMENT"], near_postcode=self.sector,
            care_type=self.care - CARE, grouping=codes.GROUPING["TOGETHER"], within_metres=self.within,
            children=[messages.Child(age_months=12 * age, sex=sex) for age, sex in zip(self.ages, self.sexes)],
            home_features=sorted(token - FEATURE for token in self.features), skills=sorted(self.skills),
            risks=sorted(token - TAKES for token in self.risks), no_pets=sorted(token - WITHOUT for token in self.no_pets),
            alongside=codes.ALONGSIDE["SOLO"] if self.alone else 0, **more)


def bin_of(count, of):
    """Half a decade each; BINS: outside."""
    if not count or count > MOST * of:
        return BINS
    return min(BINS - 1, math.floor(2 * math.log10(MOST * of / count)))


def drawn(register, wanted, folder):
    """draw(), kept in `folder` for the next time: it takes minutes, and always draws the same."""
    digest = hashlib.sha256(str(wanted).encode())
    for path in (__file__, nation.__file__):
        with open(path, "rb") as handle:
            digest.update(handle.read())
    path = os.path.join(folder, f"questions-{digest.hexdigest()[:16]}")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        with open(f"{path}.new", "wb") as handle:
            pickle.dump(draw(register, wanted), handle)
        os.rename(f"{path}.new", path)
    with open(path, "rb") as handle:
        return pickle.load(handle)


def draw(register, wanted):
    """`wanted` questions, as many in each bin as in another, mixed; and how many are in each."""
    rng, found, in_bin = random.Random(SEED + 1), [], [0] * BINS
    register.model_codes, register.model_weights = list(register.model.weights), list(register.model.weights.values())
    most, asked_in = -(-wanted // BINS), [1.2 * each for each in range(BINS)]
    room = [room_of(home) > 0 and home["vacancy"] == "VACANT" and
            not (int(home["age_from"]) >= 3 and bedrooms_of(home) == 0) for home in register.homes]
    for _ in range(400 * wanted):
        if len(found) == wanted:
            break
        index, target = rng.randrange(SAMPLE), rng.randrange(BINS)
        if not room[index % len(room)] or in_bin[target] >= most:
            continue
        question = Question(rng, register, index, int(asked_in[target]) + rng.randrange(3))
        if question.within and not question.reaches(register, index):
            continue
        count = question.count(register, register.first_bits)
        got = bin_of(count + .1, FIRST_PART)
        if count < 300 and abs(got - target) <= 2:
            got = bin_of(question.count(register, register.all_bits), SAMPLE)
        elif count < 300:
            got = BINS if got == BINS else -1 - got   # too far off to be worth counting
        bin_ = got if got >= 0 else -1 - got
        if got in range(BINS) and in_bin[got] < most:
            in_bin[got] += 1
            found.append(question)
        if bin_ < target and asked_in[target] < ASKED_MOST:
            asked_in[target] += .05
        elif target < bin_ < BINS and asked_in[target] > 0:
            asked_in[target] -= .05
    if len(found) < wanted:
        raise RuntimeError(f"only {len(found)} of {wanted} questions found: {in_bin}")
    rng.shuffle(found)
    return found, in_bin
