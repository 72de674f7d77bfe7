//! All slots claimed, and slots that come back. One test, since the slots are those
//! of the process.

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{AtEnd, Life, Map, at_boot, number};
use hyaline_vm_memory::{GuestMemoryAtomic, SLOTS};
use vm_memory::GuestAddressSpace;

/// How long a thread looks for an older map.
const RUN: Duration = Duration::from_millis(500);

/// How many slots are free: each address space has one.
fn free() -> usize {
    let map = Arc::new(at_boot(&Life::new(0)));
    let space = |_| GuestMemoryAtomic::try_from(map.clone()).ok();
    (0..).map_while(space).collect::<Vec<_>>().len()
}

#[test]
fn slots() {
    assert_eq!(free(), SLOTS);
    exhausted();
    // Those that this thread keeps.
    assert_eq!(free(), SLOTS - 4);
    with_and_without();
    assert_eq!(free(), SLOTS - 4);
    thread::spawn(guards_of_a_thread).join().unwrap();
    assert_eq!(free(), SLOTS - 4);
    // Miri would report the leak.
    if !cfg!(miri) {
        forgotten();
        assert_eq!(free(), SLOTS - 4);
    }
}

/// A forgotten guard keeps its slot and its map, and no later one.
fn forgotten() {
    let lives: [_; 10] = std::array::from_fn(|number| Life::new(number as u64));
    let space = GuestMemoryAtomic::new(at_boot(&lives[0])).unwrap();
    std::mem::forget(space.memory());
    for life in &lives[1..] {
        space.lock().unwrap().replace(at_boot(life));
    }
    drop(space);
    let unmapped = lives.map(|life| life.unmapped());
    assert_eq!(unmapped, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
}

fn exhausted() {
    let (first, second) = (Life::new(1), Life::new(2));
    let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
    let mut guards: Vec<_> = (1..SLOTS).map(|_| space.memory()).collect();
    assert_eq!(free(), 0);
    let error = GuestMemoryAtomic::<Map>::new(at_boot(&Life::new(0))).unwrap_err();
    let text = error.to_string();
    // Not what a collector's error says: none of its calls can be made here.
    assert!(
        text.contains("address space") && !text.contains("evict"),
        "{text}"
    );

    // Without a slot: a count instead, on this thread and another one, also while
    // the map is locked.
    let counted = space.memory();
    let change = space.lock().unwrap();
    assert_eq!((number(&counted), number(&space.memory())), (1, 1));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(number(&space.memory()), 1));
    });
    change.replace(at_boot(&second));
    assert_eq!((number(&counted), number(&space.memory())), (1, 2));

    // A slot is free again: the same map with a section and without.
    guards.pop();
    let with = space.memory();
    let without = space.memory();
    assert_eq!((number(&with), number(&without)), (2, 2));

    guards.clear();
    assert_eq!((number(&counted), first.unmapped()), (1, 0));
    drop((counted, with));
    assert_eq!((first.unmapped(), second.unmapped()), (1, 0));
    drop((without, space));
    assert_eq!(second.unmapped(), 1);
}

/// One slot is free, which a thread uses for every other guard: it sees no map after
/// a newer one.
fn with_and_without() {
    let space = GuestMemoryAtomic::new(at_boot(&Life::new(0))).unwrap();
    let guards: Vec<_> = (2..SLOTS).map(|_| space.memory()).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(SeqCst) {
                let with = space.memory();
                let without = space.memory();
                let numbers = [number(&with), number(&without)];
                assert!(
                    seen <= numbers[0] && numbers[0] <= numbers[1],
                    "{seen}, {numbers:?}"
                );
                seen = numbers[1];
            }
        });
        let at_end = AtEnd(&over);
        let start = Instant::now();
        for number in 1.. {
            space.lock().unwrap().replace(at_boot(&Life::new(number)));
            if start.elapsed() > RUN || cfg!(miri) && number == 50 {
                break;
            }
        }
        drop(at_end);
        // With its slots; a scope does not wait for those.
        reader.join().unwrap();
    });
    drop(guards);
}

/// A thread that ends gives its slots back, those of guards that it got from another
/// thread and those in which a panic came as well.
fn guards_of_a_thread() {
    let space = GuestMemoryAtomic::new(at_boot(&Life::new(1))).unwrap();
    for guards in 1..10 {
        let guards: Vec<_> = (0..guards).map(|_| space.memory()).collect();
        thread::spawn(move || drop(guards)).join().unwrap();
    }
    let life = Life::new(2);
    for _ in 0..10 {
        life.at_end(|| panic!("a map that panics"));
        space
            .lock()
            .unwrap_or_else(|error| error.into_inner())
            .replace(at_boot(&life));
        let guard = space.memory();
        let change = space.lock().unwrap_or_else(|error| error.into_inner());
        change.replace(at_boot(&Life::new(3)));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err());
    }
}
