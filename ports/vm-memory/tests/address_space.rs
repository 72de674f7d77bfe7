//! What a guard and a map may rely on, one step after another. The tests take turns:
//! a section holds back what any address space replaces.

mod common;

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::SeqCst, mpsc},
    thread,
};

use common::{BOOT, DIMM, Life, Map, Region, SIZE, at_boot, number};
use hyaline_vm_memory::{GuestMemoryAtomic, GuestMemoryLoadGuard};
use vm_memory::{Bytes, GuestAddressSpace, GuestMemoryBackend};

fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lives<const N: usize>() -> [Arc<Life>; N] {
    std::array::from_fn(|number| Life::new(number as u64))
}

fn replace(space: &GuestMemoryAtomic<Map>, life: &Arc<Life>) {
    space.lock().unwrap().replace(at_boot(life));
}

#[test]
fn they_can_be_sent_shared_and_used_after_a_panic() {
    fn check<T: Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}
    check::<GuestMemoryAtomic<Map>>();
    check::<GuestMemoryLoadGuard<Map>>();
}

#[test]
fn an_unused_map_is_unmapped_when_it_is_replaced() {
    let _alone = alone();
    let [first, second] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
    drop(space.memory());
    replace(&space, &second);
    assert_eq!((first.unmapped(), second.unmapped()), (1, 0));
    assert_eq!(number(&space.memory()), 1);
    let clone = space.clone();
    drop(space);
    assert_eq!((number(&clone.memory()), second.unmapped()), (1, 0));
    drop(clone);
    assert_eq!((first.unmapped(), second.unmapped()), (1, 1));
}

#[test]
fn a_guard_keeps_its_map() {
    let _alone = alone();
    let [first, second] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
    let before = space.memory();
    replace(&space, &second);
    assert_eq!(first.unmapped(), 0);
    assert_eq!((number(&before), number(&space.memory())), (0, 1));
    before.store(7_u64, BOOT, SeqCst).unwrap();
    assert_eq!(number(&before), 7);
    drop(before);
    assert_eq!((first.unmapped(), second.unmapped()), (1, 0));
}

#[test]
fn regions_that_stay_are_not_unmapped() {
    let _alone = alone();
    let [boot, dimm] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&boot)).unwrap();
    for _ in 0..3 {
        let dimm = Region::new(DIMM, &dimm);
        let change = space.lock().unwrap();
        let larger = space.memory().insert_region(dimm).unwrap();
        change.replace(larger);
        let held = space.memory();
        let change = space.lock().unwrap();
        let (smaller, removed) = held.remove_region(DIMM, SIZE as u64).unwrap();
        change.replace(smaller);
        drop(removed);
        assert!(held.find_region(DIMM).is_some());
        assert!(space.memory().find_region(DIMM).is_none());
    }
    assert_eq!((boot.unmapped(), dimm.unmapped()), (0, 3));
}

#[test]
fn guards_of_all_kinds_in_all_orders() {
    let _alone = alone();
    // Whose guards are dropped: the first, one within it, a clone, the count.
    for order in 0..24 {
        let [first, second] = lives();
        let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
        let outer = space.memory();
        let clone = outer.clone();
        let inner = space.memory();
        let count = space.snapshot();
        replace(&space, &second);
        let mut kept: Vec<Box<dyn Fn() -> u64>> = vec![
            Box::new(move || number(&outer)),
            Box::new(move || number(&clone)),
            Box::new(move || number(&inner)),
            Box::new(move || number(&count)),
        ];
        let mut rest = order;
        while !kept.is_empty() {
            assert!(kept.iter().all(|number| number() == 0));
            assert_eq!(first.unmapped(), 0);
            drop(kept.remove(rest % kept.len()));
            rest /= kept.len() + 1;
        }
        assert_eq!((first.unmapped(), second.unmapped()), (1, 0));
    }
}

#[test]
fn a_guard_outlives_its_space() {
    let _alone = alone();
    let [life] = lives();
    let guard = GuestMemoryAtomic::new(at_boot(&life)).unwrap().memory();
    assert_eq!((number(&guard), life.unmapped()), (0, 0));
    let kept = guard.into_inner();
    assert_eq!((number(&kept), life.unmapped()), (0, 0));
    drop(kept);
    assert_eq!(life.unmapped(), 1);
}

#[test]
fn a_guard_outlives_the_thread_that_made_it() {
    let _alone = alone();
    let [first, second] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
    let of_thread = space.clone();
    let guard = thread::spawn(move || of_thread.memory()).join().unwrap();
    replace(&space, &second);
    assert_eq!((number(&guard), first.unmapped()), (0, 0));
    thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!((first.unmapped(), second.unmapped()), (1, 0));
}

/// A space with a thread that makes a guard and a clone for each map, and another
/// one that checks and drops them.
#[test]
fn guards_are_passed_to_another_thread() {
    let _alone = alone();
    let lives: [_; 20] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&lives[0])).unwrap();
    let (sender, receiver) = mpsc::channel::<(u64, GuestMemoryLoadGuard<Map>)>();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (number, guard) in receiver {
                assert_eq!(common::number(&guard), number);
                let nested = space.memory();
                assert!(common::number(&nested) >= number);
            }
        });
        for life in &lives[1..] {
            let guard = space.memory();
            let number = common::number(&guard);
            sender.send((number, guard.clone())).unwrap();
            sender.send((number, guard)).unwrap();
            replace(&space, life);
        }
        drop(sender);
    });
    drop(space);
    assert!(lives.iter().all(|life| life.unmapped() == 1));
}

#[test]
fn a_guard_kept_for_long_holds_its_map_and_no_later_one() {
    let _alone = alone();
    let lives: [_; 12] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&lives[0])).unwrap();
    replace(&space, &lives[1]);
    let held = space.memory();
    for life in &lives[2..] {
        replace(&space, life);
    }
    let unmapped = lives.each_ref().map(|life| life.unmapped());
    assert_eq!(unmapped, [1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
    assert_eq!(number(&held), 1);
    let kept = held.into_inner();
    assert_eq!((number(&kept), lives[1].unmapped()), (1, 0));
    drop((kept, space));
    assert!(lives.iter().all(|life| life.unmapped() == 1));
}

#[test]
fn a_panic_in_a_section_leaves_it() {
    let _alone = alone();
    let [first, second] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
    let used = catch_unwind(AssertUnwindSafe(|| {
        let guard = space.memory();
        let _nested = (space.memory(), guard.clone());
        panic!("in a section");
    }));
    assert!(used.is_err());
    replace(&space, &second);
    assert_eq!(first.unmapped(), 1);
}

#[test]
fn a_panic_under_the_lock_poisons_it() {
    let _alone = alone();
    let [first, second] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
    let locked = catch_unwind(AssertUnwindSafe(|| {
        let _change = space.lock().unwrap();
        panic!("under the lock");
    }));
    assert!(locked.is_err());
    assert_eq!(number(&space.memory()), 0);
    let change = space.lock().unwrap_err().into_inner();
    change.replace(at_boot(&second));
    assert_eq!((number(&space.memory()), first.unmapped()), (1, 1));
    drop(space);
    assert_eq!(second.unmapped(), 1);
}

/// The panic comes out of what drops the map: `replace`, the last guard, or its
/// `into_inner`.
#[test]
fn a_map_that_panics_when_it_is_dropped() {
    let _alone = alone();
    for place in 0..3 {
        let [first, second, third] = lives();
        first.at_end(|| panic!("a map that panics"));
        let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
        let guard = (place > 0).then(|| space.memory());
        let other = (place == 2).then(|| {
            let other = GuestMemoryAtomic::new(at_boot(&third)).unwrap();
            // This section then holds the first space's map alone.
            other.memory()
        });
        let replaced = catch_unwind(AssertUnwindSafe(|| replace(&space, &second)));
        assert_eq!((place, replaced.is_err()), (place, place == 0));
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(guard)));
        let left = catch_unwind(AssertUnwindSafe(|| other.map(|other| other.into_inner())));
        let panics = [dropped.is_err(), left.is_err()];
        assert_eq!((place, panics.contains(&true)), (place, place > 0));
        drop(left);
        assert_eq!(first.unmapped(), 1);
        // All of it still works.
        let [fourth] = lives();
        let change = space
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        change.replace(at_boot(&fourth));
        assert_eq!((number(&space.memory()), second.unmapped()), (0, 1));
        drop(space);
        assert_eq!(
            (fourth.unmapped(), third.unmapped()),
            (1, usize::from(place == 2))
        );
    }
}

/// The last guard drops it, and the drop enters sections of its own.
#[test]
fn a_map_that_uses_address_spaces_when_it_is_dropped() {
    let _alone = alone();
    let [first, second, of_other] = lives();
    let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
    let other = GuestMemoryAtomic::new(at_boot(&of_other)).unwrap();
    let (same, used) = (space.clone(), other.clone());
    first.at_end(move || {
        assert_eq!((number(&same.memory()), number(&used.memory())), (1, 2));
        used.lock().unwrap().replace(at_boot(&Life::new(3)));
    });
    let guard = space.memory();
    replace(&space, &second);
    drop(guard);
    assert_eq!((first.unmapped(), of_other.unmapped()), (1, 1));
    assert_eq!(number(&other.memory()), 3);
}

/// Guards that live as long as their thread, or longer than its slots.
#[test]
fn guards_in_thread_local_storage() {
    let _alone = alone();
    struct AtEnd(GuestMemoryAtomic<Map>, GuestMemoryLoadGuard<Map>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            assert_eq!((number(&self.1), number(&self.0.memory())), (0, 1));
        }
    }
    thread_local! {
        static KEPT: RefCell<Vec<AtEnd>> = const { RefCell::new(Vec::new()) };
    }
    for slots_first in [false, true] {
        let [first, second] = lives();
        let space = GuestMemoryAtomic::new(at_boot(&first)).unwrap();
        let of_thread = space.clone();
        let second_life = second.clone();
        thread::spawn(move || {
            if slots_first {
                drop(of_thread.memory());
            }
            KEPT.with_borrow_mut(|kept| {
                kept.push(AtEnd(of_thread.clone(), of_thread.memory()));
            });
            replace(&of_thread, &second_life);
        })
        .join()
        .unwrap();
        assert_eq!((first.unmapped(), second.unmapped()), (1, 0));
        drop(space);
        assert_eq!(second.unmapped(), 1);
    }
}
