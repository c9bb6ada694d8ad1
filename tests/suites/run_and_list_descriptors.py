"""run_and_list_descriptors.py REPORT ARGUMENT...: runs `python3 -m test ARGUMENT...` in this process, and writes to REPORT
(JSON) which descriptors were open before and after, and what they led to."""

import json
import os
import re
import runpy
import sys


def open_descriptors():
    found = {}
    for number in os.listdir('/proc/self/fd'):
        try:
            target = os.readlink(f'/proc/self/fd/{number}')
        except FileNotFoundError:
            continue  # the one that listed them
        found[number] = re.sub(r'\d+', 'N', target) if int(number) > 2 else ''
    return found


report, sys.argv = sys.argv[1], ['test', *sys.argv[2:]]
before, status = open_descriptors(), 0
try:
    runpy.run_module('test', run_name='__main__', alter_sys=True)
except SystemExit as ending:
    status = ending.code
after = open_descriptors()
with open(report, 'w', encoding='utf-8') as file:
    json.dump({'before': before, 'after': after}, file)
sys.exit(status)
