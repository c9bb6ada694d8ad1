"""What each measurer costs a server that is driven as fast as it goes.

A round starts one server for each measurer and one without any, warms all of them up (node compiles while
it serves), and drives them in turns: without, with the first, without, with the second, without... So each
measurement has the two beside it to be compared with, and a machine that gets slower meanwhile treats them
alike. Servers that are not being driven are stopped.
"""

import contextlib
import os
import re
import signal
import statistics
import tempfile
import time

from bench.quartiles import Quartiles
from bench.whole_programs import CONNECTIONS, SECONDS, Nginx, Node, Redis, cpu_ns
from bench_peers import outside
from bench_peers.accuracy import NODE_MODULES, NODE_WATCHES, PROGRAMS, WATCHDOG_PERIODS
from e2e.harness import PROBE, PYTHON, find_program

# A server has warmed up when it has answered so often (node has compiled then), however long that takes.
WARMING_REQUESTS = 40_000
UNITS = {'us': 1e-6, 'ms': 1e-3, 's': 1}


def process_cpu_ns(pid):
    """CPU time of a process, with that of the threads that have ended."""
    return time.clock_gettime_ns(~pid << 3 | 2)  # what clock_getcpuclockid yields


class Drive:
    """One measurement."""

    def __init__(self, rate, p99, cpu_us, own_cpu_us):
        self.rate = rate                # requests a second
        self.p99 = p99                  # seconds, as the client saw it
        self.cpu_us = cpu_us            # of the server, for each request
        self.own_cpu_us = own_cpu_us    # of the measurer's own process, likewise


class Driven:
    """A server with a measurer, beside one of bench.whole_programs."""

    watches = ()

    def stop_or_go_on(self, number):
        os.killpg(self.process.pid, number)

    def loop_pid(self):
        """The process whose loop serves: nginx' worker, else the server itself."""
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as children:
            return int((children.read().split() or [self.process.pid])[0])

    def measure_once(self, outsider):
        self.stop_or_go_on(signal.SIGCONT)
        try:
            if outsider:
                outsider.attach(self.loop_pid())
            own = [outsider.pid] if outsider else []
            before, own_before = cpu_ns(self.process.pid), sum(map(process_cpu_ns, own))
            rate, requests = self.drive()
            spent = cpu_ns(self.process.pid) - before
            own_spent = sum(map(process_cpu_ns, own)) - own_before
            return Drive(rate, self.p99, spent / requests / 1000, own_spent / requests / 1000)
        finally:
            if outsider:
                outsider.stop()
            self.stop_or_go_on(signal.SIGSTOP)


class DrivenByWrk(Driven):

    def drive(self):
        output = self.client(find_program('wrk'), '--latency', '-t', 1, '-c', CONNECTIONS, '-d', SECONDS,
                             f'http://127.0.0.1:{self.port}/')
        number, unit = re.search(r'99%\s+([\d.]+)(us|ms|s)', output).groups()
        self.p99 = float(number) * UNITS[unit]
        return (float(re.search(r'Requests/sec:\s*([\d.]+)', output)[1]),
                int(re.search(r'(\d+) requests in', output)[1]))


class DrivenNginx(DrivenByWrk, Nginx):
    name = 'nginx'
    variants = {}


class DrivenNode(DrivenByWrk, Node):
    name = 'node'
    variants = {NODE_WATCHES[watch]: [watch] for watch in ('delay=', 'delay=1', 'prom-client')}

    def command(self):
        return [find_program('node'), PROGRAMS / 'node_server.js', *self.watches]


class DrivenAsyncio(DrivenByWrk, Node):
    name = 'asyncio'
    variants = {f'watchdog coroutine, {period * 1000:.0f} ms': [str(period)] for period in WATCHDOG_PERIODS}

    def command(self):
        return [PYTHON, PROGRAMS / 'asyncio_server.py', *self.watches]


class DrivenRedis(Driven, Redis):
    name = 'redis'
    variants = {'LATENCY LATEST, HISTORY': ['--latency-monitor-threshold', '100']}

    def command(self):
        return [*super().command(), *self.watches]

    def drive(self):
        requests = self.requests
        output = self.client(find_program('redis-benchmark'), '-p', self.port, '-c', CONNECTIONS,
                             '-n', requests, '-t', 'get', '--csv')
        rate, _, _, _, _, p99, _ = re.search(r'^"GET",(.*)$', output, re.M)[1].replace('"', '').split(',')
        self.p99 = float(p99) / 1000
        self.requests = int(float(rate) * SECONDS)
        return float(rate), requests


PROGRAMS_DRIVEN = (DrivenNginx, DrivenNode, DrivenAsyncio, DrivenRedis)


class ExporterBeside(outside.Exporter):
    """The exporter of a server that has the probe."""
    name = outside.Probe.name

    def __init__(self, segments):
        self.segments = segments

    def attach(self, pid):
        super().__init__(f'--segments.dir={self.segments}')


def start(stack, kind, cpus, probe=None, watches=()):
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='looptap-bench-'))
    os.chmod(folder, 0o755)
    server = kind(folder, cpus, probe)
    server.watches = watches
    stack.enter_context(server)
    served = 0
    while served < WARMING_REQUESTS:
        served += server.drive()[1]
    server.stop_or_go_on(signal.SIGSTOP)
    return server


def run_round(kind, cpus, turn):
    """{measurer: (Drive with it, [Drive before, Drive after])}, {measurer: why it is left out}"""
    with contextlib.ExitStack() as stack:
        plain = start(stack, kind, cpus)
        probed = start(stack, kind, cpus, PROBE)
        contestants = {outside.Probe.name: (probed, lambda: ExporterBeside(probed.folder / 'segments')),
                       outside.EbpfExporter.name: (plain, outside.EbpfExporter),
                       outside.OneLiner.name: (plain, outside.OneLiner)}
        for name, watches in kind.variants.items():
            contestants[name] = start(stack, kind, cpus, watches=watches), lambda: None
        names = list(contestants)
        names = names[turn % len(names):] + names[:turn % len(names)]
        results, left_out = {}, {}
        before = plain.measure_once(None)
        for name in names:
            server, make_outsider = contestants[name]
            try:
                drive = server.measure_once(make_outsider())
            except outside.LeftOut as reason:
                left_out[name] = str(reason)
                continue
            after = plain.measure_once(None)
            results[name] = drive, [before, after]
            before = after
        return results, left_out


def summary(pairs):
    """Of [(Drive with it, [Drives beside it])]: ratios, and what one request costs."""
    def ratios(figure):
        return Quartiles(getattr(drive, figure) / statistics.fmean(getattr(each, figure) for each in beside)
                         for drive, beside in pairs)

    return {
        'rate_ratio': ratios('rate').as_json(),
        'p99_ratio': ratios('p99').as_json(),
        'cpu_ratio': ratios('cpu_us').as_json(),
        # us for a request are seconds for a million
        'cpu_seconds_per_million': Quartiles(drive.cpu_us for drive, _ in pairs).as_json(),
        'own_cpu_seconds_per_million': Quartiles(drive.own_cpu_us for drive, _ in pairs).as_json(),
        'p99_seconds': Quartiles(drive.p99 for drive, _ in pairs).as_json(),
    }


def measure(kind, cpus, rounds):
    os.environ['NODE_PATH'] = str(NODE_MODULES)
    pairs, without, left_out = {}, [], {}
    for turn in range(rounds):
        results, reasons = run_round(kind, cpus, turn)
        left_out |= reasons
        for name, (drive, beside) in results.items():
            pairs.setdefault(name, []).append((drive, beside))
            without += beside
    return {
        'without': {
            'rate': Quartiles(drive.rate for drive in without).as_json(),
            'p99_seconds': Quartiles(drive.p99 for drive in without).as_json(),
            'cpu_seconds_per_million': Quartiles(drive.cpu_us for drive in without).as_json(),
        },
        'with': {name: summary(each) for name, each in pairs.items()},
        'left_out': left_out,
    }
