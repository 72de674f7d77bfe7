//! What each access costs, in picoseconds, and where the figure is from.

/// A virtual time or duration, in picoseconds.
pub type Time = u64;

/// A cycle of 4 GHz.
const CYCLE: Time = 250;

/// A load that hits the L1 cache: one cycle. Its latency is 4, but a core has 3 in
/// a cycle, and most are not waited for. AMD, "Software Optimization Guide for the
/// AMD Zen4 Microarchitecture" (57647), data cache.
pub const L1: Time = CYCLE;

/// A store enters the store buffer: one cycle. The same guide.
pub const STORE: Time = CYCLE;

/// Stores that wait at a time: 64. Chips and Cheese, "AMD's Zen 4, Part 2:
/// Memory Subsystem and Conclusion", store queue.
pub const BUFFER: usize = 64;

/// A locked operation on a line that its core owns, and a fence with an empty
/// store buffer: 19 cycles. uops.info, `LOCK CMPXCHG (M64, R64)`, Alder Lake-P,
/// measured loop. (LLVM makes a `SeqCst` fence a locked operation on the stack,
/// or `mfence`, which is slower.)
pub const LOCKED: Time = 19 * CYCLE;

/// A line from another core's cache in the same cluster: 17 ns, the middle of 15
/// to 19. AnandTech, "AMD Zen 4 Ryzen 9 7950X and Ryzen 5 7600X Review",
/// core-to-core latency.
pub const NEAR: Time = 17_000;

/// The same from another cluster: 79.5 ns. The same review.
pub const FAR: Time = 79_500;

/// Cores in a cluster (CCX). The same review.
pub const CLUSTER: usize = 8;

/// A line that no private cache holds, from the cluster's L3: 10.27 ns. AnandTech,
/// "AMD Rome Second Generation EPYC Review", L3 cache, average.
pub const SHARED: Time = 10_270;

/// A system call that yields or wakes: 250 ns. An estimate; no row depends on
/// it unless a contestant waits.
pub const SYSTEM_CALL: Time = 250_000;

/// A barrier on all cores (`membarrier`, private and expedited), for the thread that
/// calls: 0.45 us if it is alone (membarrier-rs, pull request 12).
pub const ALONE: Time = 450_000;

/// The same if there are others: 2 us, an estimate. An interrupt of another core and its
/// answer take 1 to 3. The same for any number of cores.
pub const BARRIER: Time = 2_000_000;

/// The interrupt, for each core that gets it: 0.5 us. An estimate.
pub const INTERRUPT: Time = 500_000;

/// An operation begins up to 2 ns late, which is not counted, so that threads that do the
/// same do not keep step.
pub const JITTER: Time = 2_000;

/// A request for a line takes up to a fourth less or more, at random. An estimate.
pub const SPREAD: Time = 4;

/// One operation in 256 begins after a rest, of up to 32 times what its thread's
/// operations take, which is not counted: less does not end a queue of 16 threads that
/// retry, much more leaves the others alone.
pub const RESTS: u64 = 256;
/// See [`RESTS`].
pub const REST: u64 = 32;

/// How long a line takes from one core to another.
pub fn distance(from: usize, to: usize) -> Time {
    if from / CLUSTER == to / CLUSTER {
        NEAR
    } else {
        FAR
    }
}
