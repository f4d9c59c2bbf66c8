# SPDX-License-Identifier: Apache-2.0
"""The whole table of faults: the rows of all faults_*_test.py, several at once.

    sudo /usr/bin/python3 tests/system/faults_test.py [--row TEXT]... [--list] [--kernel-icmp] [--workers N] [-v]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import faults_answers_test  # noqa: E402
import faults_site_test  # noqa: E402
import faults_tcp_test  # noqa: E402
import faults_udp_test  # noqa: E402
from fault_rows import run_table  # noqa: E402

if __name__ == "__main__":
    run_table("rows", [*faults_site_test.ROWS, *faults_tcp_test.ROWS, *faults_udp_test.ROWS, *faults_answers_test.ROWS])
