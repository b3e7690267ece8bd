"""What the bench pushes and asks: a register of N live vacancies and varied searches, as packed messages in files.

Owns: writing the vacancies that questions.py draws (carers of the demo's nation, so terms, skills, children placed and
what is free depend on each other as in life; each copied to further sectors of its authority, into houses of others of
its leaning, until there are N), the searches that placement teams might ask, and the mixed questions. Fixed seed.
A file holds messages, each after its length (4 octets, little-endian), as tests/bench/lib/links.h reads them.
"""
import os
import random
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "demo")]

import nation  # noqa: E402
import questions  # noqa: E402
import stubs  # noqa: E402

SEED = 20241122
# Care type, share, ages asked for. The shares are this bench's own.
ASKED = [("SHORT_TERM", .40, (0, 17)), ("LONG_TERM", .25, (3, 16)), ("EMERGENCY", .15, (0, 17)),
         ("RESPITE", .05, (2, 15)), ("THERAPEUTIC", .04, (7, 16)), ("UASC", .04, (14, 17)), ("BRIDGING", .03, (10, 17)),
         ("PARENT_AND_CHILD", .02, (16, 17)), ("DISABLED_CHILDREN", .02, (3, 16))]
METRES_IN_A_MILE = 1609.344
KEPT = os.path.join(HERE, "..", "..", "build", "bench")


class Codes:
    """codes.CARE_TYPE["SHORT_TERM"]"""

    def __init__(self, messages):
        self.CARE_TYPE = self.of(messages, "CareType", "CARE_TYPE_")
        self.SEX = {**self.of(messages, "Sex", "SEX_"), "": 0}
        self.BAND = {name.replace("_", "-"): number
                     for name, number in self.of(messages, "AgeBand", "AGE_BAND_").items()}
        self.SHARING = self.of(messages, "RoomSharing", "ROOM_SHARING_")
        self.FEATURE = self.of(messages, "HomeFeature", "HOME_FEATURE_")
        self.PET = self.of(messages, "Pet", "PET_")
        self.RISK = self.of(messages, "Risk", "RISK_")
        self.SKILL = self.of(messages, "Skill", "SKILL_")
        self.TRAINING = {**self.of(messages, "TrainingLevel", "TRAINING_LEVEL_"), "": 0}
        self.LEVEL = self.of(messages, "LanguageLevel", "LANGUAGE_LEVEL_")
        self.STATE = self.of(messages, "VacancyState", "VACANCY_STATE_")
        self.REASON = self.of(messages, "NotAvailableReason", "NOT_AVAILABLE_REASON_")
        self.PURPOSE = self.of(messages, "Purpose", "PURPOSE_")
        self.ALONGSIDE = self.of(messages, "CaredForAlongside", "CARED_FOR_ALONGSIDE_")
        self.GROUPING = self.of(messages, "Grouping", "GROUPING_")

    @staticmethod
    def of(messages, name, prefix):
        return {key[len(prefix):]: number for key, number in messages.enum(name).items()}


def write_message(handle, message):
    octets = message.SerializeToString()
    handle.write(struct.pack("<I", len(octets)) + octets)


def carer_of(messages, codes, home, now_ms):
    return messages.Carer(
        observed_at_ms=now_ms - 7 * 3600_000, approved_on=home["approved_on"], places=home["places"],
        terms=messages.Terms(max_children=home["max_children"], age_from_months=12 * int(home["age_from"]),
                             age_below_months=12 * (int(home["age_to"]) + 1), sex=codes.SEX[home["sex"]],
                             care_types=[codes.CARE_TYPE[each] for each in home["care_types"]]),
        bedrooms=home["bedrooms"], room_sharing=codes.SHARING[home["room_sharing"]],
        placed_children=[messages.PlacedChild(age_band=codes.BAND[band], sex=codes.SEX[sex], sibling_group=group,
                                              responsible_authority=authority)
                         for band, sex, group, authority in home["placed"]],
        household_children=[messages.HouseholdChild(age_band=codes.BAND[band], sex=codes.SEX[sex])
                            for band, sex in home["own"]],
        home_features=[codes.FEATURE[each] for each in home["features"]], pets=[codes.PET[each] for each in home["pets"]],
        cannot_take=[codes.RISK[each] for each in home["cannot_take"]],
        skills=[codes.SKILL[each] for each in home["skills"]], training_level=codes.TRAINING[home["training"]],
        languages=[messages.SpokenLanguage(tag=tag, level=codes.LEVEL[level]) for tag, level in home["languages"]])


def vacancy_of(messages, codes, home):
    return messages.Vacancy(state=codes.STATE[home["vacancy"]], beds=home["beds"], on_call=home["on_call"] == "yes",
                            reason=codes.REASON[home["reason"]] if home["reason"] else 0,
                            reserved_until=home["reserved_until"])


def write_register(folder, register, count, agencies):
    """AGENCY.updates for each agency: a carer, then its vacancy, `count` times in all; gives how many are VACANT."""
    messages, rng, codes = stubs.load(), random.Random(SEED), register.codes
    now_ms = int(time.time() * 1000)
    files = {agency: open(os.path.join(folder, f"{agency}.updates"), "wb") for agency in agencies}
    templates = [(carer_of(messages, codes, home, now_ms), vacancy_of(messages, codes, home)) for home in register.homes]
    house_fields = ("home_features", "pets", "cannot_take")
    put, vacant = messages.SubmitRequest(), 0
    for index in range(count):
        carer, vacancy = templates[index % len(templates)]
        house = templates[register.house[index]][0]
        vacant += register.home_of(index)["vacancy"] == "VACANT"
        handle = files[agencies[index % len(agencies)]]
        put.Clear()
        put.tag = 2 * index + 1
        put.put_carer.carer.CopyFrom(carer)
        for field in house_fields:
            put.put_carer.carer.ClearField(field)
            getattr(put.put_carer.carer, field).extend(getattr(house, field))
        put.put_carer.carer.agency_reference = vacancy.agency_reference = reference(index)
        put.put_carer.carer.home_postcode = register.sector[index]
        write_message(handle, put)
        put.Clear()
        put.tag = 2 * index + 2
        # Within the last six hours: nothing lapses while the bench runs.
        vacancy.observed_at_ms = now_ms - rng.randrange(6 * 3600_000)
        put.put_vacancy.vacancy.CopyFrom(vacancy)
        write_message(handle, put)
    for handle in files.values():
        handle.close()
    return vacant


def reference(index):
    return f"B-{index:07d}"


def some(rng, table, share, most=2):
    """Now and then one or two codes of a list."""
    if rng.random() >= share:
        return []
    return rng.sample([number for name, number in table.items() if number], rng.randint(1, most))


def children_of(messages, codes, rng, care_type, ages):
    if care_type == "PARENT_AND_CHILD":
        years = [17, 0]
    else:
        first = rng.randint(*ages)
        years = [first] + [max(0, min(17, first + rng.choice((-4, -3, -2, 2, 3))))
                           for _ in range(rng.choices((0, 1, 2), (.72, .21, .07))[0])]
    return [messages.Child(age_months=12 * age or rng.randint(0, 11), sex=codes.SEX[rng.choice("MF")]) for age in years]


def search(messages, codes, rng, model, authorities, weights, index):
    care_type, _, ages = rng.choices(ASKED, [share for _, share, _ in ASKED])[0]
    request = messages.FindVacanciesRequest(
        request_reference=f"383-{200000 + index}", purpose=codes.PURPOSE["PLACEMENT"],
        near_postcode=model._sector(rng.choices(authorities, weights)[0]), care_type=codes.CARE_TYPE[care_type],
        children=children_of(messages, codes, rng, care_type, ages), grouping=codes.GROUPING["TOGETHER"],
        risks=some(rng, codes.RISK, .15), no_pets=some(rng, codes.PET, .15), skills=some(rng, codes.SKILL, .25))
    if rng.random() < .06:
        request.home_features.extend(codes.FEATURE[each] for each in ("STEP_FREE", "WHEELCHAIR"))
    if rng.random() < .08:
        request.alongside = codes.ALONGSIDE[rng.choice(("SOLO", "ONLY_WITH_OLDER", "ONLY_WITH_YOUNGER"))]
    if rng.random() < .15:
        request.languages.append(rng.choice(list(nation.LANGUAGES)))
    if rng.random() < .3:
        request.within_metres = round(rng.choice((10, 20, 50)) * METRES_IN_A_MILE)
    if rng.random() < .1:
        request.avoid.add(postcode=request.near_postcode, radius_metres=rng.choice((2000, 5000)))
    if rng.random() < .1:
        request.limit = 10
    return request


def write_searches(path, model, codes, count):
    """As placement teams ask: kinds of care, ages and needs by their shares."""
    messages, rng = stubs.load(), random.Random(SEED + 1)
    authorities, weights = list(model.weights), list(model.weights.values())
    with open(path, "wb") as handle:
        for index in range(count):
            write_message(handle, search(messages, codes, rng, model, authorities, weights, index))


def write_questions(path, codes, found, **more):
    """The mixed questions as requests."""
    messages = stubs.load()
    with open(path, "wb") as handle:
        for index, question in enumerate(found):
            write_message(handle, question.request(messages, codes, index, **more))


def write_one(path, octets=b""):
    """A file of one message."""
    with open(path, "wb") as handle:
        handle.write(struct.pack("<I", len(octets)) + octets)


class Dataset:
    """Written into `folder`: updates {agency: file}; searches, as teams ask; mixed, the questions of questions.py nearest
    first and unexplained; mixed_default, the same in the default order and explained."""

    def __init__(self, folder, vacancies, agencies, searches, mixed):
        os.makedirs(folder, exist_ok=True)
        self.codes, model = Codes(stubs.load()), nation.Nation()
        self.register = questions.Register(model, self.codes)
        self.vacant = write_register(folder, self.register, vacancies, agencies)
        self.updates = {agency: os.path.join(folder, f"{agency}.updates") for agency in agencies}
        self.searches, self.mixed, self.mixed_default = (os.path.join(folder, name)
                                                         for name in ("searches", "mixed", "mixed-default"))
        write_searches(self.searches, model, self.codes, searches)
        self.questions, self.in_bin = questions.drawn(self.register, mixed, KEPT) if mixed else ([], [])
        never = stubs.load().enum("ExplainWhen")["EXPLAIN_WHEN_NEVER"]
        write_questions(self.mixed, self.codes, self.questions, order_name="nearest", explain=never)
        write_questions(self.mixed_default, self.codes, self.questions)
