"""What every Python test has: tiers, a bound in time for each test, the library in tests/lib, and fixtures on it."""
import glob
import os
import signal
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.dont_write_bytecode = True

BOUND_S = 120
SLOWNESS = {"asan": 3, "tsan": 5}.get(os.environ.get("SAN", ""), 1)
DAY_S, LATE_S = 24 * 3600, 15


def pytest_configure(config):
    config.addinivalue_line("markers", "check: runs in make check (the default)")
    config.addinivalue_line("markers", "long: runs in make check-long")
    config.addinivalue_line("markers", "night: runs in make check-night")
    config.addinivalue_line("markers", "bound(seconds): this test may take longer than two minutes")


def pytest_runtest_setup():
    """Tests ask about "today", and a hub's days are UTC's: none begins where one ends."""
    import hub as library

    library.wait_until(lambda: time.time() % DAY_S < DAY_S - LATE_S, LATE_S + 5, "the next day")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A test that hangs fails with a stack instead of taking the run with it."""
    marker = item.get_closest_marker("bound")
    seconds = int((marker.args[0] if marker else BOUND_S) * SLOWNESS)

    def ran_out(_signal, _frame):
        pytest.fail(f"ran longer than its bound of {seconds} s")

    before = signal.signal(signal.SIGALRM, ran_out)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def sanitizers_found_nothing():
    """In any process of the test, also in one that was killed afterwards. The folder is tests/run's."""
    yield
    folder, said = os.environ.get("SANITIZER_REPORTS"), []
    for each in glob.glob(os.path.join(folder, "report.*")) if folder else ():
        with open(each, encoding="utf-8", errors="replace") as handle:
            said.append(handle.read())
        os.unlink(each)
    if said:
        pytest.fail("\n".join(said)[:20000], pytrace=False)


@pytest.fixture(scope="session")
def scale():
    """What counts (seeds, pairs, kills) are multiplied by."""
    return float(os.environ.get("CHECK_SCALE", "1"))


@pytest.fixture(scope="session")
def federation(tmp_path_factory):
    """A certificate authority with two regions; its certificates are made once in a session."""
    import hub as library

    return library.Federation(tmp_path_factory.mktemp("federation") / "authority")


@pytest.fixture(scope="session")
def messages():
    """Python classes of every message in proto/: messages["vacancy.v1.PutCarerRequest"]."""
    import stubs

    return stubs.load()


@pytest.fixture
def hub(federation, tmp_path, request):
    """A running hub of region E12000003; stopped with SIGTERM at the end, when it must exit 0."""
    import hub as library

    if not os.path.exists(library.VACANCYD):
        pytest.fail(f"{library.VACANCYD} is not built: run make")
    running = library.Hub(federation, tmp_path / "hub")
    request.node.hubs = getattr(request.node, "hubs", []) + [running]
    running.start()
    yield running
    running.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Every hub's log is shown with a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for running in getattr(item, "hubs", []):
            report.sections.append((f"log of {running.folder}", running.log_text()[-20000:]))
