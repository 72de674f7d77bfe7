//! The queues of Zephyr and FreeRTOS.

use std::{
    sync::{Condvar, Mutex},
    thread,
};

use hyaline::{
    Collector, Config, Pool, domain,
    safe::{Domain, Full, Node, Queue, RcuCell, SharedPool, Stack},
};

#[test]
fn put() {
    domain!(App: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    static QUEUE: Queue<u32, 4, App> = Queue::new(); // K_MSGQ_DEFINE, xQueueCreateStatic
    let (isr, task) = (App::register_deferred().unwrap(), App::register().unwrap());
    assert!(QUEUE.push(&isr, 1).is_ok());
    assert!(QUEUE.push(&task, 2).is_ok());
    while QUEUE.push(&task, 3).is_ok() {}
    assert_eq!(
        QUEUE.push(&task, 3).map_err(Full::into_inner),
        Err(3),
        "it comes back"
    );
    assert_eq!(QUEUE.pop(&isr), Some(1));
    assert_eq!(QUEUE.pop(&task), Some(2));
}

/// A kernel's semaphore.
#[derive(Default)]
struct Semaphore {
    count: Mutex<usize>,
    given: Condvar,
}

impl Semaphore {
    fn give(&self) {
        *self.count.lock().unwrap() += 1;
        self.given.notify_one();
    }

    fn take(&self) {
        let count = self.count.lock().unwrap();
        *self.given.wait_while(count, |count| *count == 0).unwrap() -= 1;
    }
}

#[test]
fn wait() {
    domain!(App: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    static QUEUE: Queue<u32, 32, App> = Queue::new();
    let used = Semaphore::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let handle = App::register().unwrap();
            for value in 0..10 {
                QUEUE.push(&handle, value).unwrap();
                used.give(); // k_sem_give, xTaskNotifyGive
            }
        });
        let handle = App::register().unwrap();
        for value in 0..10 {
            used.take(); // k_sem_take, ulTaskNotifyTake
            assert_eq!(QUEUE.pop(&handle), Some(value), "one for each give");
        }
    });
}

#[test]
fn put_front() {
    domain!(App: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    static NODES: Pool<Node<u32>, 16> = Pool::new();
    static URGENT: Queue<u32, 16, App, SharedPool> = Queue::in_pool(&NODES);
    static OTHERS: Queue<u32, 16, App, SharedPool> = Queue::in_pool(&NODES);
    let handle = App::register().unwrap();
    OTHERS.push(&handle, 1).unwrap();
    URGENT.push(&handle, 2).unwrap();
    let get = || URGENT.pop(&handle).or_else(|| OTHERS.pop(&handle));
    assert_eq!((get(), get(), get()), (Some(2), Some(1), None));
}

#[test]
fn peek() {
    domain!(App: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    static QUEUE: Queue<u32, 8, App> = Queue::new();
    let handle = App::register().unwrap();
    for value in 0..3 {
        QUEUE.push(&handle, value).unwrap();
    }
    let guard = handle.enter();
    assert_eq!(QUEUE.iter(&guard).next(), Some(0)); // k_msgq_peek, xQueuePeek
    assert_eq!(QUEUE.iter(&guard).nth(2), Some(2)); // k_msgq_peek_at
    drop(guard);
    assert_eq!(QUEUE.len(&handle), 3); // k_msgq_num_used_get, uxQueueMessagesWaiting
    while QUEUE.pop(&handle).is_some() {} // k_msgq_purge, xQueueReset
    assert!(QUEUE.is_empty(&handle));
}

#[test]
fn overwrite() {
    domain!(App: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    #[derive(Clone, Debug, PartialEq)]
    struct Position(i32, i32);
    static LATEST: RcuCell<Position, 4, App> = RcuCell::new(Position(0, 0)); // ZBUS_CHAN_DEFINE
    let (isr, task) = (App::register_deferred().unwrap(), App::register().unwrap());
    LATEST.replace(&isr, Position(1, 2)).unwrap(); // xQueueOverwrite, zbus_chan_pub
    assert_eq!(LATEST.snapshot(&task), Position(1, 2)); // xQueuePeek, zbus_chan_read
    let guard = task.enter(); // zbus_chan_claim, zbus_chan_const_msg: others may publish
    let seen = LATEST.read(&guard);
    LATEST.replace(&isr, Position(3, 4)).unwrap();
    assert_eq!(*seen, Position(1, 2));
}

#[test]
fn stack() {
    domain!(App: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    static FREE: Stack<&str, 8, App> = Stack::new();
    let handle = App::register().unwrap();
    for buffer in ["one", "two"] {
        FREE.push(&handle, buffer).unwrap();
    }
    assert_eq!(FREE.pop(&handle), Some("two"));
}

#[test]
fn slab() {
    domain!(App: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    static POOL: Pool<[u8; 16], 4> = Pool::new();
    let handle = App::register().unwrap();
    let block = POOL.alloc(&handle, [0; 16]).unwrap();
    // SAFETY: it was never shared.
    unsafe { POOL.free(block) };
    assert_eq!(
        POOL.available(),
        POOL.capacity(),
        "at once: nobody else saw it"
    );
}
