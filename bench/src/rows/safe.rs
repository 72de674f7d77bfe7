//! The crate's structures without `unsafe`, for the rows of their kinds.

use std::sync::Arc;

use hyaline::{
    Basic, Collector, Config, Robust, SingleCore, domain,
    safe::{ArcCell, BlockQueue, Domain, Guard, Handle, Map, Queue, RcuCell, Refused, Stack},
};

use super::mix::Mixed;
use crate::{
    schemes::hyaline::{BLOCKS, wait},
    shelf::Shelf,
};

const ROBUST: Config = Config::new();
// SAFETY: takes part only in rows with one thread.
const SINGLE: Config<SingleCore> = Config::new().barrier(unsafe { SingleCore::new() });

domain!(pub Fenced: Collector<16> = Collector::new());
domain!(pub Sturdy: Collector<16, Robust> = Collector::with_config(ROBUST));
// For as many threads as `cargo xtask cores` has.
domain!(pub Crowd: Collector<64> = Collector::new());
domain!(pub Lone: Collector<16, Basic<SingleCore>> = Collector::with_config(SINGLE));

/// Their names in the tables.
pub trait Named: Domain {
    const CELL: &'static str;
    const ARC: &'static str;
}

impl Named for Fenced {
    const CELL: &'static str = "hyaline, RcuCell";
    const ARC: &'static str = "hyaline, ArcCell";
}

impl Named for Crowd {
    const CELL: &'static str = Fenced::CELL;
    const ARC: &'static str = Fenced::ARC;
}

impl Named for Sturdy {
    const CELL: &'static str = "hyaline robust, RcuCell";
    const ARC: &'static str = "hyaline robust, ArcCell";
}

impl Named for Lone {
    const CELL: &'static str = "hyaline single core, RcuCell";
    const ARC: &'static str = "hyaline single core, ArcCell";
}

fn register<D: Domain>() -> Handle<D> {
    D::register().expect("a slot for each thread")
}

/// Values live until the process ends, because they have to be static.
fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A record that is read and replaced.
pub struct Cell<D>(core::marker::PhantomData<D>);

type Record<D> = RcuCell<u64, BLOCKS, D>;

impl<D: Named> Shelf<1> for Cell<D> {
    const NAME: &'static str = D::CELL;
    type Shared = &'static Record<D>;
    type Local<'a> = (Handle<D>, &'static Record<D>);

    fn shared() -> Box<Self::Shared> {
        let cell = leak(RcuCell::new(0));
        // From here on it holds an object of its pool, as it does when in use.
        assert!(cell.replace(&register(), 1).is_ok(), "there is room");
        Box::new(cell)
    }

    fn local(shared: &Self::Shared) -> Self::Local<'_> {
        (register(), shared)
    }

    #[inline(always)]
    fn read((handle, cell): &Self::Local<'_>) {
        let guard: Guard<'_, D> = handle.enter();
        core::hint::black_box(*cell.read(&guard));
    }

    #[inline(always)]
    fn replace((handle, cell): &Self::Local<'_>, value: u64) {
        while cell.replace(handle, value).is_err() {
            wait(handle);
        }
    }
}

/// An `Arc` that is read and replaced.
pub struct Arcs<D>(core::marker::PhantomData<D>);

impl<D: Named> Shelf<1> for Arcs<D> {
    const NAME: &'static str = D::ARC;
    type Shared = ArcCell<u64, D>;
    type Local<'a> = (Handle<D>, &'a ArcCell<u64, D>);

    fn shared() -> Box<Self::Shared> {
        Box::new(ArcCell::new(&register(), Arc::new(0)).expect("there is memory"))
    }

    fn local(shared: &Self::Shared) -> Self::Local<'_> {
        (register(), shared)
    }

    #[inline(always)]
    fn read((handle, cell): &Self::Local<'_>) {
        let guard: Guard<'_, D> = handle.enter();
        core::hint::black_box(**cell.load(&guard));
    }

    #[inline(always)]
    fn replace((handle, cell): &Self::Local<'_>, value: u64) {
        assert!(cell.store(handle, Arc::new(value)).is_ok());
    }
}

/// A structure from which values come out in an order of its own.
macro_rules! container {
    ($name:ident: $structure:ident $(, $in_block:literal)?; $blocks:expr, $is_one:expr) => {
        pub struct $name<D: Domain>($structure<u64, $($in_block,)? { $blocks }, D>);

        impl<D: Domain> Mixed for $name<D> {
            const KEYS: u64 = 1 << 20;
            const PREFILL: u64 = 1000;
            type Local = Handle<D>;

            fn new() -> Self {
                Self($structure::new())
            }

            fn local(&'static self) -> Handle<D> {
                register()
            }

            #[inline(always)]
            fn insert(&'static self, local: &Handle<D>, key: u64) -> bool {
                while self.0.push(local, key).is_err() {
                    wait(local);
                }
                true
            }

            #[inline(always)]
            fn remove(&'static self, local: &Handle<D>, _: u64) -> bool {
                core::hint::black_box(self.0.pop(local)).is_some()
            }

            fn contains(&'static self, _: &Handle<D>, _: u64) -> bool {
                $is_one(&self.0)
            }
        }
    };
}
container!(SafeStack: Stack; BLOCKS, |stack: &Stack<_, BLOCKS, D>| !stack.is_empty());
container!(SafeQueue: Queue; BLOCKS, |_| unreachable!("no row looks into a queue"));
container!(SafeBlocks: BlockQueue, 32; BLOCKS / 32, |_| unreachable!("no row looks into a queue"));

/// Implements the rest of [`Mixed`] for either map of the crate.
macro_rules! of_a_map {
    () => {
        #[inline(always)]
        fn remove(&'static self, local: &Handle<D>, key: u64) -> bool {
            self.0.remove(&local.enter(), &key).is_some()
        }

        #[inline(always)]
        fn contains(&'static self, local: &Handle<D>, key: u64) -> bool {
            self.0.get(&local.enter(), &key).is_some()
        }
    };
}
pub(super) use of_a_map;

/// As many buckets and keys as `structures::map` has.
pub struct SafeMap<D: Domain>(Map<u64, (), 8192, BLOCKS, D>);

impl<D: Domain> Mixed for SafeMap<D> {
    const KEYS: u64 = 20_000;
    const PREFILL: u64 = 10_000;
    type Local = Handle<D>;

    fn new() -> Self {
        Self(Map::new())
    }

    fn local(&'static self) -> Handle<D> {
        register()
    }

    #[inline(always)]
    fn insert(&'static self, local: &Handle<D>, key: u64) -> bool {
        loop {
            match self.0.insert(local, key, ()) {
                Ok(()) => return true,
                Err(Refused::Mismatch(_)) => return false,
                Err(Refused::Full(_)) => wait(local),
            }
        }
    }

    of_a_map!();
}
