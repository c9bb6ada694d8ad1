"""The segment directory: made where it can be, refused in one clear line where it cannot be read."""

from e2e.harness import (LOOPTAP, PLAIN_EPOLL, PROBE, LooptapTest, Metrics, require_root)


class SegmentDirectory(LooptapTest):

    def serve_from(self, directory, program=LOOPTAP, **options):
        return self.start([program, 'serve', '--web.listen-address=127.0.0.1:0',
                           f'--segments.dir={directory}'], environment=self.environment(),
                          **options)

    def assert_refused(self, directory, **options):
        exporter = self.serve_from(directory, **options)
        self.assertEqual(exporter.wait(5), 2, exporter)
        self.assertRegex(exporter.err, r'\Alooptap: [^\n]+\n\Z')
        self.assertIn(str(directory), exporter.err)

    def lock(self, directory, mode):
        """Takes rights away until the test ends, when it has to be removed."""
        directory.chmod(mode)
        self.addCleanup(directory.chmod, 0o755)

    def test_missing_one_is_made_for_everybody(self):
        directory = self.segments / 'new'
        Metrics(self.serve_from(directory, umask=0o077)).scrape()
        self.assertEqual(directory.stat().st_mode, 0o041777)

    def test_missing_one_is_made_by_the_probe_for_everybody(self):
        directory = self.segments / 'new'
        program = self.run_program(
            [PLAIN_EPOLL, '5'], environment=self.environment([PROBE], LOOPTAP_DIR=str(directory)),
            umask=0o077)
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(directory.stat().st_mode, 0o041777)
        self.assertEqual([file.stat().st_mode for file in directory.iterdir()], [0o100644])

    def test_missing_parent_is_refused(self):
        self.assert_refused(self.segments / 'no/where')

    def test_file_is_refused(self):
        path = self.segments / 'file'
        path.write_text('')
        self.assert_refused(path)

    def test_symlink_is_refused(self):
        target, link = self.segments / 'target', self.segments / 'link'
        target.mkdir()
        link.symlink_to(target)
        self.assert_refused(link)

    def test_symlink_is_not_followed_by_the_probe(self):
        target, link = self.segments / 'target', self.segments / 'link'
        target.mkdir()
        link.symlink_to(target)
        program = self.run_program(
            [PLAIN_EPOLL, '5'], environment=self.environment([PROBE], LOOPTAP_DIR=str(link)))
        self.assertEqual((program.wait(), program.out, program.err), (0, '5\n', ''))
        self.assertEqual(list(target.iterdir()), [])

    def test_directory_that_may_not_be_read_is_refused(self):
        directory = self.segments / 'locked'
        directory.mkdir()
        self.lock(directory, 0o000)
        self.assert_refused(directory, **self.unprivileged())

    def test_directory_that_may_not_be_made_is_refused(self):
        parent = self.segments / 'parent'
        parent.mkdir()
        self.lock(parent, 0o555)
        self.assert_refused(parent / 'new', **self.unprivileged())

    def test_directory_that_may_only_be_read_is_served(self):
        # Null control: an exporter needs no more than to read.
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        self.lock(self.segments, 0o555)
        metrics = Metrics(self.serve_from(self.segments, **self.unprivileged()))
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 5)

    def test_segments_of_another_user_are_read(self):
        require_root('starts a program as another user')
        metrics = Metrics(self.serve_from(self.segments, **self.unprivileged()))
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 5)

    def test_directory_that_is_replaced_is_found_again(self):
        metrics = self.serve()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        metrics.scrape()
        for file in self.segments.iterdir():
            file.unlink()
        self.segments.rmdir()
        self.segments.mkdir()
        program = self.run_program([PLAIN_EPOLL, '7'], preload=[PROBE])
        self.assertEqual(metrics.scrape().value('eventloop_waits_total', pid=str(program.pid)), 7)
