"""`python -m rag_lib.run`: see rag_lib.run.command."""

import sys

from rag_lib.run.command import main

sys.exit(main())
