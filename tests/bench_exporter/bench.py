#!/usr/bin/env python3
"""What the exporter costs: with 1, 100 and 1,000 live loops, the CPU time and bytes of a scrape in each
format, resident memory, CPU seconds a minute when scraped every 15 s and when idle.

Prints a table and writes build/bench/exporter.json. The targets stand in TARGETS; with --check the exit
status is 1 when one is missed. BENCH_SECONDS (60) is how long idleness is measured.
"""

import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get('BUILD', 'build')
SECONDS = float(os.environ.get('BENCH_SECONDS', '60'))
COUNTS = [int(count) for count in os.environ.get('BENCH_LOOPS', '1,100,1000').split(',')]
SCRAPES = 10
# Each loop moves ten times a second: between two scrapes all of them have, as they have between two of Prometheus'.
PAUSE_SECONDS = 0.25
SHARED_MEMORY = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None

PROTOBUF = ('application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;'
            'encoding=delimited')
FORMATS = {
    'text': {'Accept': 'text/plain;version=0.0.4'},
    'openmetrics': {'Accept': 'application/openmetrics-text;version=1.0.0'},
    'protobuf': {'Accept': PROTOBUF},
    'text gzip': {'Accept': 'text/plain;version=0.0.4', 'Accept-Encoding': 'gzip'},
    'protobuf gzip': {'Accept': PROTOBUF, 'Accept-Encoding': 'gzip'},
}

# At 1,000 loops.
TARGETS = {'text_cpu_ms': 100, 'protobuf_cpu_ms': 20, 'resident_mib': 64, 'idle_cpu_percent': 0.5}


def cpu_seconds(pid):
    """Of all threads, to the nanosecond."""
    total = 0
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        total += int((task / 'schedstat').read_text().split()[0])
    return total / 1e9


def memory_mib(pid, field):
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    return int(re.search(rf'^{field}:\s+(\d+) kB', status, re.M)[1]) / 1024


def scrape(port, headers):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
    try:
        connection.request('GET', '/metrics', headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f'{response.status} {body!r}')
        return len(body)
    finally:
        connection.close()


def start_loops(folder, count):
    process = subprocess.Popen([BUILD / 'bench/live_loops', folder, str(count)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != 'ready\n':
        raise RuntimeError('live_loops did not start')
    return process


def start_exporter(folder):
    process = subprocess.Popen([BUILD / 'looptap', 'serve', '--web.listen-address=127.0.0.1:0',
                                f'--segments.dir={folder}'], stderr=subprocess.PIPE, text=True)
    found = re.search(r'http://127\.0\.0\.1:(\d+)/', process.stderr.readline())
    return process, int(found[1])


def measure(count):
    folder = tempfile.mkdtemp(prefix='looptap-bench-', dir=SHARED_MEMORY)
    os.chmod(folder, 0o1777)
    loops = exporter = None
    try:
        loops = start_loops(folder, count)
        exporter, port = start_exporter(folder)
        result = {'loops': count}
        for name, headers in FORMATS.items():
            scrape(port, headers)  # the first one allocates
            cpu, wall = [], []
            for _ in range(SCRAPES):
                time.sleep(PAUSE_SECONDS)
                before, start = cpu_seconds(exporter.pid), time.monotonic()
                size = scrape(port, headers)
                wall.append(time.monotonic() - start)
                cpu.append(cpu_seconds(exporter.pid) - before)
            key = name.replace(' ', '_')
            result[key + '_cpu_ms'] = round(1000 * statistics.median(cpu), 2)
            result[key + '_wall_ms'] = round(1000 * statistics.median(wall), 2)
            result[key + '_bytes'] = size

        before, start = cpu_seconds(exporter.pid), time.monotonic()
        time.sleep(SECONDS)
        spent, passed = cpu_seconds(exporter.pid) - before, time.monotonic() - start
        result['idle_cpu_percent'] = round(100 * spent / passed, 4)
        result['idle_cpu_seconds_a_minute'] = round(60 * spent / passed, 4)
        for name, key in ('text gzip', 'scraped_text'), ('protobuf gzip', 'scraped_protobuf'):
            result[f'{key}_cpu_seconds_a_minute'] = round(
                result['idle_cpu_seconds_a_minute'] + 4 * result[name.replace(' ', '_') + '_cpu_ms'] / 1000, 4)
        result['resident_mib'] = round(memory_mib(exporter.pid, 'VmRSS'), 1)
        result['resident_peak_mib'] = round(memory_mib(exporter.pid, 'VmHWM'), 1)
        return result
    finally:
        for process in exporter, loops:
            if process:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    results = [measure(count) for count in COUNTS]
    (BUILD / 'bench').mkdir(parents=True, exist_ok=True)
    report = {'machine': platform.machine(), 'kernel': platform.release(), 'cpus': os.cpu_count(),
              'seconds': SECONDS, 'targets_at_1000_loops': TARGETS, 'results': results}
    (BUILD / 'bench/exporter.json').write_text(json.dumps(report, indent=2) + '\n')

    names = [name for name in results[0] if name != 'loops']
    print(f"{'':38}" + ''.join(f'{result["loops"]:>12} loops' for result in results))
    for name in names:
        target = f'  (target {TARGETS[name]})' if name in TARGETS else ''
        print(f'{name:38}' + ''.join(f'{result[name]:>18}' for result in results) + target)
    missed = [name for name, most in TARGETS.items()
              for result in results if result['loops'] == 1000 and result[name] > most]
    print('missed: ' + ', '.join(missed) if missed else 'every target is met')
    return 1 if missed and '--check' in sys.argv else 0


if __name__ == '__main__':
    sys.exit(main())
