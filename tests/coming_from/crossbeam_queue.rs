//! crossbeam-queue.

use hyaline::{
    Collector, domain,
    safe::{BlockQueue, Domain, Heap, Queue},
};

#[test]
fn seg_queue() {
    domain!(App: Collector<1> = Collector::new());
    static QUEUE: BlockQueue<String, 31, 0, App, Heap> = BlockQueue::in_heap();
    let handle = App::register().unwrap();
    assert!(QUEUE.is_empty(&handle));
    QUEUE.push(&handle, "one".into()).unwrap();
    QUEUE.push(&handle, "two".into()).unwrap();
    assert_eq!(QUEUE.len(&handle), 2);
    assert_eq!(QUEUE.pop(&handle).as_deref(), Some("one"));
    assert_eq!(QUEUE.pop(&handle).as_deref(), Some("two"));
    assert!(QUEUE.pop(&handle).is_none());
}

#[test]
fn array_queue() {
    domain!(App: Collector<1> = Collector::new());
    static QUEUE: Queue<u32, 4, App> = Queue::new();
    let handle = App::register().unwrap();
    assert!(QUEUE.is_empty(&handle));
    for value in 0..4 {
        QUEUE.push(&handle, value).unwrap();
    }
    assert_eq!(QUEUE.push(&handle, 4).unwrap_err().into_inner(), 4);
    let mut lost = vec![];
    let forced = QUEUE.push_or_replace_oldest(&handle, 4, |value| lost.push(value));
    forced.unwrap();
    assert_eq!(lost.first(), Some(&0), "the oldest");
    assert_eq!(QUEUE.len(&handle) + lost.len(), 5);
    assert_eq!(QUEUE.pop(&handle), Some(lost.len() as u32));
}
