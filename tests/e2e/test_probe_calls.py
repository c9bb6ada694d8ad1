"""docs/probe.md lists every system call that the probe makes: by its source, and by strace."""

import re

from e2e.harness import BUILD, PROBE, ROOT, LooptapTest, find_program
from e2e.markdown import spans, tables

PAGE = (ROOT / 'docs/probe.md').read_text()


def documented():
    """{when: names}."""
    [table] = [table for table in tables(PAGE) if table.titles == ['when', 'system calls']]
    return {when: set(spans(calls)) for when, calls in table.rows}


def all_documented():
    return set().union(*documented().values())


class Source(LooptapTest):

    def named(self, text):
        return set(re.findall(r'\bSYS_([a-z0-9_]+)', text))

    def test_names_them_all(self):
        sources = [path for pattern in ('*.h', '*.cc') for path in (ROOT / 'preload').glob(pattern)]
        found = set().union(*(self.named(path.read_text()) for path in sources))
        self.assertGreater(len(found), 20)
        self.assertEqual(found, all_documented())

    def test_another_one_would_be_found(self):
        self.assertEqual(self.named('call(SYS_read, SYS_futex_wait)'), {'read', 'futex_wait'})


class Strace(LooptapTest):

    def calls(self, command, preload):
        """How often each call is made, in all threads and children."""
        report = self.folder / 'strace'
        program = self.run_program([find_program('strace'), '-f', '-qq', '-o', report,
                                    *([f'--env=LD_PRELOAD={PROBE}'] if preload else []), *command])
        if 'ptrace' in program.err:
            self.skipTest(f'strace may not trace here: {program.err.strip()}')
        self.assertEqual(program.wait(), 0, program)
        counts = {}
        for name in re.findall(r'^\d+ +(\w+)\(', report.read_text(), re.M):
            counts[name] = counts.get(name, 0) + 1
        return counts

    def assert_adds_what_is_documented(self, *command):
        """Returns what it adds."""
        without, with_probe = self.calls(command, False), self.calls(command, True)
        # The loader maps the library, which is no call of the probe's.
        more = {name for name, times in with_probe.items() if times > without.get(name, 0)}
        self.assertLessEqual(more - {'mprotect', 'newfstatat', 'fstat', 'futex'}, all_documented())
        return more

    def test_of_a_first_loop(self):
        more = self.assert_adds_what_is_documented(BUILD / 'tests/victims/plain_epoll', '5')
        first = documented()['the program\'s first loop: a segment is made']
        # The rest is for a directory that is not there, a file system that cannot reserve, and what has failed.
        self.assertEqual(first - more, {'mkdirat', 'fchmodat', 'pwrite64', 'unlinkat', 'munmap'} - more)

    def test_of_threads_children_and_duplicates(self):
        for command in ('many_threads', '16', '4'), ('inherited',), ('duplicates',):
            with self.subTest(command[0]):
                self.assert_adds_what_is_documented(BUILD / 'tests/victims' / command[0], *command[1:])

    def test_a_wait_makes_none(self):
        few, many = (self.calls([BUILD / 'tests/victims/plain_epoll', times], True) for times in ('5', '50'))
        self.assertEqual({name: many[name] - few.get(name, 0) for name in many if many[name] != few.get(name, 0)},
                         {'epoll_wait': 45})
