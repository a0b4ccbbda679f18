"""Requests in flight: on which observation does the controller start, when, and when does its answer arrive?

The controller runs beside the world. When it has a free slot it takes the newest published observation that
it has not been asked about; its answer arrives ``latency`` later. `slots.Slots` is that rule, in closed form and
without a clock; `requests` applies it in simulated and in real time. Because both follow it to the nanosecond, the
latencies of a real flight give back the same flight in simulation.

Serial, latency 30 ms, tick 20 ms (``o1`` is the observation made by tick 0's step; docs/timing.md):

    starts   on   arrives   used at tick
     -20     o0     10        1  (20 ms)
      10     o1     40        2  (40 ms)
      40     o3     70        4  (80 ms)
      70     o4    100        5 (100 ms)
"""
