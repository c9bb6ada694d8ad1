"""Adding a scalar metric is a diff of one line: the one that CONTRIBUTING.md shows, applied, compiled and served."""

import os
import re
import shlex
import subprocess

from e2e.harness import BUILD, LOOPTAP, PROBE, PYTHON, ROOT, LooptapTest

TABLE = 'exporter/metrics/scalar_metrics.h'
NAME = 'eventloop_longest_iteration_seconds'

BLOCKS = """
import select, time
poll = select.epoll()
poll.poll(0.001)
time.sleep(0.25)
poll.poll(0.001)
"""


def documented_diff():
    """The line after which CONTRIBUTING.md adds one, and that one."""
    page = (ROOT / 'CONTRIBUTING.md').read_text()
    section = page[page.index('## Add a metric'):]
    diff = re.search(r'```diff\n(.*?)```', section, re.S)[1].splitlines()
    added = [line[1:] for line in diff if line.startswith('+')]
    kept = [line[1:] for line in diff if line.startswith(' ')]
    assert len(added) == 1 and len(kept) == 1, diff
    return kept[0], added[0]


def command_for(target):
    """By which make builds it, as words; the last one is not always the target."""
    environment = {name: value for name, value in os.environ.items() if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}
    name = os.path.relpath(target, ROOT)
    result = subprocess.run(['make', '-n', '-B', 'V=1', name], cwd=ROOT, env=environment, text=True,
                            capture_output=True, check=True)
    commands = [shlex.split(line) for line in result.stdout.splitlines() if f' -o {name}' in line]
    return next(words for words in commands if name in words and words[words.index(name) - 1] == '-o')


def objects_that_include(header):
    return sorted(path.with_suffix('.o') for path in (BUILD / 'obj/exporter').rglob('*.d')
                  if re.search(rf'[ \n]{re.escape(header)}\b', path.read_text()))


class AddMetric(LooptapTest):

    def build_with(self, table):
        """An exporter, of which all that includes the table is compiled anew with this one."""
        overlay = self.folder / 'overlay'
        (overlay / TABLE).parent.mkdir(parents=True)
        (overlay / TABLE).write_text(table)
        anew = {os.path.relpath(built, ROOT): self.folder / f'{number}.o'
                for number, built in enumerate(objects_that_include(TABLE))}
        anew[os.path.relpath(LOOPTAP, ROOT)] = self.folder / 'looptap'
        self.assertGreater(len(anew), 2)
        for name in anew:
            words = [str(anew.get(word, word)) for word in command_for(ROOT / name)]
            # Found before the tree's own; quickly compiled, and without dependencies written into the tree.
            words = [f'-I{overlay}' if word == '-I.' else word for word in words if word not in ('-MMD', '-MP', '-O2', '-g')]
            subprocess.run(words + ['-I.'], cwd=ROOT, check=True)
        return self.folder / 'looptap'

    def test_the_line_that_the_page_shows_is_all_it_takes(self):
        after, line = documented_diff()
        table = (ROOT / TABLE).read_text()
        self.assertEqual(table.count(after + '\n'), 1, 'the line after which it is added')
        exporter = self.build_with(table.replace(after + '\n', f'{after}\n{line}\n'))
        self.run_program([PYTHON, '-c', BLOCKS], preload=[PROBE])
        without = self.serve().scrape()
        self.assertEqual(without.find(NAME), [])  # the null control
        scrape = self.serve(program=exporter).scrape()
        [(labels, value)] = scrape.find(NAME)
        self.assertEqual(set(labels), {'process', 'pid', 'loop', 'thread'})
        self.assertGreaterEqual(value, 0.25)
        self.assertIn(f'# TYPE {NAME} gauge\n', scrape.text)
