//! A traversal of a bucket that is stopped at the worst moment. The comparison
//! of keys is the user's code, so a test can do there, with a second handle,
//! what another thread could: no model has to find the interleaving.

#![cfg(not(hyaline_loom))]

#[path = "common/counted.rs"]
mod counted;
#[path = "common/random.rs"]
mod random;

use std::{
    cell::RefCell,
    cmp::Ordering as Order,
    hash::{Hash, Hasher},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use counted::{Counted, count};
use hyaline::{
    Collector, Config, Robust, domain,
    safe::{Domain, Guard, Map},
};
use random::Random;

thread_local! {
    /// What the next comparison does first.
    static HOOK: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A key that detects a use after its drop.
#[derive(Debug)]
struct Key {
    number: u32,
    alive: AtomicBool,
    drops: Option<&'static AtomicUsize>,
}

impl Key {
    fn new(number: u32, drops: Option<&'static AtomicUsize>) -> Self {
        let alive = AtomicBool::new(true);
        Self {
            number,
            alive,
            drops,
        }
    }

    fn get(&self) -> u32 {
        assert!(self.alive.load(SeqCst), "used after its drop");
        self.number
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        assert!(self.alive.swap(false, SeqCst), "dropped twice");
        if let Some(drops) = self.drops {
            drops.fetch_add(1, SeqCst);
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Order {
        let hook = HOOK.with_borrow_mut(Option::take);
        if let Some(hook) = hook {
            hook();
        }
        self.get().cmp(&other.get())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.get().hash(state);
    }
}

/// The traversal has loaded the link to node 1. Meanwhile a node 2 is linked to
/// it, node 1 is removed, then node 2. In robust mode node 2, which is younger,
/// is reclaimed during the traversal; node 1 still leads to it.
macro_rules! walk {
    ($name:ident, $scheme:ty, $reclaimed:literal, $walk:expr) => {
        #[test]
        fn $name() {
            domain!(D: Collector<2, $scheme> =
                Collector::with_config(Config::new().batch::<1>().era_step::<1>()));
            static MAP: Map<Key, u32, 1, 8, D> = Map::new();
            static DROPS: AtomicUsize = AtomicUsize::new(0);
            let (walker, other) = (D::register().unwrap(), D::register().unwrap());
            for number in 0..2 {
                MAP.insert(&walker, Key::new(number, None), number).unwrap();
            }
            let guard = walker.enter();
            HOOK.set(Some(Box::new(move || {
                MAP.insert(&other, Key::new(2, Some(&DROPS)), 2).unwrap();
                assert!(MAP.remove(&other.enter(), &Key::new(1, None)).is_some());
                // Published separately: otherwise the old node holds back the
                // new one.
                other.flush();
                assert!(MAP.remove(&other.enter(), &Key::new(2, None)).is_some());
                other.flush();
                assert_eq!(DROPS.load(SeqCst), $reclaimed);
            })));
            let walk: fn(&hyaline::safe::Guard<'_, D>) = $walk;
            walk(&guard);
            assert!(HOOK.take().is_none(), "the traversal was stopped");
            drop(guard);
            walker.flush();
            assert_eq!(DROPS.load(SeqCst), 1);
            let guard = walker.enter();
            assert!(MAP.iter(&guard).map(|(_, value)| *value).eq([0]));
        }
    };
}

walk!(get_basic, hyaline::Basic, 0, |guard| {
    assert_eq!(MAP.get(guard, &Key::new(9, None)), None);
});
walk!(get_robust, Robust, 1, |guard| {
    assert_eq!(MAP.get(guard, &Key::new(9, None)), None);
});
walk!(remove_robust, Robust, 1, |guard| {
    assert_eq!(MAP.remove(guard, &Key::new(9, None)), None);
});
walk!(remove_basic, hyaline::Basic, 0, |guard| {
    assert_eq!(MAP.remove(guard, &Key::new(9, None)), None);
});

/// The first key after the last one, with its value, under a guard that may be new.
fn step<'g, V: Send + 'static, const BUCKETS: usize, const CAP: usize, D: Domain>(
    map: &'static Map<u32, V, BUCKETS, CAP, D>,
    guard: &'g Guard<'_, D>,
    last: Option<&'g u32>,
) -> Option<(&'g u32, &'g V)> {
    match last {
        None => map.iter(guard).next(),
        Some(key) => map.iter_after(guard, key).next(),
    }
}

/// A walk that others overtake at each step. In one section it holds back what was there
/// in each era in which it took a step; with a section for each key, nothing of the steps
/// that are over.
#[test]
fn a_section_for_each_key_holds_nothing_back() {
    domain!(D: Collector<2, Robust> =
        Collector::with_config(Config::new().batch::<1>().era_step::<1>()));
    static MAP: Map<u32, Counted<'_>, 4, 256, D> = Map::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    const KEYS: u32 = 16;
    let (walker, other) = (D::register().unwrap(), D::register().unwrap());
    for key in 0..KEYS {
        assert!(MAP.insert(&walker, key, Counted(&DROPS)).is_ok());
    }
    let mut replaced = 0;
    // Replaces all values. How many are held back?
    let mut overtake = || {
        for key in 0..KEYS {
            assert!(MAP.replace(&other, key, Counted(&DROPS)).is_ok());
            replaced += 1;
        }
        other.flush();
        replaced - count(&DROPS)
    };

    let guard = walker.enter();
    let most = MAP.iter(&guard).take(4).map(|_| overtake()).max();
    assert!(
        most >= Some(4 * KEYS as usize),
        "{most:?}: the walk was not overtaken"
    );
    drop(guard);
    walker.flush();

    let (mut seen, mut last) = (Vec::new(), None);
    loop {
        let guard = walker.enter();
        let Some((key, _)) = step(&MAP, &guard, last.as_ref()) else {
            break;
        };
        seen.push(*key);
        last = Some(*key);
        drop(guard);
        assert_eq!(overtake(), 0, "a step that is over holds values back");
    }
    seen.sort();
    assert!(seen.into_iter().eq(0..KEYS));
}

/// Keys that are there all the time come once, and others at most once, also if the last
/// one is gone or comes again.
#[test]
fn a_walk_in_steps_meets_each_key_once() {
    domain!(D: Collector<1> = Collector::new());
    static MAP: Map<u32, (), 3, 64, D> = Map::new();
    let handle = D::register().unwrap();
    let mut random = Random(1);
    for _ in 0..if cfg!(miri) { 20 } else { 2_000 } {
        // Even keys stay; odd ones come and go, also the one that was met last.
        (0..16)
            .step_by(2)
            .for_each(|key| _ = MAP.insert(&handle, key, ()));
        let (mut seen, mut last) = (Vec::new(), None);
        loop {
            let guard = handle.enter();
            let Some((&key, ())) = step(&MAP, &guard, last.as_ref()) else {
                break;
            };
            seen.push(key);
            for _ in 0..random.below(4) {
                let key = match random.below(3) {
                    0 => key | 1,
                    _ => random.below(16) as u32 | 1,
                };
                match random.below(2) {
                    0 => _ = MAP.insert(&handle, key, ()),
                    _ => drop(MAP.remove(&guard, &key)),
                }
            }
            last = Some(key);
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "a key came twice");
        assert!(
            (0..16).step_by(2).all(|key| seen.contains(&key)),
            "a key is missing"
        );
    }
}
