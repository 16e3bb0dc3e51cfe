# SPDX-License-Identifier: Apache-2.0
"""What Open vSwitch's userspace datapath loses when a device of its host appears, goes or changes (docs/openflow.md).

It then reads the host's routes anew, and for as long as that takes it knows neither where tunnels lead nor that they end
here. What crosses the wire in those few milliseconds is lost, if its cache is gone through just then. Nothing that can be
set keeps it from that, so a test that plugs VMs while it counts packets must excuse it, between hosts and there only."""

BLINK = 100 # packets of 1000 a second, at the most: mostly 2 to 8, and some 50 where programs wait for a processor


def beyond_blinks(lost):
    """Of lost numbers, in order, those that were lost in longer runs."""
    runs = []
    for n in lost:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return [n for run in runs if len(run) > BLINK for n in run]
