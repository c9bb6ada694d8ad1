"""Counts the results and tells them: a line for each test as it ends, and at the end what a reader needs.

Logs of continuous integration are cut in their middle. So the whole text of the failures is the last that is written,
before one line with the totals.
"""

MOST_OUTPUT = 20000  # characters of what a file of tests has written itself


class Report:

    def __init__(self):
        self.passed = 0
        self.failures = []  # (name, what went wrong)
        self.skips = {}     # reason: names
        self.outputs = []   # (name of a job in which something failed, what it wrote)

    @staticmethod
    def _line(result, name, seconds):
        print(f'{result:5}{seconds:7.2f} s  {name}', flush=True)

    def passes(self, name, seconds):
        self.passed += 1
        self._line('ok', name, seconds)

    def fails(self, name, seconds, what):
        self.failures.append((name, what))
        self._line('FAIL', name, seconds)

    def skipped(self, name, seconds, reason):
        self.skips.setdefault(reason, []).append(name)
        self._line('skip', name, seconds)

    def adds_output(self, name, text):
        if text := text.strip():
            self.outputs.append((name, text[-MOST_OUTPUT:]))

    def finish(self, seconds):
        """Prints the rest and returns the exit status."""
        print(f'\nAll in {seconds:.0f} s.')
        if self.skips:
            print('\nSkipped:')
        for reason, names in sorted(self.skips.items()):
            print(f"  {len(names):3}  {reason} ({names[0]}{' ...' if len(names) > 1 else ''})")
        for name, text in self.outputs:
            print(f'\nWritten by {name}:\n{text}')
        for name, what in self.failures:
            print(f'\nFAILED {name}\n{what.rstrip()}')
        count = sum(len(names) for names in self.skips.values())
        print(f'\n{self.passed} passed, {len(self.failures)} failed, {count} skipped', flush=True)
        return 1 if self.failures or not self.passed + count else 0

