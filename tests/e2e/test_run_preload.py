"""looptap run: commands that no preload gets into, and libraries whose path LD_PRELOAD cannot hold."""

import os
import shutil

from e2e.harness import (LOOPTAP, NOBODY, PLAIN_EPOLL, PROBE, STATIC_PLAIN_EPOLL, require_root)
from e2e.run_test import RunTest


class PreloadBlocker(RunTest):

    def warnings(self, program):
        return [line for line in program.err.splitlines() if 'not be measured' in line]

    def assert_runs_unmeasured(self, command, reason):
        program = self.finish(command)
        self.assertEqual((program.wait(), program.out), (0, '5\n'), program)
        self.assertEqual(len(self.warnings(program)), 1, program)
        self.assertIn(reason, self.warnings(program)[0])
        self.assertIn('no event loop', program.err)

    def set_id_copy(self, mode):
        """A copy of a program that belongs to somebody else and runs as him."""
        require_root('gives a file to another user')
        copy = self.folder / 'set_id'
        shutil.copy(PLAIN_EPOLL, copy)
        os.chown(copy, NOBODY, NOBODY)
        copy.chmod(mode)
        if os.statvfs(copy).f_flag & os.ST_NOSUID:
            self.skipTest(f'{self.folder} is mounted nosuid')
        return copy

    def test_dynamic_command_is_measured(self):
        program = self.finish([PLAIN_EPOLL, '5'])
        self.assertEqual((program.out, self.warnings(program)), ('5\n', []))
        self.assertEqual([row['iterations'] for row in self.table(program)], ['4'])

    def test_static_command(self):
        self.assert_runs_unmeasured([STATIC_PLAIN_EPOLL, '5'], 'static')

    def test_script_of_a_static_interpreter(self):
        script = self.folder / 'script'
        script.write_text(f'#!{STATIC_PLAIN_EPOLL} 5\n')
        script.chmod(0o755)
        self.assert_runs_unmeasured([script], 'static')

    def test_set_uid_command(self):
        self.assert_runs_unmeasured([self.set_id_copy(0o4755), '5'], 'set-uid')

    def test_set_gid_command(self):
        self.assert_runs_unmeasured([self.set_id_copy(0o2755), '5'], 'set-gid')

    def test_set_uid_command_of_ones_own_is_measured(self):
        require_root('makes a set-uid file')
        copy = self.folder / 'own'
        shutil.copy(PLAIN_EPOLL, copy)
        copy.chmod(0o4755)
        program = self.finish([copy, '5'])
        self.assertEqual((program.out, self.warnings(program)), ('5\n', []))
        self.assertEqual([row['iterations'] for row in self.table(program)], ['4'])


class LibraryPath(RunTest):

    def assert_measures_from(self, name):
        folder = self.folder / name
        folder.mkdir()
        for file in LOOPTAP, PROBE:
            shutil.copy(file, folder)
        program = self.finish([PLAIN_EPOLL, '5'], looptap=folder / LOOPTAP.name)
        self.assertEqual((program.wait(), program.out), (0, '5\n'), program)
        self.assertEqual([row['iterations'] for row in self.table(program)], ['4'])
        self.assertNotIn('preload', program.err)
        return program

    def test_plain(self):
        self.assert_measures_from('plain')

    def test_with_a_blank(self):
        self.assert_measures_from('with a blank')

    def test_with_a_colon(self):
        self.assert_measures_from('with:colon')

    def test_copy_is_gone_afterwards(self):
        folder = self.folder / 'with a blank'
        folder.mkdir()
        for file in LOOPTAP, PROBE:
            shutil.copy(file, folder)
        program = self.finish(['sh', '-c', 'echo "$LD_PRELOAD"; test -f "$LD_PRELOAD"'],
                              looptap=folder / LOOPTAP.name)
        self.assertEqual(program.wait(), 0, program)
        self.assertFalse(os.path.exists(program.out.strip()), program)

    def test_as_installed(self):
        for file, path in (LOOPTAP, 'bin/looptap'), (PROBE, 'lib/looptap/liblooptap.so'):
            (self.folder / path).parent.mkdir(parents=True)
            shutil.copy(file, self.folder / path)
        program = self.finish([PLAIN_EPOLL, '5'], looptap=self.folder / 'bin/looptap')
        self.assertEqual([row['iterations'] for row in self.table(program)], ['4'])

    def test_without_a_library_is_refused(self):
        shutil.copy(LOOPTAP, self.folder)
        program = self.finish(['echo', 'ran'], looptap=self.folder / LOOPTAP.name)
        self.assertEqual((program.wait(), program.out), (2, ''), program)
        self.assertRegex(program.err, r'\Alooptap: [^\n]*liblooptap.so[^\n]*\n\Z')
