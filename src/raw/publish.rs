//! The write side: retire, publish, walk, collect.

use core::ptr;

use super::{
    EraPolicy, Global, Local, Scheme, Slot,
    chain::{self, Chain},
    section::Seen,
};
use crate::{Barrier, Link, Reclaimer, sync::IN_MODEL};

/// Slots that are skipped together if none of them is busy. Small targets have
/// few slots and little room for code; models have few slots.
const SCAN_CHUNK: usize = if IN_MODEL {
    2
} else if usize::BITS == 64 {
    8
} else {
    1
};

/// Which slots' retired objects a call takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// The caller's, and those of slots whose owners do not publish.
    Own,
    /// All slots'.
    All,
}

impl<S: Scheme> Local<'_, S> {
    /// Counts an object that was retired, and publishes a full batch.
    #[inline(always)]
    pub(super) fn fill_batch(&self) {
        if self.slot.batch.count() {
            self.global.publish_and_drain(self.slot);
        }
    }

    /// Retires an object that this slot does not use any more. It is reclaimed
    /// at once if no other section can hold it.
    ///
    /// # Safety
    ///
    /// As for `Handle::retire`. If `plain`, as for `retire`.
    pub(crate) unsafe fn retire_now(&self, link: *mut Link, reclaim: Reclaimer, plain: bool) {
        // SAFETY: "`ptr` is valid" (`Handle::retire`, # Safety); the header is
        // the collector's.
        let object = unsafe { &*link };
        object.retire(reclaim, plain);
        self.slot.tally.retire();
        self.global.totals.publish();
        // The heavy barrier: pairs with the light one in `enter`, as in
        // `advance`. The object was unlinked before it.
        S::Barrier::heavy();
        // SAFETY: "`ptr` is valid" and "is retired once" (`Handle::retire`, # Safety),
        // so it is in no other list.
        let mut chain = unsafe { Chain::single(link) };
        S::Eras::publish(&self.global.clock, &mut chain);
        let free = self.global.walk(chain, 0, Some(self.slot));
        self.reclaim(free);
        // Counts, too: an owner that only retires in this way still publishes what
        // deferred and per-CPU handles have retired.
        if self.slot.batch.count() {
            self.publish_batch();
        }
        self.drain_limited();
    }

    /// Publishes a full batch. False if this slot does not publish now.
    #[cold]
    fn publish_batch(&self) -> bool {
        let batch = &self.slot.batch;
        if self.is_unprotected() {
            batch.unlimited();
            return false;
        }
        if self.is_draining() {
            // As in `collect`: the next call publishes it.
            batch.end_with_next();
            return false;
        }
        batch.begin(&self.global.settings);
        self.advance(Take::Own);
        true
    }

    /// Publishes everything and reclaims what can be reclaimed now, at most
    /// `limit` objects. Returns how many.
    pub(crate) fn collect(&self, limit: usize) -> usize {
        // In a reclaimer: the next call publishes what it retires. Otherwise a
        // reclaimer that always retires again would never let this call end.
        if self.is_draining() {
            return 0;
        }
        self.slot.batch.begin(&self.global.settings);
        loop {
            self.advance(Take::All);
            // The heavy barrier pairs with itself in another handle's collect.
            // If ours comes first, the other sees what we left in an inbox. If
            // the other's comes first, we see that its section has ended, and
            // forward the inbox ourselves. So nothing is left when all handles
            // have collected after their last section.
            S::Barrier::heavy();
            if !self.global.is_stranded() {
                break;
            }
        }
        self.drain(limit)
    }

    /// `collect`, with the slot's limit.
    pub(crate) fn collect_limited(&self) -> usize {
        self.collect(self.limit())
    }

    /// For contexts in which no reclaimer may run: publishes and forwards
    /// everything, and then, until `done`, reclaims objects whose reclaimers run
    /// no user code. Returns whether there were any. Asks `done` last, also after
    /// reclaiming nothing: another call may have.
    pub(crate) fn scavenge(&self, may_heavy: bool, mut done: impl FnMut() -> bool) -> bool {
        if may_heavy {
            self.advance(Take::All);
        } else {
            self.sweep(None, None, Take::All);
        }
        // The hand is not drained here, and may contain such objects. In a
        // reclaimer, the loop that runs it takes back what is left.
        if self.slot.is_eager() {
            self.put_hand_back();
        }
        let mut any = false;
        loop {
            let reclaimed = self.reclaim_plain();
            any |= reclaimed != 0;
            if done() || reclaimed == 0 {
                return any;
            }
        }
    }

    /// Publishes what was retired, and forwards what waited for sections that
    /// are over. Objects that no section can hold are then in the hand or left
    /// over.
    #[inline(never)]
    pub(super) fn advance(&self, take: Take) {
        let mut taken = self.take_retired(take);
        let mut published = None;
        if let Some(chain) = &mut taken {
            self.global.totals.publish();
            self.global.sample();
            // The heavy barrier pairs with the light one in `enter` and
            // `validate`. If the light one comes first, the walk sees the
            // section open (with its eras). If this one comes first, the
            // reader's loads see everything in the chain unlinked (1). Without
            // it the walk could miss a reader that found an object.
            S::Barrier::heavy();
            published = Some(S::Eras::publish(&self.global.clock, chain));
        }
        self.sweep(taken, published, take);
    }

    /// Takes what was retired and not published.
    fn take_retired(&self, take: Take) -> Option<Chain> {
        let mut taken = None;
        let busy = |slot: &Slot<S>| slot.retired.head();
        self.global.scan(0, busy, |_, slot| {
            let wanted = ptr::eq(slot, self.slot) || take == Take::All || !slot.is_eager();
            if wanted && !slot.retired.seems_empty() {
                // SAFETY: `take` gives us the list; retired objects are valid.
                if let Some(chain) = unsafe { Chain::from_list(slot.retired.take()) } {
                    chain::add(&mut taken, chain);
                }
            }
            true
        });
        taken
    }

    /// Walks along all slots with a chain that is being published, and forwards
    /// what waited for sections that are over.
    #[inline(never)]
    fn sweep(
        &self,
        mut chain: Option<Chain>,
        published: Option<<S::Eras as EraPolicy>::Published>,
        take: Take,
    ) {
        let busy = |slot: &Slot<S>| slot.section.look().depth() | slot.inbox.head();
        self.global.scan(0, busy, |index, slot| {
            // An eager owner forwards its inbox at the end of its section. Only a
            // collect does that in a section, for what was pushed late (5).
            let is_left = || take == Take::Own && slot.is_eager() && slot.section.look().is_open();
            if !slot.inbox.seems_empty() && !is_left() {
                self.visit(index, slot, false);
            }
            if let Some(walking) = chain.take() {
                chain = slot.pass(&self.global.clock, walking, published);
            }
            true
        });
        self.reclaim(chain);
    }

    /// Takes the slot's own inbox, when its section is over or has just been
    /// renumbered. Forwards the objects, and reclaims those that no other section
    /// can hold.
    pub(super) fn drain_inbox(&self) {
        self.visit(self.index(), self.slot, true);
        self.drain_limited();
    }

    /// Takes what waits at a slot, and forwards what need not wait there. What no
    /// section can hold is then in the hand or left over. The owner holds none of what
    /// its new section finds in the inbox (4).
    #[cold]
    #[inline(never)]
    pub(super) fn visit(&self, index: usize, slot: &Slot<S>, is_owner: bool) {
        let list = slot.inbox.take();
        if list.is_null() {
            return;
        }
        // The decisive check comes after the taking (3).
        let seen = slot.section.look();
        let seen = if is_owner { Seen::NONE } else { seen };
        // SAFETY: `take` gave us the list, whose notes `hold` wrote.
        let (held, over) = unsafe { S::Eras::sort(&slot.eras, seen, list) };
        if let Some(held) = held {
            slot.inbox.push(held);
            slot.want();
        }
        if let Some(over) = over {
            self.reclaim(self.global.walk(over, index + 1, None));
        }
    }
}

impl<S: Scheme> Global<S> {
    /// Pushes an object onto the stack of retired objects of any slot.
    ///
    /// # Safety
    ///
    /// As for `retire`; `object` is what `link` points to.
    #[inline]
    pub(super) unsafe fn push_retired(
        &self,
        slot: &Slot<S>,
        object: &Link,
        link: *mut Link,
        reclaim: Reclaimer,
        plain: bool,
    ) {
        object.retire(reclaim, plain);
        // SAFETY: the object is valid and "is retired once" (# Safety), so it is
        // in no other list. `push` sets its `next`.
        slot.retired.push(unsafe { Chain::new(link, link) });
    }

    /// Retires an object for a handle that was evicted.
    ///
    /// # Safety
    ///
    /// As for `Handle::retire`; guards of the slot do not use the object. If `plain`,
    /// the reclaimer runs no user code.
    pub(crate) unsafe fn retire_evicted(
        &self,
        slot: &Slot<S>,
        link: *mut Link,
        reclaim: Reclaimer,
        plain: bool,
    ) {
        self.totals.retire();
        // SAFETY: "`ptr` is valid" and "is retired once" (`Handle::retire`,
        // # Safety).
        unsafe { self.push_retired(slot, &*link, link, reclaim, plain) };
    }

    #[cold]
    #[inline(never)]
    fn publish_and_drain(&self, slot: &Slot<S>) {
        let local = Local { global: self, slot };
        // On an unprotected slot no reclaimer of others runs.
        if local.publish_batch() {
            local.drain_limited();
        }
    }

    /// Calls `visit` for each slot from `from` on whose `busy` is not 0, until it
    /// returns false. Chunks without a busy slot are skipped with one branch. After a
    /// busy slot, and where a walk continues, the next slot is looked at alone: if it is
    /// busy, too, a check of the rest of its chunk would move a line for each, in vain.
    #[inline(always)]
    fn scan(
        &self,
        from: usize,
        busy: impl Fn(&Slot<S>) -> usize,
        mut visit: impl FnMut(usize, &Slot<S>) -> bool,
    ) {
        let slots = self.claimed_slots();
        let mut index = from;
        let mut alone = from > 0;
        while let Some(slot) = slots.get(index) {
            let idle =
                |chunk: &[_; SCAN_CHUNK]| chunk.iter().fold(0, |bits, slot| bits | busy(slot)) == 0;
            if SCAN_CHUNK > 1 && !alone && slots[index..].first_chunk().is_some_and(idle) {
                index += SCAN_CHUNK;
                continue;
            }
            alone = false;
            if busy(slot) != 0 {
                if !visit(index, slot) {
                    return;
                }
                alone = true;
            }
            index += 1;
        }
    }

    /// Walks a chain along the slots from `from` on. Objects that a section may
    /// hold stay in that slot's inbox. Returns the others, which no section can
    /// hold. Skips slot `except`, whose owner does not use the objects.
    ///
    /// The objects are published, and no section of a slot before `from` can hold
    /// them.
    #[inline(never)]
    fn walk(&self, chain: Chain, from: usize, except: Option<&Slot<S>>) -> Option<Chain> {
        let mut chain = Some(chain);
        let busy = |slot: &Slot<S>| slot.section.look().depth();
        self.scan(from, busy, |_, slot| {
            let skipped = except.is_some_and(|except| ptr::eq(except, slot));
            // `take_if` costs 40 bytes on a Cortex-M.
            if !skipped {
                if let Some(walking) = chain.take() {
                    chain = slot.pass(&self.clock, walking, None);
                }
            }
            chain.is_some()
        });
        chain
    }

    /// Whether something waits at a slot that is not open.
    fn is_stranded(&self) -> bool {
        let stranded = |slot: &Slot<S>| !slot.inbox.is_empty() && !slot.section.look().is_open();
        self.claimed_slots().iter().any(stranded)
    }
}

impl<S: Scheme> Slot<S> {
    /// Leaves in the inbox what the slot's section may hold. Returns the rest.
    fn pass(
        &self,
        clock: &<S::Eras as EraPolicy>::Clock,
        chain: Chain,
        published: Option<<S::Eras as EraPolicy>::Published>,
    ) -> Option<Chain> {
        let seen = self.section.look();
        if !seen.is_open() {
            return Some(chain);
        }
        let (held, rest) = S::Eras::hold(clock, &self.eras, seen, chain, published);
        if let Some(held) = held {
            self.inbox.push(held);
            self.want();
        }
        rest
    }
}

impl<S: Scheme> Global<S> {
    /// The heavy barrier at the start of a grace period.
    pub(crate) fn start_grace_period(&self) {
        // Pairs with the light barrier in `enter`. If that comes first,
        // `wait_at` sees the section open. If this comes first, the section sees
        // what the caller did before the grace period, and need not be waited
        // for. Without it the grace period could end during a section that
        // does not see that.
        S::Barrier::heavy();
    }

    /// `Ok` if a slot's section has ended since the heavy barrier at the start of
    /// a grace period, else the number of the section to wait for. `noted` is the
    /// number that an earlier call returned. `None` if no slot from this one on
    /// was ever claimed.
    pub(crate) fn wait_at(&self, slot: usize, noted: Option<usize>) -> Option<Result<(), usize>> {
        let slot = self.claimed_slots().get(slot)?;
        let seen = slot.section.look();
        Some(match noted {
            _ if !seen.is_open() => Ok(()),
            Some(number) if !seen.is(number) => Ok(()),
            _ => {
                slot.want();
                Err(seen.number())
            }
        })
    }
}
