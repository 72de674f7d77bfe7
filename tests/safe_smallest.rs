//! The smallest sizes that compile, and those above: while nothing is held, a
//! structure that was emptied takes a value again, any number of times. (Not
//! `compare_exchange`: the guard under which a value was read holds a block.)

#![cfg(not(hyaline_loom))]

use hyaline::{
    Collector, Config, Pool, Robust, Role, domain,
    safe::{
        BlockQueue, Domain, Handle, Map, MapNode, Node, Queue, RcuCell, Segment, SharedPool, Stack,
    },
};

const ROUNDS: u32 = if cfg!(miri) { 5 } else { 100 };

/// Repeats a call that must not be refused.
#[track_caller]
fn never_refused<E>(what: &str, size: usize, call: impl Fn(u32) -> Result<(), E>) {
    for round in 0..ROUNDS {
        assert!(call(round).is_ok(), "a {what} of {size}: round {round}");
    }
}

/// Each structure, of this size. The first values need no drop, so that any role takes
/// their blocks back; the last do.
macro_rules! of_size {
    ($size:literal, $handle:expr, $eager:expr, $domain:ident) => {{
        let (handle, eager) = ($handle, $eager);
        static STACK: Stack<u32, $size, $domain> = Stack::new();
        never_refused("stack", $size, |n| {
            let put = STACK.push(handle, n);
            assert_eq!(STACK.pop(handle).is_some(), put.is_ok());
            put
        });
        static NODES: Pool<Node<u32>, $size> = Pool::new();
        static SHARED: Stack<u32, $size, $domain, SharedPool> = Stack::in_pool(&NODES);
        never_refused("stack in a shared pool", $size, |n| {
            let put = SHARED.push(handle, n);
            assert_eq!(SHARED.pop(handle).is_some(), put.is_ok());
            put
        });
        static MAP: Map<u32, u32, 1, $size, $domain> = Map::new();
        never_refused("map", $size, |n| {
            let put = MAP.insert(handle, n, n);
            assert_eq!(MAP.remove(&handle.enter(), &n).is_some(), put.is_ok());
            put
        });
        static ENTRIES: Pool<MapNode<u32, u32>, $size> = Pool::new();
        static ENTRY: Map<u32, u32, 1, $size, $domain, SharedPool> = Map::in_pool(&ENTRIES);
        never_refused("map in a shared pool", $size, |n| {
            let put = ENTRY.get_or_insert(handle, n, n).map(drop);
            ENTRY.clear(handle);
            put
        });
        static NAMES: Map<u32, String, 1, $size, $domain> = Map::new();
        never_refused("map of strings", $size, |n| {
            let put = NAMES.insert(eager, n, n.to_string());
            NAMES.clear(eager);
            put
        });
    }};
}

/// As above: those that need two blocks.
macro_rules! of_size_two {
    ($size:literal, $handle:expr, $eager:expr, $domain:ident) => {{
        let (handle, eager) = ($handle, $eager);
        static QUEUE: Queue<u32, $size, $domain> = Queue::new();
        never_refused("queue", $size, |n| {
            let put = QUEUE.push(handle, n);
            assert_eq!(QUEUE.pop(handle).is_some(), put.is_ok());
            put
        });
        static NODES: Pool<Node<u32>, $size> = Pool::new();
        static SHARED: Queue<u32, $size, $domain, SharedPool> = Queue::in_pool(&NODES);
        never_refused("queue in a shared pool", $size, |n| {
            let put = SHARED.push(handle, n);
            assert_eq!(SHARED.pop(handle).is_some(), put.is_ok());
            put
        });
        static BLOCKS: BlockQueue<u32, 1, $size, $domain> = BlockQueue::new();
        never_refused("block queue", $size, |n| {
            let put = BLOCKS.push(handle, n);
            assert_eq!(BLOCKS.pop(handle).is_some(), put.is_ok());
            put
        });
        static SEGMENTS: Pool<Segment<u32, 3>, $size> = Pool::new();
        static PART: BlockQueue<u32, 3, $size, $domain, SharedPool> =
            BlockQueue::in_pool(&SEGMENTS);
        never_refused("block queue in a shared pool", $size, |n| {
            let put = PART.push(handle, n);
            assert_eq!(PART.pop(handle).is_some(), put.is_ok());
            put
        });
        static CELL: RcuCell<u32, $size, $domain> = RcuCell::new(0);
        never_refused("cell", $size, |n| CELL.replace(handle, n));
        never_refused("cell", $size, |_| {
            CELL.update(handle, |old| old + 1).map(drop)
        });
        static NAME: RcuCell<String, $size, $domain> = RcuCell::new(String::new());
        never_refused("cell of strings", $size, |n| {
            NAME.replace(eager, n.to_string())
        });
        static MAP: Map<u32, u32, 1, $size, $domain> = Map::new();
        never_refused("map of one key", $size, |n| {
            MAP.upsert(handle, 1, n).map(drop)
        });
    }};
}

/// Each size, with handles of each role.
macro_rules! sizes {
    ($name:ident, $collector:ty = $new:expr) => {
        #[test]
        fn $name() {
            domain!(D: $collector = $new);
            fn all<R: Role>(handle: &Handle<D, R>, eager: &Handle<D>) {
                of_size!(1, handle, eager, D);
                of_size!(2, handle, eager, D);
                of_size!(3, handle, eager, D);
                of_size!(4, handle, eager, D);
                of_size!(33, handle, eager, D);
                of_size_two!(2, handle, eager, D);
                of_size_two!(3, handle, eager, D);
                of_size_two!(4, handle, eager, D);
                of_size_two!(33, handle, eager, D);
            }
            let eager = D::register().unwrap();
            all(&eager, &eager);
            all(&D::register_deferred().unwrap(), &eager);
            let cpu = D::register_per_cpu().unwrap();
            // SAFETY: one thread, without signal handlers.
            all(unsafe { cpu.get() }, &eager);
        }
    };
}

sizes!(basic, Collector<4> = Collector::new());
sizes!(basic_without_batches, Collector<4> = Collector::with_config(Config::new().batch::<1>()));
sizes!(robust, Collector<4, Robust> = Collector::with_config(Config::new()));
sizes!(robust_without_batches, Collector<4, Robust> =
    Collector::with_config(Config::new().batch::<1>().era_step::<1>()));
