# SPDX-License-Identifier: Apache-2.0
"""What the controller sets for the whole proxy holds from the next wait on."""
import time

from wire import status

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_a_head_has_as_long_as_the_option_says(site, options):
    options(head_ms=300)
    started = time.monotonic()
    client = site.client(b"GET / HTTP/1.1\r\nHost:")
    assert status(client.head()) == 408
    assert 0.25 < time.monotonic() - started < 5


def test_an_idle_connection_is_closed_after_the_keep_alive_time(site, options):
    options(keep_alive_ms=300)
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(NO_CONTENT)
    assert status(client.head()) == 204
    assert client.ended()


def test_a_silent_tunnel_is_cut_after_its_time(site, options):
    options(tunnel_ms=300)
    client = site.client(site.get(extra=b"Connection: upgrade\r\nUpgrade: echo\r\n"))
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
    assert status(client.head()) == 101
    assert client.ended() and up.ended()


def test_no_more_connections_to_an_instance_are_kept_than_the_option_says(site, options):
    options(pooled_max=0)
    client = site.client()
    for _ in range(2):
        client.send(site.get())
        up = site.origin.accept()  # a new one each time
        up.head()
        up.send(NO_CONTENT)
        assert status(client.head()) == 204
        assert up.ended()


def test_refused_options_leave_the_old_ones_in_force(site, proxy, options):
    options(head_ms=300)
    proxy.seq += 1
    proxy.send_lines([{"seq": proxy.seq, "options": {"head_ms": -1}}])
    assert "'head_ms'" in proxy.answers(proxy.seq)[0]["text"]
    assert status(site.client(b"GET").head()) == 408
