"""Holds what an exporter says against the record, byte for byte but for what has changed its name since."""

import difflib
import functools
import json
import pathlib
import re
import tarfile

from e2e.native_histograms import METRIC, NAME, fields, read_varint

# Together they are a third of what they are one by one: most is in several of them.
EXPECTED = pathlib.Path(__file__).resolve().parent / 'expected.tar.xz'

# Metrics that CHANGELOG says are renamed, {old: new}: their help may be another, their series are not.
RENAMED = {'looptap_segments': 'looptap_processes'}
# Those that the record does not have.
NEW = {'looptap_errors_total', 'looptap_shortages_total', 'looptap_suppressed_log_lines_total',
       'looptap_wrong_settings_total'}
# Labels that the record does not have, and the value with which its series go on; those with another value are new.
NEW_LABELS = {'looptap_processes': ('source', 'segments'), 'looptap_dropped_loops_total': ('reason', 'no_slot')}
# Values that a label has not had, and that make series which the record does not have.
NEW_VALUES = {'looptap_rejected_segments_total': ('reason', 'link')}
# Those that tell of the build or of the clock.
NOT_COMPARED = {'looptap_build_info', 'looptap_last_scrape_duration_seconds'}

# The same for the fields of the JSON: those that are new,
NEW_FIELDS = set()
# and those that tell of the build, of the clock, or of the order in which an exporter found the loops.
FIELDS_NOT_COMPARED = {'id', 'time', 'version'}

MOST_LINES = 30  # of a difference

HELP = 2  # of a MetricFamily
LABEL_PAIR, VALUE = 1, 2  # of a Metric, and of that
LABEL = re.compile(rb'([a-z_]+)="([^"]*)"')


@functools.cache
def expected_bodies():
    """The record of what PlaybackTest.play() returns."""
    with tarfile.open(EXPECTED) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def text_families(body):
    """[(name, its lines)]"""
    return [(block.split(b' ', 3)[2].decode(), block)
            for block in re.split(rb'^(?=# HELP |# EOF$)', body, flags=re.M) if block and block != b'# EOF\n']


def protobuf_families(body):
    """[(name, its message)]"""
    families, place = [], 0
    while place < len(body):
        size, place = read_varint(body, place)
        message = body[place:place + size]
        families.append((dict(fields(message))[NAME].decode(), message))
        place += size
    return families


def parts(family, form):
    return fields(family) if form == 'protobuf' else family.splitlines()


def in_order(name, parts_of_family):
    """As they are; of looptap's own families by themselves."""
    return sorted(parts_of_family) if name.startswith('looptap_') else list(parts_of_family)


def lines_of(family, form):
    """For people."""
    if form == 'protobuf':
        return [repr(part) for part in fields(family)]
    return family.decode(errors='replace').splitlines()


def difference(what, expected, actual):
    """Of lines, in words."""
    lines = list(difflib.unified_diff(expected, actual, 'recorded', 'now', lineterm='', n=0))
    more = [f'... {len(lines) - MOST_LINES} more'] if len(lines) > MOST_LINES else []
    return '\n'.join([f'{what} is not what it was:', *lines[:MOST_LINES], *more])


def labels_of(series, form):
    """{name: value}"""
    if form != 'protobuf':
        return {name.decode(): value.decode() for name, value in LABEL.findall(series)}
    pairs = [dict(fields(value)) for number, value in fields(series) if number == LABEL_PAIR]
    return {pair[NAME].decode(): pair.get(VALUE, b'').decode() for pair in pairs}


def without_label(series, name, form):
    if form != 'protobuf':
        return re.sub(rb',?%s="[^"]*"' % name.encode(), b'', series).replace(b'{}', b'').replace(b'{,', b'{')
    return [(number, value) for number, value in fields(series)
            if number != LABEL_PAIR or dict(fields(value))[NAME] != name.encode()]


def key_of(name):
    """As the tables above have it: OpenMetrics leaves out _total."""
    return name if name in NEW_LABELS or name in NEW_VALUES else name + '_total'


def as_recorded(name, family, form):
    """A family's parts, without what CHANGELOG says is new about its labels."""
    key = key_of(name)
    new_label, kept = NEW_LABELS.get(key, (None, None))
    label, new_value = NEW_VALUES.get(key, (None, None))
    rest = []
    for part in parts(family, form):
        series = part if form != 'protobuf' else part[1] if part[0] == METRIC else b'#'
        labels = {} if series.startswith(b'#') else labels_of(series, form)
        if label in labels and labels[label] == new_value:
            continue
        if new_label not in labels:
            rest.append(part if form != 'protobuf' or series == b'#' else (METRIC, list(fields(series))))
        elif labels[new_label] == kept:
            bare = without_label(series, new_label, form)
            rest.append(bare if form != 'protobuf' else (METRIC, bare))
    return rest


def comparable(name, family, form):
    """A family's parts, and its help only where its labels are what they were."""
    rest = as_recorded(name, family, form)
    if key_of(name) not in NEW_LABELS:
        return rest
    return [part for part in rest if not (part[0] == HELP if form == 'protobuf' else part.startswith(b'# HELP '))]


def without_name(name, family, form):
    """A family's type and series."""
    if form == 'protobuf':
        return [part for part in as_recorded(name, family, form) if part[0] not in (NAME, HELP)]
    base = name.removesuffix('_total').encode()
    return [line.replace(base, b'', 1) for line in as_recorded(name, family, form) if not line.startswith(b'# HELP ')]


def current_names(families):
    """Of OpenMetrics, in which a counter's family has no suffix, too."""
    renamed = {old.removesuffix('_total'): new.removesuffix('_total') for old, new in RENAMED.items()} | RENAMED
    return {renamed.get(name, name): (name, family) for name, family in families}


def compare_families(form, expected_body, actual_body):
    """The differences, in words. looptap's own families may come in any order, and so may their series."""
    families_of = protobuf_families if form == 'protobuf' else text_families
    expected, actual = families_of(expected_body), families_of(actual_body)
    optional = NOT_COMPARED | NEW | {name.removesuffix('_total') for name in NEW}

    def order(families):
        return [name for name, _ in families if name.startswith('eventloop_') and name not in optional]

    differences = []
    if order(expected) != order(actual):
        differences.append(f'{form}: the families of loops are {order(actual)}, not {order(expected)}')
    if len(dict(actual)) != len(actual):
        differences.append(f'{form}: a family comes twice')
    before, now = current_names(expected), current_names(actual)
    for name in sorted((before.keys() | now.keys()) - optional):
        if name not in now:
            differences.append(f'{form}: {name} is gone')
        elif name not in before:
            differences.append(f'{form}: {name} is new, and not in NEW of {pathlib.Path(__file__).name}')
        else:
            (old_name, old), (new_name, new) = before[name], now[name]
            if old_name != new_name:
                same = in_order(name, without_name(old_name, old, form)) == in_order(
                    name, without_name(new_name, new, form))
            else:
                same = old == new or in_order(name, comparable(name, old, form)) == in_order(
                    name, comparable(name, new, form))
            if not same:
                differences.append(difference(f'{form}: {name}', lines_of(old, form), lines_of(new, form)))
    if form == 'openmetrics' and not actual_body.endswith(b'\n# EOF\n'):
        differences.append('openmetrics: the end is missing')
    return differences


def json_lines(body):
    """One for each object, with its fields in their order. Of a number, the fewest digits that make it: one more that makes the
    same number is no difference."""
    lines = []

    def add_line(pairs):
        lines.append(' '.join(f'{name}={value}' for name, value in pairs
                              if name not in FIELDS_NOT_COMPARED | NEW_FIELDS and not isinstance(value, list)))
    json.loads(body, parse_int=str, parse_float=lambda digits: repr(float(digits)), object_pairs_hook=add_line)
    return lines


def compare(bodies):
    """The differences, in words, of what PlaybackTest.play() returns."""
    differences = []
    for name, body in bodies.items():
        expected = expected_bodies()[name]
        form = name.split('.')[1]
        if form != 'json':
            differences += [f'{name}: {what}' for what in compare_families(form, expected, body)]
        elif json_lines(expected) != json_lines(body):
            differences.append(difference(name, json_lines(expected), json_lines(body)))
    return differences
