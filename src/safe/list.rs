//! The sorted list of Harris (DISC 2001) as Michael (SPAA 2002) made it fit for
//! reclamation: what the maps are made of.
//!
//! A node is removed in two steps. The *mark*, the lowest bit of its `next`,
//! takes it out of the set and freezes its successor. Then the link that leads
//! to it is swung past it, and the thread that does that retires it. A walk
//! that meets a marked node unlinks it before it continues.
//!
//! To *replace* is to mark a node with a new successor: the node that takes its
//! place, with the same key. One exchange removes the one and inserts the
//! other, so the key is never missing.
//!
//! ```text
//! a -> old -> c        a -> old =marked=> new -> c        a -> new -> c
//! ```
//!
//! **Robust mode.** A link that is read from a node that was unlinked before
//! may lead to a node that is reclaimed already, and `protect` cannot tell:
//! the reader's era may be new and the link old. So each step of a walk proves
//! that the node it stands on was in the list when `protect` last loaded its
//! `next`:
//!
//! - `next` is not marked: the node was in the list, since it is marked before
//!   it is unlinked. Mark and successor are one word, so one load tells both.
//! - `next` is marked: the exchange that swings the link past the node succeeds
//!   only if the link still leads to it. Then the node was in the list until
//!   now, and so was its successor: nobody can unlink that from a marked node.
//!   If the exchange fails the walk begins again.
//!
//! Either way the successor was not retired before it was protected. Harris's
//! original walks along chains of marked nodes and unlinks them as a whole: by
//! the second one it may stand on a node that is reclaimed. It is wrong here.
//!
//! | walker, at `a` | others |
//! |---|---|
//! | | mark `a`, unlink it; remove and reclaim its successor `b` |
//! | `protect(a.next)`: `b`, marked | |
//! | *Harris: looks into `b`* | |
//! | Michael: the exchange fails, as the link leads past `a` | |
//!
//! In basic mode a section protects all that was in the list at any time since
//! it began. There a `get` walks through marked nodes, writes nothing and never
//! begins again.
//!
//! The list is sorted, so an iteration that begins again knows where it was.

use core::marker::PhantomData;

use super::{Domain, Guard, Origin};
use crate::{
    Role,
    sync::{AtomicPtr, Ordering},
};

/// Which entry a new one may take the place of.
pub(super) enum PutMode<V> {
    /// None: the key is not there.
    Insert,
    /// One with the same key.
    Replace,
    /// Either.
    Upsert,
    /// The one with this value.
    Exchange(*const V),
}

impl<V> PutMode<V> {
    pub(super) fn allows(&self, old: Option<&V>) -> bool {
        match self {
            Self::Insert => old.is_none(),
            Self::Replace => old.is_some(),
            Self::Upsert => true,
            Self::Exchange(value) => old.is_some_and(|old| core::ptr::eq(old, *value)),
        }
    }
}

/// A pointer to a node, or null; marked, it is the `next` of a removed one.
pub(super) type Ptr<N> = *mut N;
/// A place that leads to a node.
pub(super) type Place<N> = AtomicPtr<N>;

/// A node, or what all nodes of a list have. Once it is in a list only its `next`
/// changes.
pub(super) trait Chained: Sized + 'static {
    /// The link to its successor.
    ///
    /// # Safety
    ///
    /// The node is there for `'g`.
    unsafe fn next<'g>(node: Ptr<Self>) -> &'g Place<Self>;

    /// Shows loom that it is in use.
    ///
    /// # Safety
    ///
    /// It is protected.
    unsafe fn loom_access(node: Ptr<Self>);

    /// Retires a node that was unlinked, to where it came from.
    ///
    /// # Safety
    ///
    /// As [`Origin::retire`].
    unsafe fn retire<P: Origin, D: Domain, R: Role>(guard: &Guard<'_, D, R>, node: Ptr<Self>);
}

/// Nodes have an atomic link, so they are aligned, and the lowest bit is free.
const MARK: usize = 1;

fn marked<N>(node: Ptr<N>) -> Ptr<N> {
    node.map_addr(|addr| addr | MARK)
}

pub(super) fn unmarked<N>(node: Ptr<N>) -> Ptr<N> {
    node.map_addr(|addr| addr & !MARK)
}

fn is_marked<N>(node: Ptr<N>) -> bool {
    node.addr() & MARK != 0
}

/// A node that is protected for `'g`.
pub(super) struct Seen<'g, N> {
    node: Ptr<N>,
    of: PhantomData<&'g N>,
}

impl<N> Clone for Seen<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Seen<'_, N> {}

impl<'g, N: Chained> Seen<'g, N> {
    /// # Safety
    ///
    /// Not null, and protected for `'g`.
    #[inline]
    unsafe fn new(node: Ptr<N>) -> Self {
        // SAFETY: protected (fn contract).
        unsafe { N::loom_access(node) };
        let of = PhantomData;
        Self { node, of }
    }

    #[inline]
    fn next(self) -> &'g Place<N> {
        // SAFETY: protected (`new`).
        unsafe { N::next(self.node) }
    }

    /// The node, by the pointer that was published.
    #[inline]
    pub(super) fn as_ptr(self) -> Ptr<N> {
        self.node
    }
}

/// Where a walk ended: at the first node that is not before its goal.
pub(super) struct Found<'g, N> {
    /// The link that leads there.
    link: &'g Place<N>,
    /// The node, protected; null at the end of the list.
    here: Ptr<N>,
    /// Its successor, unmarked.
    next: Ptr<N>,
}

/// What a change of a list did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Nothing: another call changed the list.
    Nothing,
    /// All of it.
    All,
    /// The old node is marked, and still to be unlinked, by a walk to it.
    Marked,
}

impl<'g, N: Chained> Found<'g, N> {
    pub(super) fn node(&self) -> Option<Seen<'g, N>> {
        // SAFETY: `here` is null or protected by the guard of `'g` (field).
        (!self.here.is_null()).then(|| unsafe { Seen::new(self.here) })
    }

    /// Links a new node before this one.
    ///
    /// # Safety
    ///
    /// `new` is exclusively owned, and belongs to the list if `All` is returned.
    pub(super) unsafe fn insert(&self, new: Ptr<N>) -> Done {
        // SAFETY: `new` is exclusively owned (# Safety).
        // Relaxed: not published yet.
        unsafe { N::next(new) }.store(self.here, Ordering::Relaxed);
        // Release: pairs with the Acquire in `seek`; without it the node might
        // not be there yet. Relaxed on failure: `seek` looks again.
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        match (self.link).compare_exchange(self.here, new, success, failure) {
            Ok(_) => Done::All,
            Err(_) => Done::Nothing,
        }
    }

    /// Puts a new node in the place of this one.
    ///
    /// # Safety
    ///
    /// As `insert`, and there is a node here, of storage `P`. `new` belongs to the
    /// list unless `Nothing` is returned.
    pub(super) unsafe fn replace<P: Origin, D: Domain, R: Role>(
        &self,
        guard: &'g Guard<'_, D, R>,
        new: Ptr<N>,
    ) -> Done {
        // SAFETY: `new` is exclusively owned (# Safety).
        // Relaxed: not published yet.
        unsafe { N::next(new) }.store(self.next, Ordering::Relaxed);
        // Release: as in `insert`.
        // SAFETY: there is a node, and it is of this storage (fn contract).
        unsafe { self.mark::<P, D, R>(guard, new, Ordering::Release, || ()) }
    }

    /// Takes this node out. `taken` runs when it is marked: nobody else takes it
    /// out then, and no reclaimer, which may panic, has run yet.
    ///
    /// # Safety
    ///
    /// There is a node here, of storage `P`.
    pub(super) unsafe fn remove<P: Origin, D: Domain, R: Role>(
        &self,
        guard: &'g Guard<'_, D, R>,
        taken: impl FnOnce(),
    ) -> Done {
        // Relaxed: the mark publishes nothing. It continues the release
        // sequence of the store of `next`, and a thread that acts on it unlinks
        // with Release.
        // SAFETY: "there is a node here, of storage `P`" (# Safety).
        unsafe { self.mark::<P, D, R>(guard, self.next, Ordering::Relaxed, taken) }
    }

    /// Marks the node, with a successor, and unlinks it.
    ///
    /// # Safety
    ///
    /// There is a node here, of storage `P`.
    unsafe fn mark<P: Origin, D: Domain, R: Role>(
        &self,
        guard: &'g Guard<'_, D, R>,
        successor: Ptr<N>,
        success: Ordering,
        taken: impl FnOnce(),
    ) -> Done {
        // SAFETY: there is a node (fn contract), protected (field).
        let place = unsafe { N::next(self.here) };
        // Relaxed on failure: `seek` looks again.
        let marking =
            place.compare_exchange(self.next, marked(successor), success, Ordering::Relaxed);
        if marking.is_err() {
            return Done::Nothing;
        }
        taken();
        // SAFETY: protected, of this storage, marked, and this is its successor.
        match unsafe { unlink::<N, P, D, R>(guard, self.link, self.here, successor) } {
            true => Done::All,
            false => Done::Marked,
        }
    }
}

/// Walks past all nodes that are `before` the goal, and unlinks marked ones on
/// the way. Calls `begin` whenever the walk begins.
///
/// # Safety
///
/// `start` is the head of a list, or the link of a node of one that is never
/// removed. All nodes that are, are of storage `P`.
pub(super) unsafe fn seek<'g, N: Chained, P: Origin, D: Domain, R: Role>(
    start: &'g Place<N>,
    guard: &'g Guard<'_, D, R>,
    begin: impl Fn(),
    before: impl Fn(Seen<'g, N>) -> bool,
) -> Found<'g, N> {
    'again: loop {
        begin();
        let mut link = start;
        // Acquire, and in all loads of a link: pairs with the Release with
        // which nodes are linked; without it the contents might not be
        // there yet.
        let mut here = guard.protect(link, Ordering::Acquire);
        loop {
            if here.is_null() {
                let next = here;
                return Found { link, here, next };
            }
            // SAFETY: protected while it was in the list, see the module.
            let node = unsafe { Seen::<'g, N>::new(here) };
            let next = guard.protect(node.next(), Ordering::Acquire);
            if is_marked(next) {
                let next = unmarked(next);
                // SAFETY: protected, of this storage, marked, and `next` is its
                // successor.
                if !unsafe { unlink::<N, P, D, R>(guard, link, here, next) } {
                    continue 'again;
                }
                here = next;
            } else if before(node) {
                link = node.next();
                here = next;
            } else {
                return Found { link, here, next };
            }
        }
    }
}

/// The first node that is not `before` the goal, and not removed. Basic mode:
/// walks once, and writes nothing.
///
/// # Safety
///
/// As [`seek`], and the collector's scheme is basic.
#[inline]
pub(super) unsafe fn look<'g, N: Chained, D: Domain, R: Role>(
    start: &'g Place<N>,
    guard: &'g Guard<'_, D, R>,
    before: impl Fn(Seen<'g, N>) -> bool,
) -> Option<Seen<'g, N>> {
    // Acquire: as in `seek`. It may be marked, after `past_one`.
    let mut here = unmarked(guard.protect(start, Ordering::Acquire));
    while !here.is_null() {
        // SAFETY: basic mode: it was in the list after the section began.
        let node = unsafe { Seen::<'g, N>::new(here) };
        // Acquire: as above.
        let next = guard.protect(node.next(), Ordering::Acquire);
        if !before(node) && !is_marked(next) {
            return Some(node);
        }
        here = unmarked(next);
    }
    None
}

/// A place from which a [`look`] takes a step less: past the first node, if that is
/// `before` the goal. Without a branch: where a list has a node or two, a processor
/// cannot foresee which of them is the goal, and a wrong guess costs more than the
/// step.
///
/// # Safety
///
/// As `look`.
#[cfg(feature = "alloc")] // for `HashMap`
#[inline]
pub(super) unsafe fn past_one<'g, N: Chained, D: Domain, R: Role>(
    start: &'g Place<N>,
    guard: &'g Guard<'_, D, R>,
    before: impl Fn(Seen<'g, N>) -> bool,
) -> &'g Place<N> {
    // Acquire: as in `seek`.
    let here = guard.protect(start, Ordering::Acquire);
    if here.is_null() {
        return start;
    }
    // SAFETY: as in `look`.
    let node = unsafe { Seen::<'g, N>::new(here) };
    [start, node.next()][usize::from(before(node))]
}

/// Swings a link past a marked node, and retires it. Returns whether the link
/// led to it.
///
/// # Safety
///
/// `here` is protected, of storage `P`, in a static if that is a pool, and
/// marked; `next` is its successor.
unsafe fn unlink<N: Chained, P: Origin, D: Domain, R: Role>(
    guard: &Guard<'_, D, R>,
    link: &Place<N>,
    here: Ptr<N>,
    next: Ptr<N>,
) -> bool {
    // Release: pairs with the Acquire in `seek`: a thread that finds `next` by
    // this link sees its contents, which we acquired. A later retire of `next`
    // happens after this exchange, so its heavy barrier also orders that `here`
    // was marked and unlinked (see the module).
    // Relaxed on failure: nothing is done with the result.
    let (success, failure) = (Ordering::Release, Ordering::Relaxed);
    let unlinked = link.compare_exchange(here, next, success, failure);
    if unlinked.is_ok() {
        // SAFETY: protected, of this storage (fn contract). One link leads to a
        // node that is in the list, and this was it, so it is unlinked and
        // retired once. Nodes that were unlinked before may lead to it, and no
        // walk steps from them, see the module. It was stamped by a handle of
        // D's collector.
        unsafe { N::retire::<P, D, R>(guard, here) };
    }
    unlinked.is_ok()
}
