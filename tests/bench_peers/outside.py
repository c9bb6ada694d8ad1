"""Measurers that are no part of the program that they measure."""

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from e2e.exposition import Exposition
from e2e.harness import LOOPTAP, PROBE, SHARED_MEMORY, request, wait_until

THRESHOLD = 0.1

# Time between an epoll wait and the next one of a thread: its distribution, the longest, how many stalls.
ONE_LINER = '''
tracepoint:syscalls:sys_exit_epoll_wait, tracepoint:syscalls:sys_exit_epoll_pwait
/tid == {tid}/ {{ @left = nsecs; }}
tracepoint:syscalls:sys_enter_epoll_wait, tracepoint:syscalls:sys_enter_epoll_pwait
/tid == {tid} && @left/ {{
  $away = nsecs - @left; @left = 0; @us = hist($away / 1000); @max = max($away);
  if ($away > {threshold_ns}) {{ @stalls = count(); printf("stall\\n"); }}
}}
interval:ms:500 /!@attached/ {{ @attached = 1; printf("attached\\n"); }}
'''


class LeftOut(Exception):
    """Says why something cannot be measured here."""


class Exporter:
    """looptap serve, and what it says of one process."""

    def __init__(self, *flags):
        self.process = subprocess.Popen(
            [LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0', *map(str, flags),
             '--latency.quantiles=0.5,0.95,0.99,1'],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if found := re.search(r'http://127\.0\.0\.1:(\d+)', line):
                self.port = int(found[1])
                return
        raise LeftOut(f'looptap serve: {"".join(lines).strip() or "ended"}')

    def scrape(self):
        return Exposition(request(self.port, '/metrics').body.decode())

    def loop_of(self, scrape, pid):
        """The labels of the process' loop with the most waits; None while there is none."""
        found = scrape.find('eventloop_waits_total', pid=str(pid))
        return max(found, key=lambda each: each[1])[0] if found else None

    def blocked(self, pid):
        scrape = self.scrape()
        return max((value for _, value in scrape.find('eventloop_blocked_seconds', pid=str(pid))),
                   default=0)

    def figures(self, pid):
        scrape = self.scrape()
        loop = self.loop_of(scrape, pid)
        if not loop:
            raise LeftOut('shows no loop of the process')
        latency = {float(labels['quantile']): value for labels, value in
                   scrape.find('eventloop_latency_quantile_seconds', **loop)}
        delays = scrape.buckets('eventloop_wakeup_delay_seconds', **loop)
        runqueue = scrape.find('eventloop_thread_runqueue_seconds_total', **loop)
        return {
            'p50': latency[0.5], 'p95': latency[0.95], 'p99': latency[0.99],
            'max': latency[1],
            'stalls': scrape.value('eventloop_stalls_total', **loop),
            'observed': (scrape.value('eventloop_busy_seconds_total', **loop)
                         + scrape.value('eventloop_wait_seconds_total', **loop)),
            'iterations': scrape.value('eventloop_iteration_seconds_count', **loop),
            'wakeup_delay_p99': quantile_of_buckets(delays, 0.99),
            'runqueue_seconds': runqueue[0][1] if runqueue else None,
        }

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


class Probe(Exporter):
    """looptap with its preloaded probe."""
    name = 'looptap (preload)'

    def __init__(self):
        self.segments = pathlib.Path(tempfile.mkdtemp(prefix='looptap-bench-', dir=SHARED_MEMORY))
        self.segments.chmod(0o1777)
        self.environment = {'LD_PRELOAD': str(PROBE), 'LOOPTAP_DIR': str(self.segments)}
        super().__init__(f'--segments.dir={self.segments}')

    def attach(self, pid):
        """It is there from the program's start."""

    def stop(self):
        super().stop()
        shutil.rmtree(self.segments, ignore_errors=True)


class EbpfExporter(Exporter):
    """looptap attached to a running process."""
    name = 'looptap (eBPF)'
    environment = {}

    def __init__(self):
        why_not_bpf()

    def attach(self, pid):
        self.segments = tempfile.TemporaryDirectory(prefix='looptap-bench-')
        super().__init__(f'--bpf.target=pid:{pid}', f'--segments.dir={self.segments.name}')

    def stop(self):
        super().stop()
        self.segments.cleanup()


def with_tracefs():
    """How to start bpftrace. It looks for tracepoints in two places, which systemd has mounted; where
    they are not, they are mounted for bpftrace alone."""
    if pathlib.Path('/sys/kernel/debug/tracing/events').exists():
        return []
    return ['unshare', '--mount', 'sh', '-c', 'mount -t debugfs debugfs /sys/kernel/debug && '
            '{ mount -t tracefs tracefs /sys/kernel/tracing || true; } && exec "$0" "$@"']


@functools.cache
def _flags():
    return subprocess.run([LOOPTAP, 'serve', '--help'], check=True, stdout=subprocess.PIPE, text=True).stdout


def why_not_bpf():
    if '--bpf.target' not in _flags():
        raise LeftOut('this looptap has no --bpf.target')
    if os.geteuid() != 0:
        raise LeftOut('eBPF needs root')


class OneLiner:
    """bpftrace on the epoll system calls of a thread."""
    name = 'bpftrace one-liner'
    environment = {}

    def __init__(self):
        if os.geteuid() != 0:
            raise LeftOut('bpftrace needs root')
        if not shutil.which('bpftrace'):
            raise LeftOut('bpftrace is not installed')
        self.process = None

    def attach(self, pid):
        self.output = tempfile.NamedTemporaryFile(prefix='looptap-bench-')
        program = ONE_LINER.format(tid=pid, threshold_ns=int(THRESHOLD * 1e9))
        self.process = subprocess.Popen([*with_tracefs(), 'bpftrace', '-B', 'line', '-f', 'json',
                                         '-e', program],
                                        stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        # What bpftrace says of itself, it says before it attaches.
        wait_until(lambda: 'attached\\n' in self.said() or self.process.poll() is not None,
                   'bpftrace has attached', 60)
        if self.process.poll() is not None:
            raise LeftOut(f'bpftrace: {self.said().strip()}')

    def said(self):
        return pathlib.Path(self.output.name).read_text()

    def stalls(self):
        """How many it has told of so far."""
        return self.said().count('stall\\n')

    def figures(self, _):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        maps = {}
        for line in self.said().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                entry = json.loads(line)
                if entry['type'] in ('map', 'hist', 'stats'):
                    maps |= entry['data']
        buckets = cumulative(((bucket.get('max', 0) + 1) / 1e6, bucket['count'])
                             for bucket in maps.get('@us', []))
        return {name: quantile_of_buckets(buckets, q)
                for name, q in (('p50', 0.5), ('p95', 0.95), ('p99', 0.99))} | {
            'max': maps.get('@max', 0) / 1e9, 'stalls': maps.get('@stalls', 0)}

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.output.close()


def cumulative(buckets):
    """[(bound, count)] with counts that add up."""
    total, result = 0, []
    for bound, count in buckets:
        total += count
        result.append((bound, total))
    return result


def quantile_of_buckets(buckets, q):
    """Of cumulative counts [(upper bound, count)], as histogram_quantile has it: linear inside a bucket."""
    if not buckets or not buckets[-1][1]:
        return 0
    rank, below, start = q * buckets[-1][1], 0, 0
    for bound, count in buckets:
        if count >= rank and count > below:
            if bound == float('inf'):
                return start
            return start + (bound - start) * (rank - below) / (count - below)
        below, start = count, bound
    return start
