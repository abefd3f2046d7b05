# SPDX-License-Identifier: Apache-2.0
"""What is spoken at an address is known before it is served."""
import pytest
from dataplane import Proxy, ask, eventually
from origins import Origin, answering


@pytest.fixture
def origin():
    with Origin(answering(b"ok")) as o:
        yield o


def backlog_is_taken(proxy):
    """True when the kernel has handed the waiting connection over."""
    return proxy.shard_total("connections_opened") > 0


def test_an_address_waits_for_its_role_when_all_roles_are_told(origin):
    with Proxy() as proxy:
        lines = proxy.service_lines("web", {"blue": [origin.address]})
        assert proxy.begin(lines, listeners=True) == []
        proxy.expect("ready")
        with proxy.connect() as client:
            proxy.ping()
            assert not backlog_is_taken(proxy)
            proxy.tell(listener={"address": f"127.0.0.1:{proxy.port}", "tls": False})
            assert ask(client)[0] == 200
            eventually(lambda: backlog_is_taken(proxy))


def test_a_successor_starts_with_the_roles_of_the_snapshot(origin):
    with Proxy(controller=False) as proxy:
        proxy.connect_controller()
        role = {"listener": {"address": f"127.0.0.1:{proxy.port}", "tls": False}}
        lines = [role, *proxy.service_lines("web", {"blue": [origin.address]})]
        numbered = [{"seq": n, **line} for n, line in enumerate([*lines, {"end": True}], 1)]
        proxy.give_snapshot(1, [{"hello": {"protocol": 1, "epoch": 1, "listeners": True}},
                                *numbered])
        proxy.expect("ready")
        assert proxy.get()[0] == 200


def test_an_address_whose_role_is_forgotten_is_served_until_the_supervisor_takes_it(origin):
    with Proxy() as proxy:
        role = {"listener": {"address": f"127.0.0.1:{proxy.port}"}}
        lines = [role, *proxy.service_lines("web", {"blue": [origin.address]})]
        assert proxy.begin(lines, listeners=True) == []
        proxy.expect("ready")
        proxy.tell(**{"remove-listener": {"address": f"127.0.0.1:{proxy.port}"}})
        assert proxy.get()[0] == 200
