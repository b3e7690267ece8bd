#!/usr/bin/python3
"""Computes daemon/gazetteer/data/*.csv, the tables that are built into vacancyd.

    tools/gazetteer/make_tables.py CODEPOINT_DIR REFERENCE_DIR [OUT_DIR]

CODEPOINT_DIR  OS Code-Point Open, unzipped (Data/CSV/*.csv, Doc/metadata.txt)
REFERENCE_DIR  local_authorities.csv, regions.csv, la_neighbours.csv, la_code_changes.csv, languages.csv
OUT_DIR        default daemon/gazetteer/data

The same input gives the same octets. Memory: about 32 octets a postcode (60 MB for England). Nothing is fetched.

A sector's or an outcode's reach is the distance from the middle of its square (what the program takes as its place) to
the farthest of its placed postcodes, of any country, whole metres, rounded up: the circle of that radius holds all.

Cells (design.md 4.9). Per authority, squares of 1, 2, 4, 8, 16 km on the national grid, then the whole authority: the
unit postcodes that are in no smaller cell form a cell where a square holds at least 20 of them. What is left at the
end forms the cell of the whole authority if it is 20 or more; fewer join the authority's largest-square cell. Where
several squares have that largest size, the one with the fewest postcodes is taken (then the most south-westerly), so
that the fewest homes share the vagueness that the newcomers bring.
Changing a published cell map moves homes between cells, which two editions side by side could narrow: a new edition of
the postcode file is no reason to run this again; a reorganisation of authorities is, for the authorities concerned.
"""
import csv
import math
import os
import re
import sys
from array import array
from collections import Counter, defaultdict

MINIMUM = 20
ONE_SPOT_METRES = 300
SIZES_KM = (1, 2, 4, 8, 16)
ENGLAND = "E92000001"


def fail(text):
    sys.exit("make_tables: " + text)


def mean(total, count):
    """Rounded half up, in integers."""
    return (2 * total + count) // (2 * count)


class Authority:
    def __init__(self):
        self.east, self.north, self.out = array("i"), array("i"), array("H")


class Group:
    """A sector or an outcode: where its placed postcodes are, and whose they are."""

    __slots__ = ("east", "north", "count", "countries", "authorities", "box", "points")

    def __init__(self):
        self.east = self.north = self.count = 0
        self.points = array("i")
        self.box = None
        self.countries, self.authorities = Counter(), Counter()

    def add(self, east, north, country, authority):
        self.east += east
        self.north += north
        self.count += 1
        self.points.extend((east, north))
        w, s, e, n = self.box or (east, north, east, north)
        self.box = (min(w, east), min(s, north), max(e, east), max(n, north))
        self.countries[country] += 1
        if country == ENGLAND and authority:
            self.authorities[authority] += 1

    def square(self):
        return mean(self.east, self.count) // 1000, mean(self.north, self.count) // 1000

    def reach(self):
        e, n = (km * 1000 + 500 for km in self.square())
        farthest = max((x - e) ** 2 + (y - n) ** 2 for x, y in zip(self.points[::2], self.points[1::2]))
        return math.isqrt(farthest - 1) + 1 if farthest else 0

    def english(self):
        top = max(self.countries.values())
        return self.countries[ENGLAND] == top and bool(self.authorities)

    def is_one_spot(self):
        """A sorting office's or one large user's code: not what people call an area."""
        w, s, e, n = self.box
        return max(e - w, n - s) <= ONE_SPOT_METRES

    def authority(self):
        return min(self.authorities, key=lambda code: (-self.authorities[code], code))


def read_postcodes(folder):
    names = sorted(n for n in os.listdir(folder) if n.endswith(".csv"))
    if not names:
        fail("no .csv file in " + folder)
    authorities, sectors, outcodes = defaultdict(Authority), defaultdict(Group), defaultdict(Group)
    out_names, out_index = [], {}
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as f:
            for line, row in enumerate(csv.reader(f), 1):
                if len(row) != 10:
                    fail("%s:%d: %d columns, expected 10" % (name, line, len(row)))
                postcode = row[0].replace(" ", "")
                if not re.fullmatch(r"[A-Z]{1,2}[0-9][0-9A-Z]?[0-9][A-Z]{2}", postcode):
                    fail("%s:%d: not a postcode" % (name, line))
                east, north, country = int(row[2]), int(row[3]), row[4]
                if row[1] == "90" or not (east and north):
                    continue
                authority = row[7] or row[8]
                outcode = postcode[:-3]
                sectors[outcode + " " + postcode[-3]].add(east, north, country, authority)
                outcodes[outcode].add(east, north, country, authority)
                if country == ENGLAND and authority:
                    if outcode not in out_index:
                        out_index[outcode] = len(out_names)
                        out_names.append(outcode)
                    at = authorities[authority]
                    at.east.append(east)
                    at.north.append(north)
                    at.out.append(out_index[outcode])
    return authorities, sectors, outcodes, out_names


def cells_of(at):
    """[(size_km, e_km, n_km, members, takes_rest)] of one authority; members are indexes into its arrays."""
    left, cells = range(len(at.east)), []
    for size in SIZES_KM:
        squares = defaultdict(list)
        for i in left:
            squares[at.east[i] // 1000 // size * size, at.north[i] // 1000 // size * size].append(i)
        left = []
        for (e, n), members in sorted(squares.items()):
            if len(members) >= MINIMUM:
                cells.append([size, e, n, members, 0])
            else:
                left.extend(members)
    if len(left) >= MINIMUM:
        cells.append([0, 0, 0, left, 1])
    else:
        if not cells:
            fail("an authority has fewer than %d postcodes" % MINIMUM)
        largest = min(cells, key=lambda c: (-c[0], len(c[3]), c[1], c[2]))
        largest[3].extend(left)
        largest[4] = 1
    return sorted(cells, key=lambda c: c[:3])


def cell_rows(authorities, outcodes, out_names):
    spots = {name for name in out_names if outcodes[name].is_one_spot()}
    for code in sorted(authorities):
        at = authorities[code]
        for size, e, n, members, rest in cells_of(at):
            count = len(members)
            tally = Counter(out_names[at.out[i]] for i in members)
            outcode = min(tally, key=lambda o: (o in spots, -tally[o], o)) if size else ""
            yield (code, size, e, n, mean(sum(at.east[i] for i in members), count),
                   mean(sum(at.north[i] for i in members), count), count, rest, outcode)


def group_rows(groups):
    for name in sorted(groups):
        group = groups[name]
        if group.english():
            yield (name, *group.square(), group.authority(), group.count, group.reach())


def table(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def authority_rows(reference, authorities):
    rows = sorted(table(reference, "local_authorities.csv"), key=lambda r: r["la"])
    if [r["la"] for r in rows] != sorted(authorities):
        fail("local_authorities.csv and the postcode file don't name the same authorities")
    for r in rows:
        at = authorities[r["la"]]
        yield (r["la"], r["short_name"], r["dfe_code"], r["region"], min(at.east) // 1000, min(at.north) // 1000,
               max(at.east) // 1000 + 1, max(at.north) // 1000 + 1)


def edition(folder):
    fields = {}
    with open(os.path.join(folder, "Doc", "metadata.txt"), encoding="utf-8") as f:
        for line in f:
            key, _, value = line.partition(":")
            fields[key.strip()] = value.strip()
    day = lambda text: "%s-%s-%s" % (text[:4], text[4:6], text[6:])
    return "OS Code-Point Open %s (copyright date %s, Royal Mail update %s)" % (
        fields["DATASET VERSION NUMBER"], day(fields["COPYRIGHT DATE"]), day(fields["RM UPDATE DATE"]))


def write(path, notes, columns, rows):
    with open(path, "w", encoding="utf-8", newline="") as f:
        for note in notes:
            f.write("# " + note + "\n")
        f.write(",".join(columns) + "\n")
        out = csv.writer(f, lineterminator="\n")
        count = 0
        for row in rows:
            out.writerow(row)
            count += 1
    print("%-40s %6d rows %8d octets" % (path, count, os.path.getsize(path)))


def main(codepoint, reference, out):
    source = "Computed by tools/gazetteer/make_tables.py from " + edition(codepoint) + "; OGL v3, see NOTICE."
    codes = "Authority codes as in force on 1 April 2025; OGL v3, see NOTICE."
    authorities, sectors, outcodes, out_names = read_postcodes(os.path.join(codepoint, "Data", "CSV"))
    path = lambda name: os.path.join(out, name)

    square = "The 1 km square (its south-west corner, national grid km) of the mean of its postcodes; the English " \
             "authority with most of them; metres from the square's middle to the farthest of them."
    columns = ("square_e_km", "square_n_km", "authority", "postcodes", "reach_m")
    write(path("sectors.csv"), ("Postcode sectors of England. " + source, square), ("sector",) + columns,
          group_rows(sectors))
    write(path("outcodes.csv"), ("Postcode outcodes of England. " + source, square), ("outcode",) + columns,
          group_rows(outcodes))
    write(path("cells.csv"), (
        "The cell map (design.md 4.9), edition 1. " + source,
        "size_km 0 is the whole authority. The point is the mean of the cell's postcodes, in metres. takes_rest: the "
        "authority's one cell for places in no other.",
        "outcode, for the area's name, is the one most frequent in the cell (sorting offices' apart): a function of "
        "the cell, the same for every home in it, so it tells nothing that the cell doesn't."),
        ("authority", "size_km", "square_e_km", "square_n_km", "point_e_m", "point_n_m", "postcodes", "takes_rest",
         "outcode"), cell_rows(authorities, outcodes, out_names))
    write(path("authorities.csv"), ("The children's services authorities of England. " + codes,
                                    "The box (national grid km) holds all its postcodes. " + source),
          ("authority", "name", "dfe_number", "region", "west_km", "south_km", "east_km", "north_km"),
          authority_rows(reference, authorities))
    write(path("regions.csv"), ("The regions of England. " + codes,), ("region", "name"),
          sorted((r["region"], r["name"]) for r in table(reference, "regions.csv")))
    write(path("adjoining.csv"), (
        "Which authorities adjoin: land and point do; water is \"across water, check\" and counts as at a distance.",
        "Derived from ONS boundaries of December 2023 (generalised to 200 m), codes of 1 April 2025; OGL v3, see "
        "NOTICE."), ("authority", "neighbour", "kind"),
        sorted((r["la"], r["neighbour"], r["kind"]) for r in table(reference, "la_neighbours.csv")))
    write(path("code_changes.csv"), ("Authority codes replaced since 2013. " + codes,),
          ("old", "old_name", "new", "new_name", "year", "kind"),
          sorted((r["old_la"], r["old_name"], r["new_la"], r["new_name"], r["year"], r["kind"])
                 for r in table(reference, "la_code_changes.csv")))
    write(path("languages/languages.csv"), (
        "Languages: BCP 47 tag (ISO 639-1 code, else ISO 639-3), ISO 639-3 code, name, whether a Census 2021 category.",
        "From iso-codes 4.15.0; licence LGPL-2.1-or-later, see LICENSE and NOTICE beside this file."),
        ("tag", "iso639_3", "name", "census_2021"),
        sorted((r["iso639_1"] or r["code"], r["code"], r["name"], "1" if r["census_2021"] else "0")
               for r in table(reference, "languages.csv")))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) == 4 else
         os.path.join(os.path.dirname(__file__), "..", "..", "daemon", "gazetteer", "data"))
