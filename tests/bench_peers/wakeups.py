"""How often a measurer wakes an idle program that it measures, and itself, each second."""

import contextlib
import pathlib
import re
import time

from bench_peers import outside, servers
from bench_peers.accuracy import NODE_WATCHES, WATCHDOG_PERIODS

SECONDS = 5


def switches(pid):
    """How often the threads of a process have been given a CPU."""
    total = 0
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += sum(map(int, re.findall(r'^(?:non)?voluntary_ctxt_switches:\s+(\d+)',
                                             (task / 'status').read_text(), re.M)))
    return total


def measure_all():
    """{runtime: {measurer: {'program': extra wake-ups a second, 'own': those of its own process}}}"""
    with contextlib.ExitStack() as stack:
        idle, own, left_out = {}, {}, {}

        def start(kind, name, environment, *watches):
            idle[kind.name, name] = stack.enter_context(kind(environment, *watches))
            return idle[kind.name, name]

        for kind in (servers.AsyncioServer, servers.NodeServer, servers.RedisServer):
            start(kind, None, {})
            probe = outside.Probe()
            stack.callback(probe.stop)
            start(kind, probe.name, probe.environment)
            own[kind.name, probe.name] = probe
            for outsider in (outside.EbpfExporter, outside.OneLiner):
                try:
                    each = outsider()
                    stack.callback(each.stop)
                    each.attach(start(kind, each.name, {}).pid)
                    own[kind.name, each.name] = each
                except outside.LeftOut as reason:
                    idle.pop((kind.name, outsider.name), None)
                    left_out[outsider.name] = str(reason)
        for watch in ('delay=', 'delay=1', 'prom-client'):
            start(servers.NodeServer, NODE_WATCHES[watch], {}, watch)
        for period in WATCHDOG_PERIODS:
            start(servers.AsyncioServer, f'watchdog coroutine, {period * 1000:.0f} ms', {}, str(period))
        start(servers.RedisServer, 'LATENCY LATEST, HISTORY', {}, '--latency-monitor-threshold', '100')

        time.sleep(1)  # what a start leaves to do
        pids = {key: each.pid for key, each in idle.items()}
        own_pids = {key: each.pid for key, each in own.items()}
        before = [{key: switches(pid) for key, pid in each.items()} for each in (pids, own_pids)]
        started = time.monotonic()
        time.sleep(SECONDS)
        passed = time.monotonic() - started
        rates, own_rates = (
            {key: (switches(pid) - earlier[key]) / passed for key, pid in each.items()}
            for each, earlier in zip((pids, own_pids), before))

    result = {runtime: {} for runtime, _ in idle}
    for (runtime, name), rate in rates.items():
        if name:
            result[runtime][name] = {'program': rate - rates[runtime, None],
                                     'own': own_rates.get((runtime, name), 0)}
    return {'rates': result, 'left_out': left_out}
