"""What holds for the probe holds for eBPF: the same tests, without the probe.

Left out (= None) is what only a preload can have or must bear: the segment's bytes, settings in the environment, a
preload's absence; and waits that siglongjmp or cancellation leaves, whose system calls do return.
"""

from e2e import (test_blocking_calls, test_descriptor_numbers, test_frozen_loop, test_idle_loops,
                 test_interrupted_waits, test_loop_lives, test_nested_loops, test_plain_c,
                 test_recreated_loops, test_shared_instances)
from e2e.bpf_test import OnBpf

needs = ('bpf',)


class PlainC(OnBpf, test_plain_c.PlainC):

    test_glibc_program_without_the_probe_is_not = None
    test_musl_program_without_the_probe_is_not = None
    test_static_program_runs_unmeasured = None


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

    def assert_instances(self, count):
        pass  # a segment tells them


class ReusedNumberOfGlibc(OnBpf, test_descriptor_numbers.ReusedNumberOfGlibc):

    def assert_instances(self, count):
        pass


class AsyncioRuns(OnBpf, test_recreated_loops.AsyncioRuns):

    test_ten_thousand_are_one_series = None


class HandlerWaits(OnBpf, test_interrupted_waits.HandlerWaits):
    pass


class IdleLoop(OnBpf, test_idle_loops.IdleLoop):

    test_is_left_out_by_a_pattern = None
    test_is_left_out_by_its_name = None


class BlockingCalls(OnBpf, test_blocking_calls.BlockingCalls):
    pass
