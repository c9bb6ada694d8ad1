"""looptap run that is killed: its program goes on, and the next looptap run of the same user removes the private directories that it
has left, once nobody uses them."""

import fcntl
import os
import pathlib
import shutil
import signal
import tempfile

from e2e.harness import LOOPTAP, NOBODY, PROBE, SHARED_MEMORY, require_root, wait_until
from e2e.run_test import RunTest, child_of


IN_A_PID_NAMESPACE = ['unshare', '--pid', '--fork', '--mount-proc']


class Abandoned(RunTest):

    def killed(self, script, looptap=LOOPTAP):
        """The two directories of a looptap that is killed, and its program, which lives on."""
        program = self.run_under(['sh', '-c', script], looptap=looptap)
        words = wait_until(lambda: '\n' in program.out and program.out.split(), 'it says where')
        child = child_of(program.pid)
        program.process.kill()
        program.wait()
        self.addCleanup(self.kill, child)
        return pathlib.Path(words[0]), pathlib.Path(words[1]).parent, child

    @staticmethod
    def kill(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        wait_until(lambda: not os.path.exists(f'/proc/{pid}/exe'), f'{pid} is gone')

    def next_run(self, **options):
        self.assertEqual(self.finish(['true'], **options).wait(), 0)

    def directory(self, parent=SHARED_MEMORY, prepare=lambda path: None):
        """One that nobody has. It gets its name when it is prepared: a looptap run of another test may look, too."""
        path = pathlib.Path(tempfile.mkdtemp(prefix='looptap-test-', dir=parent))
        prepare(path)
        named = private_name(path)
        self.addCleanup(shutil.rmtree, named, ignore_errors=True)
        return path.rename(named)

    def test_program_goes_on_and_its_directory_is_removed_after_its_end(self):
        directory, _, child = self.killed('echo "$LOOPTAP_DIR -"; exec sleep 60')
        self.assertTrue(os.path.exists(f'/proc/{child}/exe'))
        self.next_run()
        self.assertTrue(directory.is_dir(), 'removed while its program lives')
        self.kill(child)
        self.next_run()
        self.assertFalse(directory.exists())

    def test_of_a_program_in_the_middle_of_an_exec_stays(self):
        """Then it has no environment for a moment."""
        script = self.folder / 'execs'
        script.write_text('#!/bin/sh\nexec "$0"\n')
        script.chmod(0o755)
        directory, _, child = self.killed(f'echo "$LOOPTAP_DIR -"; exec {script}')
        for _ in range(20):
            self.next_run()
            self.assertTrue(directory.is_dir(), 'removed while its program lives')
        self.kill(child)
        self.next_run()
        self.assertFalse(directory.exists())

    def test_of_another_PID_namespace_stays(self):
        """Its program may live where this looptap sees no process of it."""
        directory, _, _ = self.killed('echo "$LOOPTAP_DIR -"; exec sleep 60')
        if self.run_program([*IN_A_PID_NAMESPACE, 'true']).wait():
            self.skipTest('no PID namespaces can be made here')
        self.assertEqual(self.run_program([*IN_A_PID_NAMESPACE, LOOPTAP, 'run', '--', 'true']).wait(), 0)
        self.assertTrue(directory.is_dir())

    def test_copy_of_the_library_likewise(self):
        folder = self.folder / 'with a blank'
        folder.mkdir()
        for file in LOOPTAP, PROBE:
            shutil.copy(file, folder)
        segments, library, child = self.killed('echo "$LOOPTAP_DIR $LD_PRELOAD"; exec sleep 60', folder / LOOPTAP.name)
        self.next_run()
        self.assertEqual((segments.is_dir(), (library / PROBE.name).is_file()), (True, True))
        self.kill(child)
        self.next_run()
        self.assertEqual((segments.exists(), library.exists()), (False, False))

    def test_with_a_segment_of_a_live_process_stays(self):
        # That process does not name it in its environment, as one that has cleaned that.
        files = []

        def make_segment(path):
            (path / '1').write_text('')
            files.append(open(path / '1', 'rb'))
            lock_for_reading(files[0].fileno())

        directory = self.directory(prepare=make_segment)
        with files[0]:
            self.next_run()
            self.assertTrue(directory.is_dir())
        self.next_run()
        self.assertFalse(directory.exists())

    def test_of_a_live_looptap_stays(self):
        program = self.run_under(['sh', '-c', 'echo "$LOOPTAP_DIR"; unset LOOPTAP_DIR LD_PRELOAD; exec sleep 60'])
        directory = wait_until(lambda: program.out.strip(), 'it says where')
        self.next_run()
        self.assertTrue(os.path.isdir(directory))

    def test_of_another_user_or_by_another_name_stays(self):
        require_root('gives a directory away')
        theirs = self.directory(prepare=lambda path: os.chown(path, NOBODY, NOBODY))
        other = pathlib.Path(tempfile.mkdtemp(prefix='looptap-test-', dir=SHARED_MEMORY))
        self.addCleanup(shutil.rmtree, other)
        link = private_name(other)
        link.symlink_to(other)
        self.addCleanup(link.unlink)
        (other / 'file').write_text('')
        self.next_run()
        self.assertTrue(theirs.is_dir())
        self.assertTrue((other / 'file').exists())

    def test_empty_one_that_nobody_has_is_removed(self):
        for parent in SHARED_MEMORY, '/tmp', '/var/tmp':
            directory = self.directory(parent)
            self.next_run()
            self.assertFalse(directory.exists(), directory)


def private_name(path):
    return path.with_name(path.name.replace('looptap-test-', f'looptap-run-{os.stat("/proc/self/ns/pid").st_ino}-'))


def lock_for_reading(fd):
    """An OFD lock, as the probe takes it. It ends when the descriptor is closed."""
    F_OFD_SETLK = 37
    flock = b'\0\0' + b'\0' * 30  # F_RDLCK, from the start, to the end
    fcntl.fcntl(fd, F_OFD_SETLK, flock)
