"""What holds for the probe holds for eBPF: the same tests, without the probe."""

from e2e import (test_blocking_calls, test_children, test_descriptor_numbers, test_frozen_loop, test_idle_loops,
                 test_interrupted_waits, test_loop_lives, test_nested_loops, test_plain_c,
                 test_recreated_loops, test_shared_instances)
from e2e.bpf_test import OnBpf


class PlainC(OnBpf, test_plain_c.PlainC):
    pass


class FrozenLoop(OnBpf, test_frozen_loop.FrozenLoop):
    pass


class LoopLives(OnBpf, test_loop_lives.LoopLives):
    pass


class NestedLoops(OnBpf, test_nested_loops.NestedLoops):
    pass


class SharedInstance(OnBpf, test_shared_instances.SharedInstance):
    pass


class Handoff(OnBpf, test_shared_instances.Handoff):
    pass


class BoostAsio(OnBpf, test_shared_instances.BoostAsio):
    pass


class ReusedNumber(OnBpf, test_descriptor_numbers.ReusedNumber):
    pass


class Duplicates(OnBpf, test_descriptor_numbers.Duplicates):
    pass


class Inherited(OnBpf, test_descriptor_numbers.Inherited):
    pass


class AsyncioRuns(OnBpf, test_recreated_loops.AsyncioRuns):
    pass


class HandlerWaits(OnBpf, test_interrupted_waits.HandlerWaits):
    pass


class JumpsOut(OnBpf, test_interrupted_waits.JumpsOut):
    pass


class Cancelled(OnBpf, test_interrupted_waits.Cancelled):
    pass


class IdleLoop(OnBpf, test_idle_loops.IdleLoop):
    pass


class BlockingCalls(OnBpf, test_blocking_calls.BlockingCalls):
    pass


class Children(OnBpf, test_children.Children):
    pass
