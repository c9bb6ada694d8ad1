"""What the tests of `looptap run` have in common."""

import os
import re
import unittest

from e2e.harness import BUILD, LOOPTAP, LooptapTest

TELLS = BUILD / 'tests/victims/tells_signals'


def child_of(pid):
    path = f'/proc/{pid}/task/{pid}/children'
    if not os.path.exists(path):
        raise unittest.SkipTest(f'this kernel has no {path}')
    with open(path) as file:
        [child] = file.read().split()
    return int(child)


class RunTest(LooptapTest):

    def run_under(self, command, flags=(), looptap=LOOPTAP, preload=(), variables=None, **options):
        """Starts `looptap run`, which chooses the segment directory itself."""
        environment = self.environment(preload, **(variables or {}))
        del environment['LOOPTAP_DIR']
        program = self.start([looptap, 'run', *flags, '--', *command], environment=environment,
                             **options)
        # Before it is killed: it removes what it has made only when its command ends.
        self.addCleanup(self.end_politely, program)
        return program

    @staticmethod
    def end_politely(program):
        if program.process.poll() is None:
            program.stop()

    def finish(self, command, **options):
        program = self.run_under(command, **options)
        program.wait()
        return program

    def table(self, program):
        """The rows of the table at the end, by the names of the columns."""
        lines = program.err.splitlines()
        titles = next((line for line in lines if 'iterations' in line.split()), None)
        self.assertIsNotNone(titles, program)
        rows = []
        for line in lines[lines.index(titles) + 1:]:
            rows.append(dict(zip(titles.split(), re.sub(r' %', '%', line).split())))
        return rows
