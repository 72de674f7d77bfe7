//! How much memory robust mode needs: the bound, and the size of a pool.
//!
//! # The most objects that can be retired and not yet reclaimed
//!
//! Let a collector have `N` slots, batches of `B` objects and an era step of
//! `E`; let at most `live` objects be in use (made and not yet retired) at a
//! time. Sections may *stall*: be preempted for any time. Count a stall for
//! each section that stalls, and one more each time it stalls again after it
//! has gone on to load pointers; at most `stalls` at a time.
//!
//! 1. A batch is published when it has `B` objects, or as many as there are
//!    active slots if that is more: it never has more than `M = max(B, N)`.
//! 2. A section that stalls in era `e` can hold a batch only if one of its
//!    objects was born in `e` or before (`raw`, step 7), and only if it was
//!    published after the section began. Such an object was in use when the
//!    section last loaded a pointer: at most `live`; or was retired and not
//!    published: in the batch or in the hands of one of `N` slots, or in limbo
//!    in one of `N` groups, so at most `2 N` batches have them; or was made
//!    later in the same era: at most `N * E`, as each slot lets the era go on
//!    after `E` objects. So a stall holds at most `live + N * (E + 2)`
//!    batches.
//! 3. What no stalled section holds is in the local batch of a slot (fewer
//!    than `M`), in its hands on the way to a reclaimer (at most `M`), or in
//!    limbo (fewer than `N` for each slot that handed over).
//!
//! Together: `stalls * (live + N * (E + 2)) * M + N * (2 * M + N)`.
//!
//! The factor `M` is that of the algorithm: one old object holds back the
//! batch it is in. It is why a small pool wants a small batch. Sections that
//! do not stall count for as long as they last: if they are long compared to
//! the rate of retiring, count them as stalls.
//!
//! # Recipe for a pool
//!
//! Decide how many objects are in use at most, how many sections may stall at
//! a time (as a rule: tasks of lower priority than the busiest writer), take
//! a small batch and era step, and let the compiler check the size:
//!
//! ```
//! use hyaline::{Collector, Config, Pool, Robust};
//!
//! const SLOTS: usize = 4;
//! const CONFIG: Config = Config::new().batch::<4>().era_step::<1>();
//! const BLOCKS: usize = 200;
//! const _: () = assert!(BLOCKS >= CONFIG.pool_size(SLOTS, 1, 16));
//!
//! static C: Collector<SLOTS, Robust> = Collector::with_config(CONFIG);
//! static POOL: Pool<[u8; 32], BLOCKS> = Pool::new();
//! # let handle = C.register()?;
//! # assert!(POOL.alloc(&handle, [0; 32]).is_ok());
//! # Ok::<(), hyaline::SlotsExhausted>(())
//! ```

use crate::{Barrier, Config, pool::Magazine};

impl<B: Barrier> Config<B> {
    /// Robust mode: the most objects that can be retired and not yet
    /// reclaimed, for a collector with so many slots, sections that stall at
    /// a time, and objects in use at a time.
    ///
    /// The derivation is in the [module](crate::bound). In basic mode there is
    /// no such bound.
    ///
    /// ```
    /// use hyaline::Config;
    ///
    /// const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
    /// assert_eq!(CONFIG.most_pending(1, 0, 10), 3);
    /// ```
    #[must_use]
    pub const fn most_pending(&self, slots: usize, stalls: usize, live: usize) -> usize {
        let (batch, step) = (self.settings.batch(), self.settings.era_step());
        let largest = if batch > slots { batch } else { slots };
        stalls * (live + slots * (step + 2)) * largest + slots * (2 * largest + slots)
    }

    /// Robust mode: the blocks that a [`Pool`](crate::Pool) must have so that
    /// `alloc` never fails, if all objects come from it.
    ///
    /// That is the objects in use, [`most_pending`](Self::most_pending), and
    /// what handles keep of their own (nothing on targets without caches).
    ///
    /// ```
    /// use hyaline::Config;
    ///
    /// const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
    /// const _: () = assert!(CONFIG.pool_size(1, 0, 10) <= 14);
    /// ```
    #[must_use]
    pub const fn pool_size(&self, slots: usize, stalls: usize, live: usize) -> usize {
        let needed = live + self.most_pending(slots, stalls, live);
        let mut size = needed;
        // A larger pool lets handles keep more, up to a limit: this ends.
        while size < needed + slots * Magazine::size(size) {
            size = needed + slots * Magazine::size(size);
        }
        size
    }
}
