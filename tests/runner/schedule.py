"""Which job starts next."""


def may_start(job, running):
    """Whether nothing that runs is in the way of what this job needs."""
    return not any('time' in job.needs or 'time' in other.needs or job.needs & other.needs for other in running)


def weight(job, waiting):
    """How long it takes at least until this job, and all that may not run beside it, are done."""
    return max([job.seconds] + [sum(other.seconds for other in waiting if need in other.needs) for need in job.needs])


def pick(waiting, running):
    """The next job; None: there is none that may run beside those which run.

    The longest first, so that none of them is left over when the others have ended. Those that need the machine for
    themselves come last: before each of them all others have to end, and they do so only once."""
    able = [job for job in waiting if may_start(job, running)]
    return max(able, key=lambda job: ('time' not in job.needs, weight(job, waiting), job.seconds), default=None)
