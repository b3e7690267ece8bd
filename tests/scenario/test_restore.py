"""Restores in a federation of three hubs with real daemons (issue 3, point 5; design.md section 9, Restore; row D12): what the
restored hub had signed since its backup comes back from its peers, under a new epoch; what only the agency knows of it is told
to the agency; nothing is decided before every peer was asked, or the operator accepted the loss."""
import os
import random
import re
import shutil
import subprocess
import time

import grpc
import pytest

import homes
import hub as library
import hubs as federations

pytestmark = pytest.mark.check

Code = grpc.StatusCode
NORTH, WEST, YORKSHIRE = federations.NORTH, federations.WEST, federations.YORKSHIRE
BOUND_S = 30 * library.SLOWNESS


@pytest.fixture
def three(federation, tmp_path, request):
    """Three hubs that decide, with Leeds's carers at Yorkshire's."""
    all_hubs = federations.Hubs(federation, tmp_path)
    request.node.hubs = list(all_hubs)
    try:
        all_hubs.start()
        all_hubs.wait_deciding()
        homes.register_agencies(all_hubs[YORKSHIRE])
        yield all_hubs
        all_hubs.stop()
    finally:
        for each in all_hubs:
            each.kill()


def references(prefix, count):
    return [f"{prefix}-{n}" for n in range(count)]


def push(hubs, messages, names, **changes):
    """Carer and vacancy of each; the last receipt."""
    with hubs[YORKSHIRE].client(homes.LEEDS) as leeds:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, each, **changes)}) for each in names])
        return homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, each)})
                                        for each in names])[-1].receipt


def carers(hubs):
    """What Leeds reads back: ({agency reference: national reference}, [national references of lost ones])."""
    with hubs[YORKSHIRE].client(homes.LEEDS) as leeds:
        views = [each.carer for each in leeds.call("AgencyService/ListCarers", timeout=30 * library.SLOWNESS)]
    return ({each.carer.agency_reference: each.national_reference for each in views if not each.lost_in_restore},
            sorted(each.national_reference for each in views if each.lost_in_restore))


def counted(hubs):
    """What the operator is told of Leeds: (carers, vacancies, lost)."""
    with hubs[YORKSHIRE].client(homes.OPERATOR) as operator:
        row = next(each for each in operator.call("HubService/ListAgencies") if each.agency.id == homes.LEEDS.split()[1])
    return row.carers, row.vacancies, row.lost_in_restore


def back_up(hubs, path):
    done = hubs[YORKSHIRE].run_vacancy(homes.OPERATOR, "hub", "backup", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def lose_and_unpack(hubs, path):
    """The machine is gone: killed, its data folder destroyed, the backup unpacked where that was."""
    yorkshire = hubs[YORKSHIRE]
    yorkshire.kill()
    shutil.rmtree(yorkshire.data)
    os.mkdir(yorkshire.data, 0o700)
    subprocess.run(["tar", "-xf", str(path), "-C", yorkshire.data], check=True)


def own_row(hubs, here=YORKSHIRE):
    return hubs.list_regions(here)[YORKSHIRE]


def horizon(hubs, here):
    """Of Yorkshire's log, as the hub at `here` says to other hubs."""
    asking = hubs.federation.principal("hub", WEST if here == NORTH else NORTH)
    with hubs[here].client(asking) as other:
        call = other.stream("FederationService/Follow",
                            iter([other.request("FederationService/Follow", positions={"complete": True})]))
        text = next(each.text for message in call if message.HasField("positions")
                    for each in message.positions.checkpoints if f"region {YORKSHIRE}\n" in each.text)
        call.cancel()
    return int(re.search(r"^horizon (\d+)$", text, re.M).group(1))


def standing(hubs, name):
    return own_row(hubs).standing == hubs.federation_messages().enum("Standing")[name]


def audit_verifies(hubs):
    verified = hubs[YORKSHIRE].run_vacancy(homes.AUDITOR, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def refused_write(hubs, messages):
    with hubs[YORKSHIRE].client(homes.LEEDS) as leeds:
        return leeds.outcome("AgencyService/PutCarer", carer=homes.carer(messages, "refused"))


def test_later_entries_come_back_from_peers(three, messages, tmp_path):
    early, late = references("early", 12), references("late", 40)  # lost ones: more than a page of the listing
    path = tmp_path / "backup.tar"
    push(three, messages, early)
    back_up(three, path)
    push(three, messages, late)
    # One that was in the backup is said anew: what is shared of it comes back newer than what was private.
    push(three, messages, early[:1], places=4)
    # Of another one only what nobody else has is said anew.
    moved = early[2]
    with three[YORKSHIRE].client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, moved, home_postcode="LS7 1AA"))
    before = three.wait_equal()
    known, lost = carers(three)
    assert sorted(known) == sorted(early + late) and not lost
    last = own_row(three)

    lose_and_unpack(three, path)
    three.start(YORKSHIRE)
    assert not os.path.exists(os.path.join(three[YORKSHIRE].data, "restored"))
    three.wait_deciding(YORKSHIRE, bound_s=BOUND_S)
    after = three.wait_equal(bound_s=BOUND_S)
    now = own_row(three)
    assert now.epoch == last.epoch + 1 and now.sequence > last.sequence
    # What the nation sees is what it saw.
    assert (now.records, now.state_digest) == (last.records, last.state_digest)
    assert {region: seen for region, seen in after.items() if region != YORKSHIRE} == \
        {region: seen for region, seen in before.items() if region != YORKSHIRE}

    again, lost = carers(three)
    assert {each: known[each] for each in again} == again, "a national reference has changed"
    assert lost == sorted(known[each] for each in known if each not in again)
    assert set(late).isdisjoint(again) and set(early[3:] + early[1:2]) <= set(again)
    assert moved not in again, "an older address has come back, and nobody was told"
    with three[YORKSHIRE].client(homes.LEEDS) as leeds:
        view = leeds.call("AgencyService/GetCarer", agency_reference=moved).carer
        gone = leeds.call("AgencyService/GetCarer", agency_reference=late[7]).carer
    assert view.lost_in_restore and view.national_reference == known[moved] and not view.carer.home_postcode
    assert gone.lost_in_restore and gone.national_reference == known[late[7]] and not gone.HasField("carer")
    shown = three[YORKSHIRE].run_vacancy(homes.LEEDS, "show", late[7])
    assert shown.returncode == 0 and known[late[7]] in shown.stdout and "lost in restore" in shown.stdout, shown
    assert counted(three) == (len(known), len(known), len(lost))
    receipt = push(three, messages, early[1:2])
    assert receipt.lost_in_restore == len(lost)
    listed = three[YORKSHIRE].run_vacancy(homes.LEEDS, "list")
    assert listed.returncode == 0, listed.stdout + listed.stderr

    # Pushed again they are known by the hash of their references: no duplicates, the same national references.
    receipt = push(three, messages, late + early[:1] + [moved])
    assert receipt.lost_in_restore == 0
    assert carers(three) == (known, [])
    assert counted(three) == (len(known), len(known), 0)
    audit_verifies(three)
    three.wait_equal(bound_s=BOUND_S)
    assert own_row(three).records == last.records

    # A second time, onto the epoch that the first restore opened.
    back_up(three, path)
    push(three, messages, references("second", 2))
    audit_verifies(three)
    three.wait_equal(bound_s=BOUND_S)
    lose_and_unpack(three, path)
    three.start(YORKSHIRE)
    three.wait_deciding(YORKSHIRE, bound_s=BOUND_S)
    three.wait_equal(bound_s=BOUND_S)
    assert own_row(three).epoch == last.epoch + 2
    known_now, lost = carers(three)
    assert known_now == known and len(lost) == 2
    # The trail since the backup is gone with the disk, and an auditor who has seen it is told.
    verified = three[YORKSHIRE].run_vacancy(homes.AUDITOR, "audit", "verify")
    assert verified.returncode == 5 and "NOT VERIFIED" in verified.stdout + verified.stderr, verified


def test_a_peer_is_down(three, messages, tmp_path):
    """It had a longer history than anybody who could be asked: that part is lost, by the operator's word, and when the peer is
    back it drops it and becomes equal."""
    path = tmp_path / "backup.tar"
    both, only_west = references("both", 5), references("west", 5)
    push(three, messages, references("early", 5))
    back_up(three, path)
    push(three, messages, both)
    three.wait_equal()
    shared = own_row(three)
    three.cut(YORKSHIRE, NORTH)
    three.cut(WEST, NORTH)
    push(three, messages, only_west)
    longest = own_row(three)
    library.wait_until(lambda: own_row(three, WEST).sequence == longest.sequence, BOUND_S, "West to have all of it")
    assert own_row(three, NORTH).sequence == shared.sequence
    three[WEST].stop()
    lose_and_unpack(three, path)
    three.heal()
    three.start(YORKSHIRE)

    # North's part is taken back; but nothing is decided without West.
    library.wait_until(lambda: own_row(three).sequence == shared.sequence, BOUND_S, "what North has to be replayed")
    assert standing(three, "STANDING_RESTORING")
    refused = refused_write(three, messages)
    assert refused.code == Code.UNAVAILABLE and "vacancy hub promote --accept-loss" in refused.message
    # That is so after a restart as well, the note being gone.
    three[YORKSHIRE].kill()
    three.start(YORKSHIRE)
    library.wait_until(lambda: own_row(three, NORTH).linked, BOUND_S, "a link to North")
    assert standing(three, "STANDING_RESTORING")
    assert refused_write(three, messages).code == Code.UNAVAILABLE
    with three[YORKSHIRE].client(homes.OPERATOR) as operator:
        plain = operator.outcome("HubService/Promote")
        assert plain.code == Code.FAILED_PRECONDITION and plain.fields == ["accept_loss"]
        answer = operator.call("HubService/Promote", accept_loss=True)
    assert list(answer.not_asked) == [WEST] and answer.epoch == shared.epoch + 1
    assert answer.sequence == shared.sequence + 1 < longest.sequence
    push(three, messages, references("after", 2))
    three.wait_equal(NORTH, YORKSHIRE, bound_s=BOUND_S)

    three.start(WEST)
    three.wait_deciding(WEST, bound_s=BOUND_S)
    three.wait_equal(bound_s=BOUND_S)
    row = own_row(three, WEST)
    assert row.epoch == answer.epoch and not row.frozen and standing(three, "STANDING_DECIDING")
    # What only West had is registered anew, whole.
    push(three, messages, only_west + both)
    known, lost = carers(three)
    assert not lost and len(known) == 5 + 5 + 5 + 2
    three.wait_equal(bound_s=BOUND_S)
    audit_verifies(three)
    for each in three:
        verified = each.run_vacancy(homes.OPERATOR, "hub", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_killed_while_it_restores(three, messages, tmp_path):
    """Wherever it is killed it goes on restoring, opens one epoch and no second, and ends equal."""
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    moments = random.Random(seed)
    path = tmp_path / "backup.tar"
    push(three, messages, references("early", 5))
    back_up(three, path)
    late = references("late", 60)
    push(three, messages, late)
    three.wait_equal()
    last = own_row(three)
    lose_and_unpack(three, path)
    for _ in range(12):
        three[YORKSHIRE].launch()
        time.sleep(moments.uniform(0.005, 0.15))  # the moment is what is tried, not something waited for
        three[YORKSHIRE].kill()
    three.start(YORKSHIRE)
    three.wait_deciding(YORKSHIRE, bound_s=BOUND_S)
    three.wait_equal(bound_s=BOUND_S)
    now = own_row(three)
    assert (now.epoch, now.records, now.state_digest) == (last.epoch + 1, last.records, last.state_digest)
    known, lost = carers(three)
    assert len(known) == 5 and len(lost) == len(late)
    audit_verifies(three)


def test_nothing_lost_where_nothing_came_later(three, messages, tmp_path):
    """The backup is the newest there is: a new epoch nevertheless, since it can't know that, and nobody is asked for anything."""
    path = tmp_path / "backup.tar"
    push(three, messages, references("early", 5))
    three.wait_equal()
    last = own_row(three)
    back_up(three, path)
    lose_and_unpack(three, path)
    three.start(YORKSHIRE)
    three.wait_deciding(YORKSHIRE, bound_s=BOUND_S)
    three.wait_equal(bound_s=BOUND_S)
    now = own_row(three)
    assert (now.epoch, now.sequence, now.state_digest) == (last.epoch + 1, last.sequence + 1, last.state_digest)
    receipt = push(three, messages, references("early", 5))
    assert receipt.epoch == last.epoch + 1 and receipt.lost_in_restore == 0
    audit_verifies(three)


def test_an_old_copy_that_was_let_decide_stops(three, messages, tmp_path):
    """A disk's old copy, not a backup, and an operator in a hurry: it decides, and once a peer shows what it lacks it takes no
    more writes, so that nobody ever sees two entries for one position."""
    copy = tmp_path / "copy"
    yorkshire = three[YORKSHIRE]
    push(three, messages, references("early", 5))
    yorkshire.stop()
    shutil.copytree(yorkshire.data, copy)
    three.start(YORKSHIRE)
    three.wait_deciding(YORKSHIRE)
    push(three, messages, references("late", 5))
    three.wait_equal()
    last = own_row(three)
    three.cut_off(YORKSHIRE)
    yorkshire.kill()
    shutil.rmtree(yorkshire.data)
    shutil.copytree(copy, yorkshire.data)
    three.start(YORKSHIRE)
    assert yorkshire.run_vacancy(homes.OPERATOR, "hub", "promote", "--yes").returncode == 0
    assert standing(three, "STANDING_DECIDING") and own_row(three).sequence < last.sequence

    three.heal()
    library.wait_until(lambda: standing(three, "STANDING_BEHIND"), BOUND_S, "it to be shown what it lacks")
    refused = refused_write(three, messages)
    assert refused.code == Code.UNAVAILABLE and "vacancy hub promote" in refused.message
    library.wait_until(lambda: own_row(three).sequence == last.sequence, BOUND_S, "its entries to be taken back")
    library.wait_until(lambda: all(row.linked for region, row in three.list_regions(YORKSHIRE).items()
                                   if region != YORKSHIRE), BOUND_S, "all to have answered")
    assert standing(three, "STANDING_BEHIND") and len(own_row(three).evidence) == 2
    told = yorkshire.run_vacancy(homes.OPERATOR, "hub", "regions")
    assert "own, behind" in told.stdout and "vacancy hub promote" in " ".join(told.stdout.split()), told.stdout
    assert yorkshire.run_vacancy(homes.OPERATOR, "hub", "promote", "--yes").returncode == 0
    three.wait_equal(bound_s=BOUND_S)
    now = own_row(three, NORTH)
    assert (now.epoch, now.sequence, now.records) == (last.epoch + 1, last.sequence + 1, last.records)
    assert not now.frozen and not own_row(three, WEST).frozen
    push(three, messages, references("late", 5))
    three.wait_equal(bound_s=BOUND_S)


def restored_without_the_erased(hubs, messages, path, erased, kept):
    """Erased since the backup: neither its agency nor anybody else finds that carer after the restore."""
    last = own_row(hubs)
    lose_and_unpack(hubs, path)
    with open(os.path.join(hubs[YORKSHIRE].data, "home", "data.mdb"), "rb") as handle:
        assert erased.encode() in handle.read(), "the backup has it: else this shows nothing"
    hubs.start(YORKSHIRE)
    hubs.wait_deciding(YORKSHIRE, bound_s=BOUND_S)
    hubs.wait_equal(bound_s=BOUND_S)
    now = own_row(hubs)
    assert (now.epoch, now.records, now.state_digest) == (last.epoch + 1, last.records, last.state_digest)
    known, lost = carers(hubs)
    assert erased not in known and set(known) == set(kept) and not lost
    with hubs[YORKSHIRE].client(homes.LEEDS) as leeds:
        assert leeds.outcome("AgencyService/GetCarer", agency_reference=erased).code == Code.PERMISSION_DENIED
    push(hubs, messages, kept)
    audit_verifies(hubs)
    hubs.wait_equal(bound_s=BOUND_S)


@pytest.mark.parametrize("behind_the_horizon", [False, pytest.param(True, id="behind the horizon")])
def test_erased_since_the_backup(three, messages, tmp_path, behind_the_horizon):
    """Issue 3, point 7. Once the horizon has passed the erasure, the entries between are nowhere any more: the hub then takes its
    own region whole."""
    path = tmp_path / "backup.tar"
    names = references("early", 5)
    push(three, messages, names)
    back_up(three, path)
    with three[YORKSHIRE].client(homes.LEEDS) as leeds:
        receipt = leeds.call("AgencyService/EraseCarer", agency_reference=names[2]).receipt
    three.wait_equal()
    if behind_the_horizon:
        for here in (NORTH, WEST):
            library.wait_until(lambda here=here: horizon(three, here) >= receipt.sequence, 60 * library.SLOWNESS,
                               f"the horizon at {here} to pass the erasure")
    restored_without_the_erased(three, messages, path, names[2], [each for each in names if each != names[2]])
