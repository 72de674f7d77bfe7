//! The pool becomes empty, reports it, and recovers.

use crate::{
    node::Node,
    world::{BLOCKS, World},
};
use core::array;
use hyaline::{Scheme, reclaim};

pub fn runs_dry_and_recovers<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let (pool, ledger) = (&world.pool, &world.ledger);
    let (reader, writer) = (world.register(), world.register());
    for _ in 0..3 {
        let nodes: [_; BLOCKS] = array::from_fn(|_| {
            pool.alloc(&writer, Node::new(ledger))
                .expect("a block is free")
        });
        let refused = pool.alloc(&writer, Node::new(ledger));
        let value = refused.expect_err("the pool is empty").into_inner();
        assert!(value.holds(4), "the value comes back whole");
        drop(value);

        // Retired under a guard: no block is free until it is dropped.
        let guard = reader.enter();
        // In robust mode a guard holds nothing before it protects something.
        world.look(&guard, 1);
        let (kept, retired) = nodes.split_first().expect("not empty");
        for node in retired {
            // SAFETY: the nodes were never published and are retired once.
            unsafe { writer.retire(*node, reclaim::pooled::<Node>) };
        }
        let refused = pool.alloc(&writer, Node::new(ledger));
        assert!(refused.is_err(), "a guard keeps every block");
        drop(guard);

        // The allocation itself collects.
        let fresh = pool.alloc(&writer, Node::new(ledger));
        let fresh = fresh.unwrap_or_else(|_| panic!("the pool recovers"));
        // SAFETY: both are exclusively this function's and were never
        // published.
        unsafe {
            pool.free(fresh);
            pool.free(*kept);
        }
        world.flush(&writer);
        assert_eq!(pool.available(), BLOCKS, "every block is back");
    }
    drop((reader, writer));
    ledger.check("pool");
}
