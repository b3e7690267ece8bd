"""Shows a module's hub's log with a failure of any of its tests."""
import pytest


@pytest.fixture(autouse=True)
def show_log(request):
    if "ground" in request.fixturenames:
        request.node.hubs = [request.getfixturevalue("ground").hub]
