"""How long a run may take, in words, for whoever asks a cluster for the time."""

from __future__ import annotations

from ssl_pipeline.training.probe_time import probe_budget

_ON_TOP = "reading, probes on the way and the page come on top"


def time_limits(max_time: float | None, budget: str | float | None, probes: bool) -> str:
    """How long a run may take.

    Args:
        max_time: seconds of training; None: its bound is another.
        budget: of the probes at the end, see ``probe_budget``.
        probes: whether there are any.

    >>> time_limits(120, "auto", probes=True)
    'at most 3 min: 2 min of training, 1 min of probes at the end; reading, probes on the way and the page come on top'
    >>> time_limits(None, 30, probes=True)
    'no limit to the training (trainer.max_time), at most 30 s of probes at the end'
    """
    if max_time is None:
        training = "no limit to the training (trainer.max_time)"
        return f"{training}, {_probes(budget)} of probes at the end" if probes else training
    limit = probe_budget(budget, max_time) if probes else 0.0
    if limit is None:
        return f"{_span(max_time)} of training, then probes for as long as they take (probe.budget=null); {_ON_TOP}"
    after = f", {_span(limit)} of probes at the end" if limit else ""
    return f"at most {_span(max_time + limit)}: {_span(max_time)} of training{after}; {_ON_TOP}"


def _probes(budget: str | float | None) -> str:
    if budget is None:
        return "no limit to the time"
    return f"at most {_span(float(budget))}" if not isinstance(budget, str) else "a fifth of its time, or 1 min,"


def _span(seconds: float) -> str:
    """A time as it is read.

    >>> _span(45), _span(120), _span(150), _span(5000)
    ('45 s', '2 min', '150 s', '1 h 23 min')
    """
    if seconds < 60 or (seconds % 60 and seconds < 600):
        return f"{seconds:.3g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min")) if count)
