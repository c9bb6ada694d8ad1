"""Records the series on which rules.yml is tested: real programs, watched by real exporters, scraped
by a real Prometheus every 15 s for 18 minutes. Writes recording.yml beside this file.

    PYTHONPATH=tests python3 -m rules.record

after `make build`, with nothing else running (or under nice -n -15, which is how the recording that is
here was made). The figures in expected_alerts.yml then want to be looked at.

Six exporters, most of them with the labels that a PodMonitor gives them:

    web-1    checkout  blocks for 0.4 s of each second, from 3:00 to 12:00
             feed      busy for 95 % of the time, in pieces of 57 ms
             redis     idle
    web-2    checkout  the other replica, blocks for 10 ms of each second
    worker-1 worker    frozen from 2:00 to 13:00
             at 5:00 a file that is no segment appears, and a program with more loops than slots for half a minute
    empty-1  no program, and a file that is no segment from the start
    down-1   looptap itself ends at 5:00
    host-1   no labels of Kubernetes; one program is killed at 3:10 in a stall, the other ends in good order at 4:00
"""

import pathlib
import signal
import subprocess
import time

from e2e.harness import (PROBE, PROGRAMS, PYTHON, SHARED_MEMORY, find_program, free_port, make_folder,
                         wait_until)
from e2e.prometheus_test import PrometheusTest

RECORDING = pathlib.Path(__file__).parent / 'recording.yml'
INTERVAL = 15
MINUTES = 18

# What the rules ask for.
SELECTORS = (
    'up',
    'eventloop_latency_seconds_bucket',
    'eventloop_latency_quantile_seconds{quantile="0.95"}',
    'eventloop_blocked_seconds',
    'eventloop_busy_seconds_total',
    'eventloop_wait_seconds_total',
    'eventloop_stalls_total',
    'looptap_processes',
    'looptap_rejected_segments_total{reason="foreign"}',
    'looptap_dropped_loops_total{reason="no_slot"}',
    'looptap_deaths_in_stall_total',
)


class Pod:
    """A folder for segments and an exporter of it."""

    def __init__(self, recording, instance, **labels):
        self.recording = recording
        self.labels = {'instance': instance, **labels}
        self.segments = make_folder(recording, SHARED_MEMORY, 0o1777)

    def serve(self):
        self.recording.segments = self.segments
        self.metrics = self.recording.serve()
        return self

    def start(self, name, command, **variables):
        self.recording.segments = self.segments
        environment = self.recording.environment([PROBE], LOOPTAP_NAME=name, **variables)
        return self.recording.start(command, environment=environment, stdin=subprocess.PIPE)

    def target(self):
        labels = ', '.join(f'{name}: "{value}"' for name, value in self.labels.items())
        return f"      - targets: ['127.0.0.1:{self.metrics.port}']\n        labels: {{{labels}}}\n"


class Recording(PrometheusTest):

    def pod(self, name, workload, address):
        return Pod(self, f'{address}:10064', namespace='shop', pod=name, container='looptap',
                   workload=workload)

    def start_all(self):
        self.web1 = self.pod('web-1', 'web', '10.1.0.11').serve()
        self.web2 = self.pod('web-2', 'web', '10.1.0.12').serve()
        self.worker = self.pod('worker-1', 'worker', '10.1.0.13').serve()
        self.empty = self.pod('empty-1', 'empty', '10.1.0.14')
        (self.empty.segments / 'foreign').write_text('')
        self.empty.serve()
        self.down = self.pod('down-1', 'down', '10.1.0.15').serve()
        self.host = Pod(self, 'host-1:10064').serve()

        freezes = [PYTHON, PROGRAMS / 'asyncio_freezes.py']
        period = [PYTHON, PROGRAMS / 'asyncio_period.py']
        rests = [PYTHON, PROGRAMS / 'asyncio_ticks.py', '50', 'rest']
        self.slow = self.web1.start('checkout', freezes)
        self.web1.start('feed', [*period, '0.057', '0.06'])
        self.web1.start('redis', [find_program('redis-server'), '--port', str(free_port()), '--save', ''])
        self.web2.start('checkout', [*period, '0.01', '1'])
        self.frozen = self.worker.start('worker', freezes)
        self.down.start('api', rests)
        self.killed = self.host.start('killed', freezes)
        self.ends = self.host.start('ends', rests)
        self.pods = [self.web1, self.web2, self.worker, self.empty, self.down, self.host]

    def record(self):
        self.start_all()
        self.start_prometheus(
            f'global:\n  scrape_interval: {INTERVAL}s\nscrape_configs:\n'
            '  - job_name: looptap\n    static_configs:\n' + ''.join(pod.target() for pod in self.pods))
        wait_until(lambda: self.query('sum(up)') == [len(self.pods)], 'it has scraped all', INTERVAL * 2)
        start = time.time()
        events = [
            (120, lambda: self.frozen.say('660')),
            (180, lambda: self.killed.say('60')),
            (190, lambda: self.killed.stop(signal.SIGKILL)),
            (240, lambda: self.ends.process.stdin.close()),
            (300, self.disturb_worker),
            (300, lambda: self.down.metrics.program.stop()),
            (330, lambda: self.crowd.stop(signal.SIGKILL)),
        ]
        while (now := time.time() - start) < MINUTES * 60:
            while events and events[0][0] <= now:
                events.pop(0)[1]()
            if 180 <= now < 720:
                self.slow.say('0.4')
            time.sleep(1 - (time.time() - start) % 1)
        RECORDING.write_text(self.render(start))

    def disturb_worker(self):
        (self.worker.segments / 'foreign').write_text('')
        self.crowd = self.worker.start('crowd', [PYTHON, PROGRAMS / 'many_loops.py', '3'], LOOPTAP_LOOPS='1')

    def render(self, start):
        times = [start + step * INTERVAL for step in range(MINUTES * 60 // INTERVAL)]
        lines = ['# Written by rules/record.py, which says what runs here.',
                 f'interval: {INTERVAL}s', 'input_series:']
        for selector in SELECTORS:
            found = self.ask('/api/v1/query_range', query=selector, start=times[0], end=times[-1],
                             step=INTERVAL)['result']
            self.assertNotEqual(found, [], selector)
            for series in found:
                labels = dict(series['metric'])
                name = labels.pop('__name__')
                shown = ', '.join(f'{label}="{value}"' for label, value in sorted(labels.items()))
                values = {round((float(at) - start) / INTERVAL): f'{float(value):.10g}'
                          for at, value in series['values']}
                lines.append(f"  - series: '{name}{{{shown}}}'")
                lines.append(f"    values: '{in_promtool_notation(values, len(times))}'")
        return '\n'.join(lines) + '\n'


def in_promtool_notation(values, count):
    """Values by the number of their scrape. Where a series ends it becomes stale."""
    words = []
    for step in range(count):
        if step in values:
            words.append(values[step])
        else:
            words.append('stale' if step - 1 in values else '_')
    runs = []
    for word in words:
        if runs and runs[-1][0] == word:
            runs[-1][1] += 1
        else:
            runs.append([word, 1])
    return ' '.join(word if times == 1 else
                    f'_x{times}' if word == '_' else f'{word}+0x{times - 1}' for word, times in runs)


if __name__ == '__main__':
    recording = Recording()
    recording.setUp()
    try:
        recording.record()
    finally:
        recording.doCleanups()
