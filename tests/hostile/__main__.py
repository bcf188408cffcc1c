"""Print what comes of the files of every format, or of one."""

import json
import subprocess
import sys

from tests.hostile.cases import FORMATS
from tests.hostile.guarded import run

COUNT = 500

if len(sys.argv) == 1:
    for each in FORMATS:  # a limit of memory cannot be lifted again: one process each
        subprocess.run([sys.executable, "-m", "tests.hostile", each], check=True)
else:
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else COUNT), indent=1))
