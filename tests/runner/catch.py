"""Runs a program of unit tests: Catch2 (2 or 3) with its XML reporter, which tells every test case."""

import pathlib
import subprocess
import tempfile
import time
import xml.etree.ElementTree

from runner.jobs import ROOT

SECONDS = 300


def complaints(case):
    """What Catch2's XML reporter says of a failed test case."""
    lines = []
    for element in case.iter():
        place = f"{element.get('filename')}:{element.get('line')}"
        if element.tag == 'Expression' and element.get('success') == 'false':
            lines.append(f"{place}: {element.findtext('Original', '').strip()}, that is "
                         f"{element.findtext('Expanded', '').strip()}")
        if element.tag in ('Failure', 'Exception', 'FatalErrorCondition'):
            lines.append(f"{place}: {element.tag}: {(element.text or '').strip()}")
    return '\n'.join(lines)


def report_case(program, case, report):
    """Returns whether it failed."""
    name = f"{program}: {case.get('name', '?')}"
    result = case.find('OverallResult')
    seconds = float(result.get('durationInSeconds', 0))
    if result.get('success') != 'true':
        report.fails(name, seconds, complaints(case))
        return True
    if int(result.get('skips', 0)):  # Catch2 3
        report.skipped(name, seconds, (case.findtext('.//Skip') or 'does not say why').strip())
    else:
        report.passes(name, seconds)
    return False


def run_unit_tests(name, path, report):
    start = time.monotonic()
    if not pathlib.Path(path).exists():
        what = f'{path} has not been built'
        if name.startswith('unit under'):
            report.skipped(name, 0, what)
        else:
            report.fails(name, 0, f'{what}: make test-programs, or make check T={name}')
        return
    with tempfile.NamedTemporaryFile() as xml_file:
        try:
            run = subprocess.run([path, '-r', 'xml', '-d', 'yes', '-o', xml_file.name],
                                 cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, timeout=SECONDS)
            status, output = run.returncode, run.stdout
        except subprocess.TimeoutExpired as timeout:
            status, output = f'none after {SECONDS} s', timeout.stdout or b''
        # Case by case, since a crash may cut the file anywhere.
        parser = xml.etree.ElementTree.XMLPullParser(['end'])
        cases, failures, complete = 0, 0, True
        try:
            parser.feed(xml_file.read())
            parser.close()
        except xml.etree.ElementTree.ParseError:
            complete = False
        for _, element in parser.read_events():
            if element.tag == 'TestCase':
                cases += 1
                failures += report_case(name, element, report)
    unexplained = status != 0 and not failures
    if cases == 0 and b'unexpected memory mapping' in output:
        report.skipped(name, time.monotonic() - start, 'ThreadSanitizer cannot work with this kernel\'s '
                       'vm.mmap_rnd_bits')
    elif not complete or unexplained or cases == 0:
        report.fails(name, time.monotonic() - start, f'broke off after {cases} test cases, exit status {status}:\n'
                     + output.decode(errors='replace'))
