"""How property tests draw their examples: the same ones in every fast run, new and more of them in `make test-all`."""

from __future__ import annotations

import os

from hypothesis import settings

# A fast run must not fail by chance for somebody who changed nothing; the search for new cases is a job of its own.
settings.register_profile("fast", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
