//! Eras: which objects a section can hold (robust mode).
//!
//! The collector has a clock that counts eras. An object is stamped with its
//! *birth era* and, when it is published, with the *era of its retirement*. A
//! slot shows two eras of its section: the one in which it *began*, and the last
//! one in which it loaded a pointer, its *access era*. A section holds an object
//! only if `began <= retired` and `birth <= access`. The second half comes from
//! Hyaline-1S (Nikolaev & Ravindran, PLDI 2021), the two together from
//! interval-based reclamation (Wen et al., PPoPP 2018).
//!
//! 1. A birth era is never later than the collector's era at that time.
//! 2. `protect` returns a pointer only when the slot's access era, as it was
//!    before the load, is the collector's era after it; so every object that a
//!    section holds has `birth <= access`. If the access era were read after
//!    the load, an interrupt in between could raise it, and so vouch for a
//!    pointer that was loaded before.
//! 3. After an access era is raised, the light barrier is executed before a
//!    pointer is loaded under it. So either a publisher that reads it after its
//!    heavy barrier reads the era under which the section loaded the pointers
//!    that it holds, or a later one; or the light barrier comes after the heavy
//!    one, and the load sees the unlink.
//! 4. A publisher reads the era of retirement after its heavy barrier. If a
//!    section's light barrier came first, then so did its load of the clock
//!    (`Barrier`, clause 2), and `began <= retired` by the coherence of that
//!    word. So a section with `began > retired` cannot find what was published,
//!    and is not waited for.
//! 5. All stores of a slot's eras are Release, all checks Acquire. A check that
//!    finds an era of a later section, or one that an interrupted context set
//!    back, happens after the section that it checks.
//!
//! | reader (access era 5) | era | retirer |
//! |---|---|---|
//! | loads `p` | 6 | |
//! | sees 6, stores access era 6 | 6 | unlinks `p`, heavy barrier |
//! | *no light barrier: the store is still in its buffer* | 6 | reads access era 5 < birth 6: skips, frees `p` |
//! | *loads `p` again, a stale value, and uses it after it is freed* | | |
//! | light barrier: either the retirer reads 6, or this load sees the unlink | | |
//!
//! The clock is in [`word`]: one word on 64-bit targets, two on others, where the
//! module argues why it never wraps.

use super::{chain::Chain, section::Seen};
use crate::{
    Barrier, Link,
    config::Settings,
    sync::{Cell, Init, impl_init},
};

#[cfg(any(not(target_pointer_width = "64"), hyaline_narrow_era))]
#[path = "era/two_words.rs"]
mod word;
#[cfg(not(any(not(target_pointer_width = "64"), hyaline_narrow_era)))]
#[path = "era/one_word.rs"]
mod word;

mod reach;

pub(crate) use word::{Clock, SlotEras};

/// The notes that a scheme keeps in slots and headers, to decide which objects a
/// section may hold.
pub trait EraPolicy: 'static {
    /// The collector's era.
    type Clock: Init + Send + Sync;
    /// The eras that a slot shows.
    type SlotEras: Init;
    /// Owner-only state of a slot.
    type LocalEras: Init;
    /// A slot's access era, as the owner read it.
    type Access: Copy;
    /// The era in which a chain is published.
    type Published: Copy;

    /// Starts a section. The light barrier follows.
    fn enter<B: Barrier>(clock: &Self::Clock, eras: &Self::SlotEras);
    /// The access era, before a pointer is loaded.
    fn access(eras: &Self::SlotEras) -> Self::Access;
    /// Whether a pointer that was loaded (Acquire) after `access` is protected.
    fn is_current(clock: &Self::Clock, access: Self::Access) -> bool;
    /// The same. If it is not protected, raises the access era; the pointer must
    /// be loaded again.
    fn validate<B: Barrier>(
        clock: &Self::Clock,
        eras: &Self::SlotEras,
        access: Self::Access,
    ) -> bool;
    /// Protects an object that the caller owns and did not load.
    fn protect_own<B: Barrier>(clock: &Self::Clock, eras: &Self::SlotEras, link: &Link);
    /// Stamps a new object.
    fn stamp(clock: &Self::Clock, local: &Self::LocalEras, settings: &Settings, link: &Link);
    /// The same, without owner-only state: the clock ticks each time.
    fn stamp_and_tick(clock: &Self::Clock, link: &Link);
    /// Notes the era in which the objects are published, after the heavy barrier.
    /// Returns it; it is not earlier than their births.
    fn publish(clock: &Self::Clock, chain: &mut Chain) -> Self::Published;
    /// Divides a chain into the objects that the section `seen` may hold, and the
    /// rest; notes in the former what they wait for. `published` is the era of a
    /// chain that was published as a whole by this call. Of the sections that
    /// begin after the call, the chain waits for one at most.
    fn hold(
        clock: &Self::Clock,
        eras: &Self::SlotEras,
        seen: Seen,
        chain: Chain,
        published: Option<Self::Published>,
    ) -> (Option<Chain>, Option<Chain>);
    /// Divides the list of an inbox in the same way, by the section `seen`. Holds
    /// nothing if that is not open.
    ///
    /// # Safety
    ///
    /// The list was taken from the inbox, its notes are those that
    /// [`hold`](Self::hold) wrote, and the caller owns it.
    unsafe fn sort(
        eras: &Self::SlotEras,
        seen: Seen,
        list: *mut Link,
    ) -> (Option<Chain>, Option<Chain>);
    /// Eras since the slot's section began, and since its access era.
    fn ages(clock: &Self::Clock, eras: &Self::SlotEras) -> Option<(u64, u64)>;
}

/// Basic mode: a section may hold every object that is published while it is
/// open. Each chain notes the number of the section that it waits for.
#[derive(Debug)]
pub struct NoEras;

impl EraPolicy for NoEras {
    type Clock = ();
    type SlotEras = ();
    type LocalEras = ();
    type Access = ();
    type Published = ();

    #[inline(always)]
    fn enter<B: Barrier>((): &(), (): &()) {}

    #[inline(always)]
    fn access((): &()) {}

    #[inline(always)]
    fn is_current((): &(), (): ()) -> bool {
        true
    }

    #[inline(always)]
    fn validate<B: Barrier>((): &(), (): &(), (): ()) -> bool {
        true
    }

    #[inline(always)]
    fn protect_own<B: Barrier>((): &(), (): &(), _: &Link) {}

    #[inline(always)]
    fn stamp((): &(), (): &(), _: &Settings, _: &Link) {}

    #[inline(always)]
    fn stamp_and_tick((): &(), _: &Link) {}

    #[inline(always)]
    fn publish((): &(), _: &mut Chain) {}

    fn hold(
        (): &(),
        (): &(),
        seen: Seen,
        mut chain: Chain,
        _: Option<()>,
    ) -> (Option<Chain>, Option<Chain>) {
        note(&mut chain, seen.number());
        (Some(chain), None)
    }

    unsafe fn sort((): &(), seen: Seen, mut list: *mut Link) -> (Option<Chain>, Option<Chain>) {
        let (mut held, mut over) = (None, None);
        // SAFETY: "its notes are those that `hold` wrote, and the caller owns it"
        // (# Safety): it is null or begins with a noted object, and so is each
        // `rest`.
        while let Some((section, chain, rest)) = unsafe { first_chain(list) } {
            super::chain::add(
                if seen.is(section) {
                    &mut held
                } else {
                    &mut over
                },
                chain,
            );
            list = rest;
        }
        if let Some(held) = &mut held {
            note(held, seen.number());
        }
        (held, over)
    }

    #[inline(always)]
    fn ages((): &(), (): &()) -> Option<(u64, u64)> {
        None
    }
}

/// Notes the section that a chain waits for, and where the chain ends.
fn note(chain: &mut Chain, section: usize) {
    let last = chain.last();
    // SAFETY: a chain owns its objects, which are valid.
    unsafe { (*chain.first()).notes.wait_for(section, last.cast()) };
}

/// The first of the chains in a list: the section that it waits for, the
/// chain, and the rest of the list. O(1).
///
/// # Safety
///
/// The caller owns the list. It is null, or begins with the first object of a
/// chain that `note` was called for.
unsafe fn first_chain(list: *mut Link) -> Option<(usize, Chain, *mut Link)> {
    if list.is_null() {
        return None;
    }
    // SAFETY: "the caller owns the list", which "begins with the first object of
    // a chain that `note` was called for" (# Safety); so `last` is one of its
    // objects.
    unsafe {
        let (section, last) = (*list).notes.waits_for();
        let last = last.cast::<Link>();
        let rest = (*last).take_next();
        Some((section, Chain::new(list, last), rest))
    }
}

/// Robust mode.
#[derive(Debug)]
pub struct Eras;

/// Objects that the owner stamped since it last advanced the clock.
pub struct LocalEras(Cell<usize>);

impl_init!(LocalEras = LocalEras(Cell::new(0)));

impl EraPolicy for Eras {
    type Clock = Clock;
    type SlotEras = SlotEras;
    type LocalEras = LocalEras;
    type Access = word::Access;
    type Published = u64;

    #[inline(always)]
    fn enter<B: Barrier>(clock: &Clock, eras: &SlotEras) {
        // The light barrier follows in `Local::enter`, so (3) holds for this
        // access era as for one that `protect` stores.
        eras.enter::<B>(clock);
    }

    #[inline(always)]
    fn access(eras: &SlotEras) -> word::Access {
        eras.access()
    }

    #[inline(always)]
    fn is_current(clock: &Clock, access: word::Access) -> bool {
        // The pointer was loaded with Acquire. So the clock is read after it,
        // and is not older than the one that the object was stamped from (1).
        access.is_current(clock)
    }

    #[inline(always)]
    fn validate<B: Barrier>(clock: &Clock, eras: &SlotEras, access: word::Access) -> bool {
        Self::is_current(clock, access) || raise::<B>(clock, eras)
    }

    #[inline]
    fn protect_own<B: Barrier>(clock: &Clock, eras: &SlotEras, link: &Link) {
        if !eras.access().reaches(link.notes.birth()) {
            raise::<B>(clock, eras);
        }
    }

    #[inline(always)]
    fn stamp(clock: &Clock, local: &LocalEras, settings: &Settings, link: &Link) {
        let made = local.0.get().wrapping_add(1);
        local.0.set(made);
        if made >= settings.era_step() {
            next_era(clock, local);
        }
        link.notes.set_birth(clock.at_most());
    }

    fn stamp_and_tick(clock: &Clock, link: &Link) {
        clock.tick();
        link.notes.set_birth(clock.at_most());
    }

    #[inline]
    fn publish(clock: &Clock, chain: &mut Chain) -> u64 {
        let now = clock.at_least();
        chain.for_each(|link| link.notes.set_retired(now));
        now
    }

    fn hold(
        clock: &Clock,
        eras: &SlotEras,
        _: Seen,
        chain: Chain,
        published: Option<u64>,
    ) -> (Option<Chain>, Option<Chain>) {
        let reach = eras.look();
        let mut latest = 0;
        // The common case: the section is current, and holds all.
        let parts = match published {
            Some(now) if reach.began <= now && now <= reach.access => {
                latest = now;
                (Some(chain), None)
            }
            _ => chain.partition(&mut |link| {
                let lifetime = link.notes.lifetime();
                let holds = reach.may_hold(&lifetime);
                if holds {
                    latest = latest.max(lifetime.retired);
                }
                holds
            }),
        };
        // The sections that follow must begin in a later era. Otherwise, if no
        // objects are allocated, a reader that is inside at each check would
        // hold indefinitely what its first section held.
        if parts.0.is_some() && latest >= clock.at_most() {
            clock.tick();
        }
        parts
    }

    unsafe fn sort(eras: &SlotEras, seen: Seen, list: *mut Link) -> (Option<Chain>, Option<Chain>) {
        // SAFETY: "the caller owns" the list (# Safety).
        let chain = match unsafe { Chain::from_list(list) } {
            Some(chain) if seen.is_open() => chain,
            all => return (None, all),
        };
        let reach = eras.look();
        chain.partition(&mut |link| reach.may_hold(&link.notes.lifetime()))
    }

    fn ages(clock: &Clock, eras: &SlotEras) -> Option<(u64, u64)> {
        let (now, reach) = (clock.at_most(), eras.look());
        let since = |era| now.saturating_sub(era);
        Some((since(reach.began), since(reach.access)))
    }
}

/// The next era begins, and lasts for `era_step` objects of this slot.
#[cold]
#[inline(never)]
fn next_era(clock: &Clock, local: &LocalEras) {
    clock.tick();
    local.0.set(0);
}

/// Raises a slot's access era to the collector's era within a section. Returns
/// false: a pointer that was loaded before is not protected.
#[cold]
#[inline(never)]
fn raise<B: Barrier>(clock: &Clock, eras: &SlotEras) -> bool {
    eras.raise::<B>(clock);
    // The light barrier pairs with the publisher's heavy barrier. If ours comes
    // first, the publisher reads the new era. If the heavy one comes first, the
    // load that follows sees what was unlinked before it (3).
    B::light();
    false
}

#[cfg(all(test, hyaline_loom))]
#[path = "era/looks.rs"]
mod looks;
#[cfg(all(test, hyaline_loom, hyaline_narrow_era))]
#[path = "era/models.rs"]
mod models;
