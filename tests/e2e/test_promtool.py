"""promtool, which knows the conventions of metrics, has nothing to say."""

import os
import subprocess

from e2e.harness import (PLAIN_EPOLL, PROBE, PROGRAMS, PYTHON, LooptapTest, find_program,
                         wait_until)


class Promtool(LooptapTest):

    def say(self, text):
        checked = subprocess.run([find_program('promtool'), 'check', 'metrics'], input=text,
                                 text=True, capture_output=True)
        return checked.returncode, checked.stdout, checked.stderr

    def test_has_nothing_to_say_with_several_processes(self):
        metrics = self.serve()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        hostile = os.fsdecode(b'quote" backslash\\ newline\n brace{x="y"} not UTF-8 \xff')
        self.run_program([PLAIN_EPOLL, '5'],
                         environment=self.environment([PROBE], LOOPTAP_NAME=hostile))
        (self.segments / 'foreign').write_text('')
        resting = self.start([PYTHON, PROGRAMS / 'asyncio_ticks.py', '50', 'rest'], [PROBE],
                             stdin=subprocess.PIPE)
        wait_until(lambda: 'resting' in resting.out, f'{resting} rests')
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 3)
        self.assertEqual(self.say(scrape.text), (0, '', ''))

    def test_has_nothing_to_say_without_processes(self):
        self.assertEqual(self.say(self.serve().scrape().text), (0, '', ''))

    def test_would_say_something(self):
        text = self.serve().scrape().text
        status, out, err = self.say(text + '# TYPE wrong counter\nwrong 1\n')
        self.assertNotEqual((status, out, err), (0, '', ''))
