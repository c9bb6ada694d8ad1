"""Seconds until the first sign of a loop that has frozen, for somebody who looks twenty times a second."""

import concurrent.futures
import contextlib
import time

from bench_peers import outside, servers
from bench_peers.accuracy import NODE_WATCHES, WATCHDOG_PERIODS

LOOK = 0.05
PATIENCE = servers.FREEZE + 8


def first_sign(check, start):
    """When check returns something true, in seconds after start; None: never."""
    while time.monotonic() - start < PATIENCE:
        if check():
            return time.monotonic() - start
        time.sleep(LOOK)
    return None


def watch_freeze(stack, server, checks):
    """{measurer: seconds}. checks: {measurer: function}"""
    outsiders, left_out = [], {}
    for kind in (outside.EbpfExporter, outside.OneLiner):
        try:
            each = kind()
            stack.callback(each.stop)
            each.attach(server.pid)
            outsiders.append(each)
        except outside.LeftOut as reason:
            left_out[kind.name] = str(reason)
    for each in outsiders:
        if isinstance(each, outside.OneLiner):
            checks[each.name] = lambda each=each, before=each.stalls(): each.stalls() > before
        else:
            checks[each.name] = lambda each=each: each.blocked(server.pid) > outside.THRESHOLD
    with concurrent.futures.ThreadPoolExecutor(len(checks)) as pool:
        server.freeze()
        start = time.monotonic()
        signs = {name: pool.submit(first_sign, check, start) for name, check in checks.items()}
    return {name: sign.result() for name, sign in signs.items()}, left_out


def measure_one(kind):
    """One runtime: {'frozen_for': s, 'seconds': {measurer: s}, 'left_out': ...}"""
    with contextlib.ExitStack() as stack:
        probe = outside.Probe()
        stack.callback(probe.stop)
        checks = {}
        if kind is servers.NodeServer:
            server = kind(probe.environment, 'log', 'delay=', 'delay=1', 'prom-client')
            for watch in ('delay=', 'delay=1'):
                checks[NODE_WATCHES[watch]] = lambda watch=watch: server.logged_stall(watch)
            checks[NODE_WATCHES['prom-client']] = server.served_stall
        elif kind is servers.AsyncioServer:
            server = kind(probe.environment, *map(str, WATCHDOG_PERIODS))
            for period in WATCHDOG_PERIODS:
                checks[f'watchdog coroutine, {period * 1000:.0f} ms'] = (
                    lambda period=period: server.logged_stall(f'{period:g}'))
        else:
            server = kind(probe.environment, '--latency-monitor-threshold', '100')
            checks['LATENCY LATEST, HISTORY'] = server.told_latency
            checks['LATENCY HISTOGRAM, all commands'] = server.told_commands
        stack.enter_context(server)
        checks[probe.name] = lambda: probe.blocked(server.pid) > outside.THRESHOLD
        seconds, left_out = watch_freeze(stack, server, checks)
    return {'frozen_for': servers.FREEZE, 'seconds': seconds, 'left_out': left_out}


def measure_all():
    kinds = (servers.AsyncioServer, servers.NodeServer, servers.RedisServer)
    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
        return {kind.name: result for kind, result in zip(kinds, pool.map(measure_one, kinds))}
