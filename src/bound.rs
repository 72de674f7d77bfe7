//! How much memory robust mode needs: the bound, and the size of a pool.
//!
//! # Assumptions
//!
//! A collector has `N` slots and batches of `B` objects.
//!
//! - **In use.** At most `live` objects are allocated and not yet retired at a
//!   time. An object that is retired where no reclaimer may run (by a deferred,
//!   per-CPU or evicted handle, or by a handle in one of its own reclaimers)
//!   counts as in use until an eager handle has published or collected it and
//!   left nothing over. One that is retired in
//!   [`with_unprotected`](crate::CollectorView::with_unprotected) counts as in use
//!   until that call has returned. What a handle retires in its own reclaimers is found by
//!   its own later publishes and by every collect, not by the publishes of
//!   other handles.
//! - **Stalls.** At most `stalls` are counted at a time:
//!   - one for each section that is open while `N * B` objects or more are
//!     retired;
//!   - for each later era in which such a section still loads pointers (or
//!     protects or retires objects that it allocated): two more, and as many as all other
//!     sections count at that time;
//!   - one for each call that is under way while `N` objects or more are
//!     retired by others, because it is preempted or its reclaimers take long;
//!   - for a section that loaded pointers in several eras before it stalled:
//!     two more for each of these eras after the first;
//!   - where eras are packed (targets without 64-bit words): one more for a
//!     section that has stalled for 2,048 eras, again after 2^21, 2^31 and 2^41.
//!
//!   A section counts as open until it has ended *and* each call that was under
//!   way at its end has returned. It ends when its last guard is dropped, or
//!   [refreshed](crate::Guard::refresh) in a later era; one of a deferred,
//!   per-CPU or evicted handle ends at the next publish or collect of an eager
//!   handle after that. If its objects are left over, it counts as open until
//!   they are taken from there, and each call that was under way then has
//!   returned. So a section whose objects a limit leaves over is a stall if
//!   `N * B` or more are retired before they are reclaimed, however short it was.
//! - **Stamped.** Each object has a birth era: from
//!   [`Handle::link`](crate::Handle::link),
//!   [`Handle::stamp`](crate::Handle::stamp) or a pool. One with
//!   [`Link::new`](crate::Link::new), and a [`Callback`](crate::Callback), is held
//!   by every section that stalls.
//!
//! Sections that do not stall are not counted, however many there are. On one
//! core a section stalls if it is preempted for that long, so count the tasks of
//! lower priority than the busiest writer. A reader that loads in one era, is
//! preempted once and then finishes counts one, if it ends before others retire
//! much more. One that walks a list, or a map by
//! [`Map::iter`](crate::safe::Map::iter), while others publish loads in several eras.
//! Where eras have two words (targets without 64-bit words), the high word of a
//! section's access era changes once in 2^30 eras. A section that is preempted
//! between the stores of the two words holds all that is retired until it runs
//! again; the bound does not cover it.
//! [`SlotState::age`](crate::SlotState::age) shows how long sections take.
//!
//! # The most objects that can be retired and not yet reclaimed
//!
//! Let `u = N * B`.
//!
//! 1. *Unpublished*, and not counted as in use, are at most `u` objects: fewer
//!    than `B` on each stack, and fewer than `N` in calls that are not counted.
//! 2. *A section holds* objects that were born in its access era `e` or before,
//!    and published in the era in which it began or later. The era `e` ends when
//!    anything that was published in it is left for a section. At that moment
//!    each object that the section holds was in use or unpublished: at most
//!    `live + u`, if `e` is the only era in which it loads.
//! 3. *A section that loads again* in a later era holds that many again.
//!    Besides, objects that wait elsewhere at that moment may walk to it later,
//!    and their eras then match as if the section had found them: those that
//!    counted sections hold, and those that others hold, `live + u + u` together
//!    with the unpublished ones (4). With the objects in use that makes two
//!    more, and the count of the others.
//! 4. *Sections that are not counted.* Take the oldest one that is open, and
//!    the era in which it began. An object that such sections hold, or that is
//!    not published now, was retired and unpublished when that era ended (`u`),
//!    or was in use then (`live`), or was retired since (fewer than `u`).
//! 5. *A limit* may leave objects over. While anything is left over, each
//!    further retire publishes and reclaims at least one object for the one
//!    that it adds. A handle that has not reached its limit yet may first fill
//!    its batch: `u` more. A retire where no reclaimer may run reclaims none, but
//!    its objects are in use, and the section whose objects are left over counts
//!    as open.
//! 6. *A call* that is preempted has at most `max(B, N)` reclaimable objects
//!    in its hand, or `u` unpublished ones: less than a section. It may also
//!    have taken a whole inbox, or all that was left over, and not have
//!    forwarded it yet. Those are objects that a section held, or a limit left
//!    over. This is why a section counts until the calls that were under way at
//!    its end have returned.
//! 7. *Packed eras* round the age of an object up by one part in 1,024, and
//!    below 2,048 eras not at all. An object that a section holds because of
//!    this was in use or unpublished 2^11, 2^21, 2^31 or 2^41 eras after its last
//!    load: at most `live + u` each time, less than another stall.
//!
//! Together: `stalls * (live + u) + (live + 2 * u) + u`, that is
//! `(stalls + 1) * (live + N * B) + 2 * N * B`.
//!
//! `tests/bound.rs` searches for schedules that approach the bound, and fails if
//! one exceeds it.
//!
//! # Recipe for a pool
//!
//! Decide how many objects are in use at most, and how many sections may stall
//! at a time ([which](crate::guide::which_one#4-size)). Use a small batch, and let
//! the compiler check the size:
//!
//! ```
//! use hyaline::{Collector, Config, Pool, Robust};
//!
//! const SLOTS: usize = 4;
//! const CONFIG: Config = Config::new().batch::<4>().era_step::<1>();
//! const BLOCKS: usize = 140;
//! const _: () = assert!(BLOCKS >= CONFIG.pool_size(SLOTS, 1, 16));
//!
//! static C: Collector<SLOTS, Robust> = Collector::with_config(CONFIG);
//! static POOL: Pool<[u8; 32], BLOCKS> = Pool::new();
//! # let handle = C.register()?;
//! # assert!(POOL.alloc(&handle, [0; 32]).is_ok());
//! # Ok::<(), hyaline::SlotsExhausted>(())
//! ```
//!
//! A cell with one writer and three readers has two versions in use: the
//! current one and the next one. The sizes at which no write is ever refused,
//! with no, one and three readers that stall at a time:
//!
//! ```
//! # use hyaline::Config;
//! const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
//! assert_eq!(CONFIG.pool_size(4, 0, 2), 16);
//! assert_eq!(CONFIG.pool_size(4, 1, 2), 22);
//! assert!(CONFIG.pool_size(4, 3, 2) <= 38); // 4 of them in magazines, on 64-bit targets
//! ```
//!
//! These cover the worst that all four slots can do together: readers that
//! retire, limits, and calls preempted anywhere. Fewer blocks are enough for most
//! programs, and safe for all: an allocation that finds no block returns an
//! error.

use crate::{Barrier, Config, raw::magazine::Magazine};

impl<B: Barrier> Config<B> {
    /// Robust mode: the most objects that can be retired and not yet
    /// reclaimed, for a collector with so many slots, stalls at a time, and
    /// objects in use at a time. Saturates at `usize::MAX`.
    ///
    /// The [module](crate::bound) defines a stall and an object in use, and
    /// derives the bound. Objects with a [`Link::new`](crate::Link::new) and
    /// callbacks, which have no birth era, are not covered. In basic mode there is no such
    /// bound.
    ///
    /// ```
    /// use hyaline::Config;
    ///
    /// const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
    /// assert_eq!(CONFIG.most_pending(1, 0, 10), 13);
    /// ```
    #[must_use]
    pub const fn most_pending(&self, slots: usize, stalls: usize, live: usize) -> usize {
        let unpublished = slots.saturating_mul(self.settings.batch());
        let held = live.saturating_add(unpublished);
        held.saturating_mul(stalls.saturating_add(1))
            .saturating_add(unpublished.saturating_mul(2))
    }

    /// Robust mode: the blocks that a [`Pool`](crate::Pool) must have so that
    /// `alloc` never fails, if all objects come from it.
    ///
    /// That is the objects in use, [`most_pending`](Self::most_pending), and
    /// the blocks in the magazines of handles (64-bit targets only). It is for a
    /// pool that the handles of one collector use.
    ///
    /// ```
    /// use hyaline::Config;
    ///
    /// const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
    /// const _: () = assert!(CONFIG.pool_size(1, 0, 10) <= 24);
    /// ```
    #[must_use]
    pub const fn pool_size(&self, slots: usize, stalls: usize, live: usize) -> usize {
        let needed = live.saturating_add(self.most_pending(slots, stalls, live));
        let mut size = needed;
        // Magazines grow with the pool, up to a limit, so this terminates.
        loop {
            let kept = slots.saturating_mul(Magazine::size(size));
            if size >= needed.saturating_add(kept) {
                return size;
            }
            size = needed.saturating_add(kept);
        }
    }
}
