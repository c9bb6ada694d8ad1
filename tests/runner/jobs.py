"""What is to be run: a job is one file of end-to-end tests, or one program of unit tests, and what it needs."""

import ast
import os
import pathlib

TESTS = pathlib.Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
BUILD = ROOT / os.environ.get('BUILD', 'build')

# What a file may say that it needs for itself, in a tuple `needs`: no two jobs that need the same run side by side.
NEEDS = {
    'address-undefined': 'the folder of the build with AddressSanitizer, in which make is at work',
    'time': 'the whole machine: nothing at all runs beside it, as it holds durations or costs against narrow bounds',
    'ports': 'port numbers that it cannot choose, or other names of which the machine has one',
    'bpf': 'the tracepoints of system calls, which it counts or loads so much that another of its kind would notice',
}

# The unit tests under AddressSanitizer, too: make builds both in one folder.
SANITIZED = 'address-undefined'

# A file that takes longer has hung. A file may say `deadline = SECONDS` itself.
DEADLINE = 300 * float(os.environ.get('DEADLINE', 20)) / 20
MAKE_DEADLINE = 1200  # with what make builds first

RECORDED = TESTS / 'runner/durations'
UNKNOWN = 10  # seconds that a file is expected to take of which nothing is recorded

UNIT_TESTS = {'unit': 'tests/unit',  # all of them; some of them under sanitizers:
              'unit under ThreadSanitizer': 'thread/tests/unit',
              'unit under AddressSanitizer and UBSan': 'address-undefined/tests/unit'}


class WrongName(Exception):
    pass


class Job:

    def __init__(self, name, arguments, needs=(), deadline=DEADLINE, seconds=UNKNOWN):
        self.name = name
        self.arguments = [str(argument) for argument in arguments]  # of tests/run --worker FD
        self.needs = frozenset(needs)
        self.deadline = deadline
        self.seconds = seconds  # an estimate


def declarations(path):
    """needs, deadline and makes (a target that make is to build first, meanwhile), as the file assigns them at its
    top; without importing it."""
    said = {'needs': (), 'deadline': DEADLINE, 'makes': None}
    if not path.exists():
        return said  # the worker tells
    for statement in ast.parse(path.read_text(), str(path)).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name) \
                and statement.targets[0].id in said:
            said[statement.targets[0].id] = ast.literal_eval(statement.value)
    if not isinstance(said['needs'], tuple) or not set(said['needs']) <= set(NEEDS):
        raise WrongName(f"{path}: needs is {said['needs']!r}, and not a tuple of {', '.join(NEEDS)}")
    return said


def end_to_end(names, made=False, tests=TESTS):
    """Jobs of these tests: all of one file are one job. made: what they say that make is to build is built."""
    files = {}
    for name in names:
        files.setdefault('.'.join(name.split('.')[:2]), []).append(name)
    jobs = []
    for file, chosen in files.items():
        said = declarations(tests / (file.replace('.', '/') + '.py'))
        target = said.pop('makes') if made else None
        if target:
            said['deadline'] = MAKE_DEADLINE
        said.pop('makes', None)
        jobs.append(Job(file, ['made', target, 'e2e', *chosen] if target else ['e2e', *chosen], **said))
    return jobs


def all_end_to_end(made=False, tests=TESTS):
    return end_to_end(sorted(f'e2e.{path.stem}' for path in (tests / 'e2e').glob('test_*.py')), made, tests)


def unit(made):
    """Jobs of the unit tests; made: make builds each first."""
    return [Job(name, [*(['made', target(path)] if made else []), 'unit', name, BUILD / path],
                [SANITIZED] if SANITIZED in path else [], MAKE_DEADLINE if made else DEADLINE)
            for name, path in UNIT_TESTS.items()]


def target(path):
    """How the Makefile names what is at this path of the build."""
    return os.path.join(os.environ.get('BUILD', 'build'), path)


def of_names(wanted, made=False):
    """The jobs of what the command line names."""
    jobs, names = [], []
    for name in wanted or ['unit', 'e2e']:
        if name == 'unit':
            jobs += unit(made)
        elif name.startswith('unit.'):
            jobs.append(Job(name, ['unit', name, BUILD / f"tests/alone/{name.rpartition('.')[2]}_test"]))
        elif name == 'e2e':
            jobs += all_end_to_end(made)
        elif name.startswith('e2e.'):
            names.append(name)
        else:
            raise WrongName(f'{name}: neither unit[.FILE] nor e2e[.FILE[.CLASS[.TEST]]]')
    jobs += end_to_end(names, made)
    if made and not wanted:
        jobs.append(Job('headers', ['made', 'check-shared-headers', 'nothing', 'headers compile alone'],
                        deadline=MAKE_DEADLINE))
    recorded = read_durations()
    for job in jobs:
        job.seconds = recorded.get(job.name, UNKNOWN)
    return jobs


def read_durations():
    """{job: seconds} of an earlier run."""
    if not RECORDED.exists():
        return {}
    return {name: float(seconds) for seconds, name in
            (line.split(maxsplit=1) for line in RECORDED.read_text().splitlines())}


def record_durations(seconds_of):
    everything = {**read_durations(), **seconds_of}
    RECORDED.write_text(''.join(f'{seconds:6.0f} {name}\n' for name, seconds in
                                sorted(everything.items(), key=lambda item: -item[1])))
