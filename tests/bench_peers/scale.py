"""1 to 1,000 loops, in one process and in as many: what a wait costs, and what a scrape does."""

import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

from bench_exporter.bench import FORMATS, SHARED_MEMORY, cpu_seconds, memory_mib, scrape
from bench_peers import outside
from e2e.harness import BUILD, PROBE, wait_until

LOOPS_AT_WORK = BUILD / 'bench/loops_at_work'
WAITS = 400_000  # in all
RUNS = 3
SCRAPES = 5
COUNTS = (1, 10, 100, 1000)


@contextlib.contextmanager
def loops_at_work(processes, threads, environment):
    """Gives the CPU time of one wait in ns; while it is open, all loops live."""
    program = subprocess.Popen(
        [LOOPS_AT_WORK, str(processes), str(threads), str(WAITS // (processes * threads))],
        env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: os.nice(19))  # a thousand of them are in the way of others
    try:
        word, _, cost_ns = program.stdout.readline().partition(' ')
        if word != 'done':
            raise RuntimeError(f'{program.args} ended')
        yield float(cost_ns)
    finally:
        program.kill()
        program.wait()
        program.stdin.close()
        program.stdout.close()


def scrape_costs(exporter):
    """Of each format: CPU ms and bytes."""
    result = {}
    for name in ('text gzip', 'protobuf gzip'):
        scrape(exporter.port, FORMATS[name])  # the first one allocates
        cpu = []
        for _ in range(SCRAPES):
            before = cpu_seconds(exporter.pid)
            size = scrape(exporter.port, FORMATS[name])
            cpu.append(cpu_seconds(exporter.pid) - before)
        result[name] = {'cpu_ms': 1000 * statistics.median(cpu), 'bytes': size}
    return result


def measure(processes, threads):
    plain, probed = [], []
    folder = pathlib.Path(tempfile.mkdtemp(prefix='looptap-bench-', dir=SHARED_MEMORY))
    folder.chmod(0o1777)
    environment = {'LD_PRELOAD': str(PROBE), 'LOOPTAP_DIR': str(folder), 'LOOPTAP_LOOPS': str(threads)}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for _ in range(RUNS - 1):
            with loops_at_work(processes, threads, {}) as cost_ns:
                plain.append(cost_ns)
            with loops_at_work(processes, threads, environment) as cost_ns:
                probed.append(cost_ns)
            for file in folder.iterdir():
                file.unlink()
        with loops_at_work(processes, threads, {}) as cost_ns:
            plain.append(cost_ns)
        probed.append(stack.enter_context(loops_at_work(processes, threads, environment)))
        exporter = outside.Exporter(f'--segments.dir={folder}')
        stack.callback(exporter.stop)
        text = wait_until(lambda: (each := exporter.scrape()) and len(each.find('eventloop_waits_total'))
                          == processes * threads and each, 'every loop is shown')
        return {
            'processes': processes, 'loops_in_each': threads,
            'wait_ns': statistics.median(plain),
            'added_ns': statistics.median(with_probe - without
                                          for with_probe, without in zip(probed, plain)),
            'series': len(text.samples),
            'loop_series': sum(name.startswith('eventloop_') for name, _, _ in text.samples),
            'text_bytes': len(text.text),
            'scrape': scrape_costs(exporter),
            'resident_mib': memory_mib(exporter.pid, 'VmRSS'),
            'shared_memory_bytes': sum(file.stat().st_blocks * 512 for file in folder.iterdir()),
        }


def measure_all():
    return [measure(1, count) for count in COUNTS] + [measure(count, 1) for count in COUNTS[1:]]
