//! heapless.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    Collector, Pool, domain,
    safe::{Domain, Map, Owned, Queue, RcuCell, Refused},
};

#[test]
fn spsc() {
    domain!(App: Collector<3> = Collector::new());
    static QUEUE: Queue<u32, 8, App> = Queue::new();
    let (producer, consumer) = (App::register_deferred().unwrap(), App::register().unwrap());
    assert!(QUEUE.push(&producer, 1).is_ok());
    assert_eq!(QUEUE.len(&consumer), 1);
    assert!(QUEUE.iter(&consumer.enter()).next() == Some(1), "peek");
    assert_eq!(QUEUE.pop(&consumer), Some(1));
    assert!(QUEUE.is_empty(&consumer));
}

#[test]
fn mpmc() {
    domain!(App: Collector<3> = Collector::new());
    static QUEUE: Queue<usize, 64, App> = Queue::new();
    static SUM: AtomicUsize = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let handle = App::register().unwrap();
                for value in 1..=20 {
                    while QUEUE.push(&handle, value).is_err() {
                        thread::yield_now();
                    }
                    if let Some(value) = QUEUE.pop(&handle) {
                        SUM.fetch_add(value, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let handle = App::register().unwrap();
    let rest: usize = std::iter::from_fn(|| QUEUE.pop(&handle)).sum();
    assert_eq!(SUM.load(Ordering::Relaxed) + rest, 2 * 210);
}

#[test]
fn history_buf() {
    domain!(App: Collector<3> = Collector::new());
    static LATEST: Queue<u32, 8, App> = Queue::new();
    let handle = App::register().unwrap();
    for value in 0..20 {
        LATEST
            .push_or_replace_oldest(&handle, value, |_| {})
            .unwrap();
    }
    let guard = handle.enter();
    let oldest_ordered: Vec<_> = LATEST.iter(&guard).collect();
    assert!(oldest_ordered.ends_with(&[17, 18, 19]) && oldest_ordered.len() <= 8);
}

#[test]
fn index_map() {
    domain!(App: Collector<3> = Collector::new());
    static MAP: Map<&str, u32, 8, 16, App> = Map::new();
    let handle = App::register().unwrap();
    assert_eq!(MAP.upsert(&handle, "one", 1), Ok(false)); // insert: whether there was one
    assert_eq!(*MAP.get_or_insert(&handle, "one", 7).unwrap(), 1); // entry, or_insert
    assert_eq!(*MAP.update(&handle, "one", |n| n + 1).unwrap().unwrap(), 2); // get_mut
    let guard = handle.enter();
    assert_eq!(MAP.get(&guard, "one"), Some(&2));
    assert_eq!(MAP.remove(&guard, "one"), Some(&2));
    assert_eq!(
        MAP.replace(&handle, "one", 1),
        Err(Refused::Mismatch(("one", 1)))
    );
}

#[test]
fn box_pool() {
    domain!(App: Collector<3> = Collector::new());
    static POOL: Pool<[u8; 8], 2> = Pool::new();
    let handle = App::register().unwrap();
    let mut one = Owned::<_, App>::new(&POOL, &handle, [0; 8]).unwrap();
    one[0] = 1;
    let two = Owned::<_, App>::new(&POOL, &handle, [2; 8]).unwrap();
    assert!(
        Owned::<_, App>::new(&POOL, &handle, [3; 8]).is_err(),
        "with the value"
    );
    drop(two);
    assert!(Owned::<_, App>::new(&POOL, &handle, [3; 8]).is_ok());
    assert_eq!(one[0], 1);
}

#[test]
fn vec() {
    domain!(App: Collector<3> = Collector::new());
    // Any value that is replaced as a whole.
    static NAMES: RcuCell<([u8; 4], usize), 4, App> = RcuCell::new(([0; 4], 0));
    let handle = App::register().unwrap();
    let push = |(items, len): &([u8; 4], usize)| {
        let mut items = *items;
        items[*len] = 7;
        (items, len + 1)
    };
    assert_eq!(NAMES.update(&handle, push).unwrap().1, 1);
}
