"""The page for people, in a real browser: Chromium, driven by what WebDriver speaks (JSON over HTTP)."""

import base64
import http.client
import json
import re
import shutil
import struct
import subprocess
import unittest
import zlib

from e2e.harness import PROBE, PROGRAMS, PYTHON, LooptapTest, make_folder, wait_until

# Nothing but the page is to be loaded, by nobody.
CHROMIUM_FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
                  '--disable-background-networking', '--disable-component-update', '--disable-sync',
                  '--disable-dev-shm-usage', '--hide-scrollbars']
BROWSER_DEADLINE = 60  # of a single command, on a machine that has more to do


class Browser:
    """A headless Chromium with a profile of its own."""

    def __init__(self, test):
        driver, chromium = shutil.which('chromedriver'), shutil.which('chromium')
        if not driver or not chromium:
            raise unittest.SkipTest('chromium and chromium-driver are not installed: '
                                    'make test-page installs them')
        profile = make_folder(test, None, 0o700)
        program = test.start([driver, '--port=0'], environment=test.environment(HOME=str(profile)))
        self._port = int(wait_until(
            lambda: re.search(r'successfully on port (\d+)', program.out), f'{program} listens')[1])
        self._session = ''
        answer = self._command('POST', '', {'capabilities': {'alwaysMatch': {
            'browserName': 'chrome',
            'goog:chromeOptions': {'binary': chromium,
                                   'args': [*CHROMIUM_FLAGS, f'--user-data-dir={profile}']},
            'goog:loggingPrefs': {'browser': 'ALL'}}}})
        self._session = f"/{answer['sessionId']}"
        # Before chromedriver is killed, which would leave Chromium behind.
        test.addCleanup(self._command, 'DELETE', '')

    def _command(self, method, path, body=None):
        connection = http.client.HTTPConnection('127.0.0.1', self._port, timeout=BROWSER_DEADLINE)
        try:
            connection.request(method, f'/session{self._session}{path}',
                               json.dumps(body) if body is not None else None,
                               {'Content-Type': 'application/json'})
            response = connection.getresponse()
            value = json.load(response)['value']
        finally:
            connection.close()
        if response.status != 200:
            raise AssertionError(f'{method} {path} {body}: {value}')
        return value

    def open(self, url):
        self._command('POST', '/url', {'url': url})

    def run(self, script, *arguments):
        """Runs JavaScript in the page, and returns what it returns."""
        return self._command('POST', '/execute/sync', {'script': script, 'args': list(arguments)})

    def emulate(self, width=1280, scheme='light'):
        for command, params in (
                ('Emulation.setDeviceMetricsOverride',
                 {'width': width, 'height': 800, 'deviceScaleFactor': 1, 'mobile': width < 700}),
                ('Emulation.setEmulatedMedia',
                 {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})):
            self._command('POST', '/goog/cdp/execute', {'cmd': command, 'params': params})

    def complaints(self):
        """What the page has had to say on the console, refused requests included."""
        return [entry['message'] for entry in self._command('POST', '/se/log', {'type': 'browser'})]

    def corner(self):
        """The colour of the picture's first pixel, as three numbers of 0 .. 255."""
        png = base64.b64decode(self._command('GET', '/screenshot'))
        depth, kind = png[24], png[25]
        if depth != 8 or kind not in (2, 6):
            raise AssertionError(f'an unforeseen kind of PNG: {depth} bits, colour type {kind}')
        data, at = b'', 8
        while at < len(png):
            length, name = struct.unpack('>I4s', png[at:at + 8])
            if name == b'IDAT':
                data += png[at + 8:at + 8 + length]
            at += 12 + length
        return tuple(zlib.decompress(data)[1:4])  # no filter changes a first pixel


class PageTest(LooptapTest):
    FLAGS = ()

    def setUp(self):
        super().setUp()
        self.browser = Browser(self)
        self.metrics = self.serve(*self.FLAGS)

    def show(self, **emulated):
        self.browser.emulate(**emulated)
        self.browser.open(f'http://127.0.0.1:{self.metrics.port}/')
        wait_until(lambda: self.browser.run('return document.body.dataset.looked'),
                   'the page has its figures')

    def api(self):
        return json.loads(self.metrics.request('/api/v1/loops').body)

    def rows(self):
        """What is visible of each loop, from top to bottom."""
        return self.browser.run('''
            return [...document.querySelectorAll("#rows tr")].map((row) => ({
              id: Number(row.dataset.id), state: row.dataset.state,
              cells: Object.fromEntries([...row.cells].map((cell) => [cell.classList[0], cell.innerText])),
              name: row.querySelector("button").textContent}));''')

    def start_asyncio(self, program='asyncio_freezes.py', **variables):
        started = self.start([PYTHON, PROGRAMS / program], environment=self.environment(
            [PROBE], **variables), stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in started.out, f'{started} is ready')
        return started

    def away(self, name, seconds):
        """A loop that has been frozen for long: it is written down in a segment."""
        writer = self.start([PYTHON, '-B', PROGRAMS / 'writes_segment.py', self.segments, f'--name={name}',
                             f'--away={seconds}'], stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in writer.out, f'{writer} is ready')
        wait_until(lambda: any(loop['process'] == name and loop['frozen'] for loop in self.api()['loops']),
                   f'{name} is seen')

    def freeze(self, program, seconds):
        program.say(str(seconds))
        wait_until(lambda: any(loop['frozen'] for loop in self.api()['loops']), 'a loop is frozen')


UNITS = {'h': 3600, 'min': 60, 's': 1, 'ms': 1e-3, 'µs': 1e-6}


def seconds_of(text):
    words = text.split()
    return float(words[0]) if len(words) == 1 else sum(
        float(number) * UNITS[unit] for number, unit in zip(words[::2], words[1::2]))
