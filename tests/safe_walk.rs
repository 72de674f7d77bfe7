//! A traversal of a bucket that is stopped at the worst moment. The comparison
//! of keys is the user's code, so a test can do there, with a second handle,
//! what another thread could: no model has to find the interleaving.

#![cfg(not(hyaline_loom))]

use std::{
    cell::RefCell,
    cmp::Ordering as Order,
    hash::{Hash, Hasher},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use hyaline::{
    Collector, Config, Robust, domain,
    safe::{Domain, Map},
};

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
