//! Objects that detect a use after, and a reclaim before, the end of their
//! life.

use core::{cell::UnsafeCell, mem::MaybeUninit, ptr};
use hyaline::{Handle, Link, Linked, Role, Scheme};
use portable_atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

const POISON: u32 = 0xDEAD_DEAD;

/// Counts what happened to the nodes of one test.
pub struct Ledger {
    made: AtomicUsize,
    dropped: AtomicUsize,
    dropped_twice: AtomicUsize,
    torn: AtomicUsize,
}

/// Every access to a ledger is Relaxed: the counters are read at rest, after a
/// rendezvous or on the same core, and order nothing else.
const COUNT: Ordering = Ordering::Relaxed;

impl Ledger {
    pub const fn new() -> Self {
        Self {
            made: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            dropped_twice: AtomicUsize::new(0),
            torn: AtomicUsize::new(0),
        }
    }

    pub fn made(&self) -> usize {
        self.made.load(COUNT)
    }

    pub fn dropped(&self) -> usize {
        self.dropped.load(COUNT)
    }

    /// How often a reader saw a node change or die under its guard.
    pub fn torn(&self) -> usize {
        self.torn.load(COUNT)
    }

    pub fn note_torn(&self) {
        self.torn.fetch_add(1, COUNT);
    }

    /// Every node was dropped, none twice and none while it was read.
    pub fn check(&self, label: &str) {
        assert_eq!(self.torn(), 0, "{label}: nodes changed under a guard");
        let twice = self.dropped_twice.load(COUNT);
        assert_eq!(twice, 0, "{label}: nodes were dropped twice");
        assert_eq!(self.dropped(), self.made(), "{label}: dropped, made");
    }
}

/// A value that is valid from `new` to `drop` and can be checked.
pub struct Node {
    stamp: AtomicU32,
    check: AtomicU32,
    ledger: &'static Ledger,
    /// The place to return in [`shelve`], if it lies on a shelf.
    place: Option<&'static AtomicBool>,
}

impl Node {
    pub fn new(ledger: &'static Ledger) -> Self {
        // Relaxed: only the number counts. The mask keeps it away from POISON.
        let stamp = ledger.made.fetch_add(1, COUNT) as u32 & 0x00FF_FFFF;
        Self {
            stamp: AtomicU32::new(stamp),
            check: AtomicU32::new(!stamp),
            ledger,
            place: None,
        }
    }

    /// The number that no other node of the ledger has.
    pub fn stamp(&self) -> u32 {
        // Relaxed: as in `holds`.
        self.stamp.load(Ordering::Relaxed)
    }

    /// Reads the node `times` times; false if it is dead or becomes another one.
    pub fn holds(&self, times: u32) -> bool {
        // Relaxed, here and below: the accesses race only if reclamation is broken,
        // and then any value may come back; atomics keep that defined.
        let stamp = self.stamp.load(Ordering::Relaxed);
        let check = || self.check.load(Ordering::Relaxed);
        let again = || self.stamp.load(Ordering::Relaxed);
        stamp != POISON && (0..times).all(|_| check() == !stamp && again() == stamp)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Relaxed: as in `holds`. A swap, because two cores could drop it at once.
        if self.stamp.swap(POISON, Ordering::Relaxed) == POISON {
            self.ledger.dropped_twice.fetch_add(1, COUNT);
        }
        self.check.store(POISON, Ordering::Relaxed);
        self.ledger.dropped.fetch_add(1, COUNT);
    }
}

/// The nodes of one writer. No free list: a broken barrier can then corrupt
/// values but no structure, and the test that looks for the corruption can
/// continue.
pub struct Shelf<const K: usize>([Place; K]);

struct Place {
    taken: AtomicBool,
    node: UnsafeCell<MaybeUninit<Linked<Node>>>,
}

// SAFETY: a place is written by the core that took it, which is the only user
// of the shelf, and read by others only through protected pointers.
unsafe impl<const K: usize> Sync for Shelf<K> {}

impl<const K: usize> Shelf<K> {
    pub const fn new() -> Self {
        Self(
            [const {
                Place {
                    taken: AtomicBool::new(false),
                    node: UnsafeCell::new(MaybeUninit::uninit()),
                }
            }; K],
        )
    }

    /// A fresh node, or `None` when all are in use. One core at a time.
    pub fn make<S: Scheme, R: Role>(
        &'static self,
        handle: &Handle<'_, S, R>,
        ledger: &'static Ledger,
    ) -> Option<*mut Linked<Node>> {
        // Acquire: pairs with the Release in `shelve`; the old node is gone. An
        // interrupt may run this in between, hence a swap and not a store.
        let free = |place: &&Place| !place.taken.swap(true, Ordering::Acquire);
        let place = self.0.iter().find(free)?;
        let mut node = Node::new(ledger);
        node.place = Some(&place.taken);
        let target = place.node.get().cast::<Linked<Node>>();
        // SAFETY: the place is exclusively ours since the swap; no other core
        // reads it before it is published.
        unsafe { target.write(handle.link(node)) };
        Some(target)
    }
}

/// The reclaimer of nodes on a shelf.
///
/// # Safety
///
/// `link` heads a `Linked<Node>` that [`Shelf::make`] made and that is
/// reclaimed once.
pub unsafe fn shelve(link: *mut Link) {
    // SAFETY: it heads such a node, which is exclusively ours (`# Safety`).
    unsafe {
        let node = Link::cast::<Linked<Node>>(link);
        let value: &Node = &*node;
        let place = value.place;
        ptr::drop_in_place(node);
        if let Some(place) = place {
            // Release: pairs with the Acquire in `make`.
            place.store(false, Ordering::Release);
        }
    }
}
