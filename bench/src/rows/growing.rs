//! Hash maps that grow: the crate's, and others'. All have the same hasher, and
//! begin empty.

use std::hash::{BuildHasherDefault, Hasher};

use hyaline::safe::{Domain, Handle};

use super::{
    mix::{self, Mixed, Whole},
    safe::{Fenced, Sturdy, of_a_map},
};
use crate::runner::Contestant;

/// Of numbers: a multiplication, and the high half added to the low.
#[derive(Clone, Copy, Default)]
pub struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers")
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(number ^ 0x5851_f42d_4c95_7f2d) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

type Hash = BuildHasherDefault<Mix>;

/// As many keys as `structures::map` has.
const KEYS: u64 = 20_000;
const PREFILL: u64 = 10_000;

struct Own<D: Domain>(hyaline::safe::HashMap<u64, u64, Hash, D>);

impl<D: Domain> Mixed for Own<D> {
    const KEYS: u64 = KEYS;
    const PREFILL: u64 = PREFILL;
    type Local = Handle<D>;

    fn new() -> Self {
        Self(Default::default())
    }

    fn local(&'static self) -> Handle<D> {
        D::register().expect("a slot for each thread")
    }

    #[inline(always)]
    fn insert(&'static self, local: &Handle<D>, key: u64) -> bool {
        self.0.insert(local, key, key).is_ok()
    }

    of_a_map!();
}

/// A map of others, of which a thread has nothing.
macro_rules! others {
    ($($name:ident: $map:ty, |$this:ident, $key:ident| $insert:expr, $remove:expr, $contains:expr;)*) => {$(
        struct $name($map);

        impl Mixed for $name {
            const KEYS: u64 = KEYS;
            const PREFILL: u64 = PREFILL;
            type Local = ();

            fn new() -> Self {
                Self(Default::default())
            }

            fn local(&'static self) {}

            #[inline(always)]
            fn insert(&'static self, (): &(), $key: u64) -> bool {
                let $this = &self.0;
                $insert
            }

            #[inline(always)]
            fn remove(&'static self, (): &(), $key: u64) -> bool {
                let $this = &self.0;
                $remove
            }

            #[inline(always)]
            fn contains(&'static self, (): &(), $key: u64) -> bool {
                let $this = &self.0;
                $contains
            }
        }
    )*};
}

others! {
    Papaya: papaya::HashMap<u64, u64, Hash>, |map, key|
        map.pin().try_insert(key, key).is_ok(),
        map.pin().remove(&key).is_some(),
        map.pin().get(&key).is_some();
    Scc: scc::HashMap<u64, u64, Hash>, |map, key|
        map.insert_sync(key, key).is_ok(),
        map.remove_sync(&key).is_some(),
        map.read_sync(&key, |_, _| ()).is_some();
    Dash: dashmap::DashMap<u64, u64, Hash>, |map, key|
        match map.entry(key) {
            dashmap::Entry::Occupied(_) => false,
            dashmap::Entry::Vacant(entry) => {
                entry.insert(key);
                true
            }
        },
        map.remove(&key).is_some(),
        map.get(&key).is_some();
    Flurry: flurry::HashMap<u64, u64, Hash>, |map, key|
        map.pin().try_insert(key, key).is_ok(),
        map.pin().remove(&key).is_some(),
        map.pin().get(&key).is_some();
}

macro_rules! all {
    ($($name:literal: $map:ty,)*) => {
        pub fn contestants<const THREADS: usize, const READS: u64>() -> Vec<Contestant> {
            vec![$(Contestant { name: $name, make: mix::mix::<$map, THREADS, READS> },)*]
        }

        /// Look-ups of keys that are there.
        pub fn found() -> Vec<Contestant> {
            vec![$(Contestant { name: $name, make: mix::mix::<Whole<$map>, 1, 100> },)*]
        }
    };
}

all! {
    "hyaline, HashMap": Own<Fenced>,
    "hyaline robust, HashMap": Own<Sturdy>,
    "papaya": Papaya,
    "scc": Scc,
    "dashmap": Dash,
    "flurry": Flurry,
}
