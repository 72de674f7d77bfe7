//! Panics at the end of a structure or of a section.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hyaline::{
    Collector, Config, Linked, Pool, domain, reclaim,
    safe::{BlockQueue, Domain, Map, MapNode, Node, Queue, RcuCell, Segment, SharedPool, Stack},
};

use super::{FUSE, LIVE, Value};

/// Drops a structure; each value's drop panics in turn.
fn drop_in_turn<T>(mut new: impl FnMut() -> T) {
    for fuse in 1.. {
        let structure = new();
        FUSE.set(fuse);
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(structure))).is_err();
        FUSE.set(0);
        LIVE.with_borrow(|live| assert!(live.is_empty(), "{} values leaked", live.len()));
        if !panicked {
            assert!(fuse > 1, "nothing was dropped");
            return;
        }
    }
}

#[test]
fn a_structure_that_is_dropped_drops_all_also_if_one_panics() {
    domain!(D: Collector<1> = Collector::new());
    static NODES: Pool<Node<Value>, 8> = Pool::new();
    static SEGMENTS: Pool<Segment<Value, 2>, 4> = Pool::new();
    static ENTRIES: Pool<MapNode<Value, Value>, 8> = Pool::new();
    let handle = D::register().unwrap();
    // The structures require a static while it is filled.
    macro_rules! filled {
        ($new:expr, |$structure:ident, $key:ident| $put:expr) => {
            || {
                let place = Box::into_raw(Box::new($new));
                // SAFETY: it lives until it is taken out, below.
                let $structure = unsafe { &*place };
                for $key in 0..5 {
                    assert!($put.is_ok());
                }
                // SAFETY: it is not used any more, and nothing of it was
                // retired.
                unsafe { Box::from_raw(place) }
            }
        };
    }
    let value = Value::new;
    drop_in_turn(|| RcuCell::<_, 2, D>::new(value(0)));
    drop_in_turn(filled!(Stack::<_, 8, D>::new(), |s, key| s
        .push(&handle, value(key))));
    drop_in_turn(filled!(Queue::<_, 8, D>::new(), |s, key| s
        .push(&handle, value(key))));
    drop_in_turn(filled!(BlockQueue::<_, 2, 4, D>::new(), |s, key| s
        .push(&handle, value(key))));
    drop_in_turn(filled!(Map::<_, _, 3, 8, D>::new(), |s, key| s.insert(
        &handle,
        value(key),
        value(key)
    )));
    drop_in_turn(filled!(
        Stack::<_, 8, D, SharedPool>::in_pool(&NODES),
        |s, key| s.push(&handle, value(key))
    ));
    assert_eq!(NODES.available(), 8);
    drop_in_turn(filled!(
        Queue::<_, 8, D, SharedPool>::in_pool(&NODES),
        |s, key| s.push(&handle, value(key))
    ));
    assert_eq!(NODES.available(), 8);
    drop_in_turn(filled!(
        BlockQueue::<_, 2, 4, D, SharedPool>::in_pool(&SEGMENTS),
        |s, key| s.push(&handle, value(key))
    ));
    assert_eq!(SEGMENTS.available(), 4);
    drop_in_turn(filled!(
        Map::<_, _, 3, 8, D, SharedPool>::in_pool(&ENTRIES),
        |s, key| s.insert(&handle, value(key), value(key))
    ));
    assert_eq!(ENTRIES.available(), 8);
}

#[test]
fn a_section_that_is_left_with_a_panic_releases_its_slot() {
    let collector = Collector::<2>::with_config(Config::new().batch::<1>());
    let section = collector.register().unwrap().enter_owned();
    let writer = collector.register().unwrap();
    let object = Box::into_raw(Box::new(writer.link(Value::new(0))));
    // SAFETY: it was never shared, and comes from a `Box`.
    unsafe { writer.retire(object, reclaim::boxed::<Linked<Value>>) };
    drop(writer);
    FUSE.set(1);
    let left = catch_unwind(AssertUnwindSafe(|| section.leave()));
    FUSE.set(0);
    assert!(left.is_err(), "nothing was reclaimed");
    let both = (collector.register(), collector.register());
    assert!(both.0.is_ok() && both.1.is_ok(), "the slot is lost");
}
