"""looptap install and serve --install.dir: put the library into a folder, and disturb nobody who has
loaded it."""

import os

from e2e.harness import LOOPTAP, PLAIN_EPOLL, PROBE, LooptapTest, wait_until


class Install(LooptapTest):

    def setUp(self):
        super().setUp()
        self.target = self.folder / 'target'
        self.target.mkdir()
        self.library = self.target / PROBE.name

    def install(self, **options):
        program = self.run_program([LOOPTAP, 'install', self.target], **options)
        self.assertEqual(program.wait(), 0, program)

    def mapped_inodes(self, pid):
        with open(f'/proc/{pid}/maps') as maps:
            return {int(line.split()[4]) for line in maps if str(self.library) in line}

    def test_puts_the_whole_library_there_for_everybody(self):
        self.install(umask=0o077)
        self.assertEqual(self.library.read_bytes(), PROBE.read_bytes())
        self.assertEqual(self.library.stat().st_mode & 0o555, 0o555)

    def test_makes_the_folder_where_it_is_missing(self):
        self.target.rmdir()
        self.install(umask=0o077)
        self.assertEqual(self.library.read_bytes(), PROBE.read_bytes())
        self.assertEqual(self.target.stat().st_mode & 0o777, 0o755)

    def test_leaves_the_mode_of_a_folder_that_is_there(self):
        self.target.chmod(0o700)
        self.install()
        self.assertEqual(self.target.stat().st_mode & 0o777, 0o700)

    def test_leaves_no_other_file(self):
        self.install()
        self.install()
        self.assertEqual(os.listdir(self.target), [PROBE.name])

    def test_what_it_installed_measures(self):
        self.install()
        metrics = self.serve()
        self.run_program([PLAIN_EPOLL, '5'], preload=[self.library])
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 5)

    def test_leaves_the_same_library_alone(self):
        self.install()
        first = self.library.stat().st_ino
        self.install()
        self.assertEqual(self.library.stat().st_ino, first)

    def test_replaces_the_same_library_where_others_cannot_load_it(self):
        self.install()
        self.library.chmod(0o700)
        self.install()
        self.assertEqual(self.library.stat().st_mode & 0o555, 0o555)

    def test_second_one_does_not_disturb_who_has_loaded_the_first(self):
        self.install()
        with open(self.library, 'ab') as library:
            library.write(b'another version')
        first = self.library.stat().st_ino
        metrics = self.serve()
        program = self.start([PLAIN_EPOLL, '1000'], preload=[self.library])
        wait_until(lambda: metrics.scrape().total('eventloop_waits_total') > 0, 'it is measured')
        self.install()
        self.assertNotEqual(self.library.stat().st_ino, first)
        self.assertEqual(self.mapped_inodes(program.pid), {first})
        self.assertEqual((program.wait(), program.out), (0, '1000\n'), program)
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 1000)

    def test_failed_one_leaves_the_first_as_it_was(self):
        self.library.mkdir()  # a rename cannot replace it
        program = self.run_program([LOOPTAP, 'install', self.target])
        self.assertEqual(program.wait(), 2, program)
        self.assertRegex(program.err, r'\Alooptap: [^\n]+\n\Z')
        self.assertEqual(os.listdir(self.target), [PROBE.name])


class ServeInstalls(LooptapTest):

    def setUp(self):
        super().setUp()
        self.target = self.folder / 'target'
        self.target.mkdir()
        self.library = self.target / PROBE.name

    def test_the_library_is_there_when_it_serves(self):
        metrics = self.serve(f'--install.dir={self.target}')
        self.assertEqual(metrics.request('/-/ready').status, 200)
        self.assertEqual(self.library.read_bytes(), PROBE.read_bytes())
        self.run_program([PLAIN_EPOLL, '5'], preload=[self.library])
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 5)

    def test_does_not_serve_where_it_cannot_install(self):
        self.library.mkdir()
        program = self.run_program([LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0',
                                    f'--segments.dir={self.segments}', f'--install.dir={self.target}'])
        self.assertEqual(program.wait(), 2, program)
        self.assertRegex(program.err, r'\Alooptap: error: cannot write [^\n]+\n\Z')

    def test_installs_nothing_unasked(self):
        self.serve()
        self.assertEqual(os.listdir(self.target), [])
