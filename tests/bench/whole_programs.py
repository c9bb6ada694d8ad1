"""Throughput of unmodified servers with the probe and without it.

A round starts two servers, one with the probe and one without, drives both to warm them up, and then in
turns: with, without, without, with, twice. So a machine that gets slower or faster meanwhile treats
them alike, and each four yield one ratio.
"""

import contextlib
import http.client
import math
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import tempfile

from bench.quartiles import Quartiles
from e2e.harness import PROGRAMS, find_program, free_port, wait_until
from e2e.nginx_configuration import write_configuration
from e2e.segment import read_segments

SECONDS = 1
CONNECTIONS = 16


def cpu_ns(pid):
    """CPU time of a process and its children, all threads: the scheduler's own account. Not a number
    where the kernel keeps none."""
    total = 0
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        try:
            total += int((task / 'schedstat').read_text().split()[0])
            total += sum(cpu_ns(child) for child in (task / 'children').read_text().split())
        except FileNotFoundError:
            return math.nan
    return total


class Server:
    """A server that listens on 127.0.0.1:port; its client runs on another CPU where there is one."""

    def __init__(self, folder, cpus, probe):
        self.folder, self.cpus, self.probe = pathlib.Path(folder), cpus, probe
        self.port = free_port()
        self.process = None

    def __enter__(self):
        environment = {name: value for name, value in os.environ.items()
                       if name != 'LD_PRELOAD' and not name.startswith('LOOPTAP_')}
        if self.probe:
            segments = self.folder / 'segments'
            segments.mkdir()
            segments.chmod(0o1777)  # nginx' workers are another user
            environment |= {'LD_PRELOAD': str(self.probe),
                            'LOOPTAP_DIR': str(segments)}
        with open(self.folder / 'log', 'wb') as log:
            self.process = subprocess.Popen(
                [str(part) for part in self.command()], env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {self.cpus[0]}))
        try:
            wait_until(lambda: self.process.poll() is not None or self.answers(),
                       f'{self.process.args} answers')
            if self.process.poll() is not None:
                raise RuntimeError(f'{self.process.args}: {(self.folder / "log").read_text()}')
            self.drive()  # to warm up
            if self.probe and not any((self.folder / 'segments').iterdir()):
                raise RuntimeError(f'{self.process.args} runs without the probe')
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def client(self, *command):
        return subprocess.run(
            [str(part) for part in command], check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.cpus[-1]})).stdout

    def waits(self):
        """The waits that the probe has counted so far; none without it."""
        segments = read_segments(self.folder / 'segments') if self.probe else []
        return sum(loop.waits for segment in segments for loop in segment.loops)

    def measure(self):
        """Requests per second, the server's CPU time per request in us, and its waits per request."""
        before_ns, waits_before = cpu_ns(self.process.pid), self.waits()
        rate, requests = self.drive()
        return (rate, (cpu_ns(self.process.pid) - before_ns) / requests / 1000,
                (self.waits() - waits_before) / requests)


class WebServer(Server):

    def answers(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=5)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request('GET', '/')
            return connection.getresponse().status == 200
        return False

    def drive(self):
        """(requests per second, requests)"""
        output = self.client(find_program('wrk'), '-t', 1, '-c', CONNECTIONS, '-d', SECONDS,
                             f'http://127.0.0.1:{self.port}/')
        return (float(re.search(r'Requests/sec:\s*([\d.]+)', output)[1]),
                int(re.search(r'(\d+) requests in', output)[1]))


class Nginx(WebServer):
    name = 'nginx, wrk'

    def command(self):
        configuration = write_configuration(self.folder, self.port, workers=1)
        return [find_program('nginx'), '-e', 'stderr', '-p', self.folder, '-c', configuration]


class Node(WebServer):
    name = 'node, wrk'

    def command(self):
        return [find_program('node'), PROGRAMS / 'http_server.js']

    def answers(self):
        printed = (self.folder / 'log').read_text()
        if not printed.endswith('\n'):
            return False
        self.port = int(printed)
        return super().answers()


class Redis(Server):
    name = 'redis-server, redis-benchmark'
    requests = 20000

    def command(self):
        return [find_program('redis-server'), '--bind', '127.0.0.1', '--port', self.port,
                '--save', '', '--appendonly', 'no', '--dir', self.folder]

    def answers(self):
        with contextlib.suppress(OSError), \
                socket.create_connection(('127.0.0.1', self.port), timeout=5) as connection:
            connection.sendall(b'PING\r\n')
            return connection.recv(100) == b'+PONG\r\n'
        return False

    def drive(self):
        """(requests per second, requests); the next time so many that it takes SECONDS."""
        requests = self.requests
        output = self.client(find_program('redis-benchmark'), '-p', self.port, '-c', CONNECTIONS,
                             '-n', requests, '-t', 'get', '--csv')
        rate = float(re.search(r'^"GET","([\d.]+)"', output, re.M)[1])
        self.requests = int(rate * SECONDS)
        return rate, requests


PROGRAMS_MEASURED = (Redis, Nginx, Node)


class Comparison:
    """rounds: [[((rate, CPU us, waits per request) with the probe, the same without)]]. wait_ns: what
    the probe adds to one wait."""

    def __init__(self, name, rounds, wait_ns):
        pairs = [pair for pairs in rounds for pair in pairs]
        self.name = name
        self.rate = Quartiles(without[0] for _, without in pairs)
        self.loss = Quartiles(1 - probed[0] / without[0] for probed, without in pairs)
        self.cpu_us = Quartiles(without[1] for _, without in pairs)
        self.cpu_added = Quartiles(probed[1] / without[1] - 1 for probed, without in pairs)
        # The probe's own share, without noise: it has nothing to do between the waits but to see
        # descriptors close.
        self.waits = Quartiles(probed[2] for probed, _ in pairs)
        self.waits_cpu = self.waits.median * wait_ns / 1000 / self.cpu_us.median
        # What is left to chance in the loss: twice the standard error of the rounds' means. Servers
        # differ from start to start, so the pairs of one round are not independent.
        means = [statistics.fmean(1 - probed[0] / without[0] for probed, without in pairs)
                 for pairs in rounds]
        self.margin = (2 * statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1
                       else math.inf)


def run_round(kind, probe, cpus):
    """Two pairs, of servers of their own."""
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix='looptap-bench-'))
                   for _ in range(2)]
        for folder in folders:
            os.chmod(folder, 0o755)
        probed = stack.enter_context(kind(folders[0], cpus, probe))
        plain = stack.enter_context(kind(folders[1], cpus, None))
        return [_one_pair(probed, plain) for _ in range(2)]


def _one_pair(probed, plain):
    results = {probed: [], plain: []}
    for server in (probed, plain, plain, probed):
        results[server].append(server.measure())
    return tuple(tuple(sum(figures) / 2 for figures in zip(*results[server]))
                 for server in (probed, plain))


def compare(kind, probe, cpus, rounds, wait_ns):
    return Comparison(kind.name, [run_round(kind, probe, cpus) for _ in range(rounds)], wait_ns)


def table(comparisons):
    lines = ['| program, client | requests/s without | throughput lost with looptap | uncertain by | '
             'CPU per request | added | waits per request | so looptap takes |',
             '|---|---|---|---|---|---|---|---|']
    for each in comparisons:
        margin = f'{each.margin:.1%}' if math.isfinite(each.margin) else 'unknown'
        lines.append(f'| {each.name} | {each.rate.median:,.0f} | {each.loss.format("{:+.1%}")} | '
                     f'{margin} | {each.cpu_us.median:.1f} us | {each.cpu_added.format("{:+.1%}")} | '
                     f'{each.waits.median:.2f} | {each.waits_cpu:.2%} of the CPU |')
    return '\n'.join(lines)


def as_json(comparisons):
    return {each.name: {
        'requests_per_second': each.rate.as_json(),
        'throughput_lost': each.loss.as_json(),
        'uncertain_by': each.margin if math.isfinite(each.margin) else None,
        'cpu_us_per_request': each.cpu_us.as_json(),
        'cpu_added': each.cpu_added.as_json(),
        'waits_per_request': each.waits.median,
        'cpu_of_the_waits': each.waits_cpu,
    } for each in comparisons}
