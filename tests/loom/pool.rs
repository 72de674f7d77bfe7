//! The pool: blocks move from owner to owner, and from a magazine to a thief.
//! In models a handle keeps an eighth of the blocks. The models of the tree are
//! in `src/raw/tree/models.rs`.

use hyaline::{Basic, Collector, Handle, Linked, Pool, reclaim};
use loom::{cell::UnsafeCell, thread};

use super::{model, model_within};

type Object = *mut Linked<()>;

/// A pool and its collector, for as long as a model's threads.
struct World<const K: usize> {
    collector: Collector<3, Basic>,
    pool: Pool<(), K>,
    /// Accessed by a block's owner: loom reports two accesses that nothing
    /// orders.
    owned: [UnsafeCell<u32>; K],
}

impl<const K: usize> World<K> {
    fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            collector: Collector::new(),
            pool: Pool::new(),
            owned: std::array::from_fn(|_| UnsafeCell::new(0)),
        }))
    }

    fn register(&'static self) -> Handle<'static> {
        self.collector.register().unwrap()
    }

    /// Allocates, and uses the block.
    fn alloc(&'static self, handle: &Handle<'_>) -> Option<Object> {
        let object = self.pool.alloc(handle, ()).ok()?;
        self.touch(object);
        Some(object)
    }

    fn touch(&'static self, object: Object) {
        let pool = std::ptr::from_ref(&self.pool).addr();
        let block = (object.addr() - pool) / (size_of::<Pool<(), K>>() / K);
        // SAFETY: the block is exclusively ours; loom checks it.
        self.owned[block].with_mut(|times| unsafe { *times += 1 });
    }

    fn free(&'static self, object: Object) {
        self.touch(object);
        // SAFETY: it was never shared.
        unsafe { self.pool.free(object) };
    }

    fn retire(&'static self, handle: &Handle<'_>, object: Object) {
        self.touch(object);
        // SAFETY: it was never shared, and the pool is dropped last.
        unsafe { handle.retire(object, reclaim::pooled::<()>) };
    }

    /// All other threads are gone, and `used` blocks are in use: all others can
    /// be allocated.
    fn close(&'static self, used: usize) {
        let handle = self.register();
        for _ in used..K {
            assert!(self.alloc(&handle).is_some(), "a block is lost");
        }
        assert!(self.alloc(&handle).is_none(), "there are too many");
        assert_eq!(self.pool.available(), 0);
        drop(handle);
        // SAFETY: all threads are joined.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(self).cast_mut()) });
    }
}

/// A pointer that is sent to a thread.
struct Sent(Object);
// SAFETY: a block belongs to its owner, on any thread.
unsafe impl Send for Sent {}

/// Two threads use the only block of a pool, never both at a time, and each
/// sees what the other did as its owner.
#[test]
fn block_changes_hands() {
    model(|| {
        let world = World::<1>::new();
        let (one, two) = (world.register(), world.register());
        let turn = move |handle: &Handle<'_>| {
            if let Some(object) = world.alloc(handle) {
                world.free(object);
            }
        };
        let other = thread::spawn(move || turn(&one));
        turn(&two);
        turn(&two);
        other.join().unwrap();
        drop(two);
        world.close(0);
    });
}

/// A handle that finds no block takes one that another handle keeps, and the
/// two never use the same block: the owner is in a section, and the thief checks
/// for it.
#[test]
fn a_kept_block_is_found_and_used_once() {
    model(|| {
        const K: usize = 8;
        let world = World::<K>::new();
        let (owner, thief) = (world.register(), world.register());
        // It keeps one block from here on.
        let first = world.alloc(&owner).unwrap();
        world.retire(&owner, first);
        assert_eq!(world.pool.available(), K - 1);
        for _ in 1..K {
            assert!(world.alloc(&thief).is_some());
        }
        let other = thread::spawn(move || {
            let guard = owner.enter();
            let object = world.alloc(&owner);
            drop(guard);
            (owner, object.map(Sent))
        });
        let stolen = world.alloc(&thief);
        let (owner, object) = other.join().unwrap();
        assert!(stolen.is_none() || object.is_none(), "one block for two");
        // Outside a section it keeps nothing from the others.
        let left = stolen.is_none() && object.is_none();
        assert_eq!(world.alloc(&thief).is_some(), left);
        drop((owner, thief));
        world.close(K);
    });
}

/// The same with an owner outside a section that is reclaiming at the time.
#[test]
fn a_block_is_kept_while_a_thief_looks() {
    model_within(2, || {
        const K: usize = 8;
        let world = World::<K>::new();
        let (owner, thief) = (world.register(), world.register());
        let first = world.alloc(&owner).unwrap();
        for _ in 1..K {
            assert!(world.alloc(&thief).is_some());
        }
        let first = Sent(first);
        let other = thread::spawn(move || {
            let first = first;
            world.retire(&owner, first.0);
            let object = world.alloc(&owner);
            (owner, object.map(Sent))
        });
        let stolen = world.alloc(&thief);
        let (owner, object) = other.join().unwrap();
        assert!(stolen.is_some() != object.is_some() || stolen.is_none());
        let left = stolen.is_none() && object.is_none();
        assert_eq!(world.alloc(&thief).is_some(), left);
        drop((owner, thief));
        world.close(K);
    });
}
