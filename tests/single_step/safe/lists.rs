//! Queues and stacks, in a pool of their own, in one that they share, and on
//! the heap.

use hyaline::{
    Pool, Role,
    safe::{BlockQueue, Domain, Handle, Heap, Node, Queue, SharedPool, Stack, Storage},
};

use super::{
    super::{Context, contexts},
    Base, Value, of_base,
};

type Values<D, const K: usize, P> = (Queue<Value, K, D, P>, Stack<Value, K, D, P>);

pub struct World<D: Domain> {
    base: Base<D>,
    queue: Queue<Value, 4, D>,
    stack: Stack<Value, 3, D>,
    blocks: BlockQueue<Value, 2, 3, D>,
    /// Numbers, so that the CPU reclaims nodes itself.
    few: Queue<u32, 2, D>,
    numbers: Stack<u32, 2, D>,
    shared: Values<D, 4, SharedPool>,
    heap: Values<D, 0, Heap>,
}

of_base!(World);

impl<D: Domain> World<D> {
    pub fn new() -> &'static Self {
        let nodes: &'static Pool<Node<Value>, 4> = Box::leak(Pool::boxed().unwrap());
        Box::leak(Box::new(Self {
            base: Base::new(),
            queue: Queue::new(),
            stack: Stack::new(),
            blocks: BlockQueue::new(),
            few: Queue::new(),
            numbers: Stack::new(),
            shared: (Queue::in_pool(nodes), Stack::in_pool(nodes)),
            heap: (Queue::in_heap(), Stack::in_heap()),
        }))
    }

    fn push<R: Role, const K: usize, P: Storage<Node<Value>, K>>(
        &self,
        to: &'static Queue<Value, K, D, P>,
        handle: &Handle<D, R>,
    ) {
        let _ = to.push(handle, self.value());
    }

    fn pop<R: Role, const K: usize, P: Storage<Node<Value>, K>>(
        &self,
        from: &'static Queue<Value, K, D, P>,
        handle: &Handle<D, R>,
    ) {
        from.pop(handle).inspect(|value| _ = self.look(value));
    }

    fn put<R: Role, const K: usize, P: Storage<Node<Value>, K>>(
        &self,
        on: &'static Stack<Value, K, D, P>,
        handle: &Handle<D, R>,
    ) {
        let _ = on.push(handle, self.value());
    }

    fn take<R: Role, const K: usize, P: Storage<Node<Value>, K>>(
        &self,
        from: &'static Stack<Value, K, D, P>,
        handle: &Handle<D, R>,
    ) {
        from.pop(handle).inspect(|value| _ = self.look(value));
    }
}

impl<D: Domain> super::super::World for World<D> {
    const TASKS: &'static [Context<Self>] = contexts! {
        pushes pops replaces_oldest few_events looks_at_few stacks unstacks looks_at_numbers
        pushes_blocks pops_blocks cycles_blocks looks_at_blocks
        shares_a_pool uses_the_heap grace idle_removes
    };
    const NESTED: &'static [Context<Self>] = contexts! {
        pushes pops few_events stacks unstacks pushes_blocks pops_blocks cycles_blocks
        shares_a_pool grace
    };
    const OTHERS: &'static [Context<Self>] = contexts! {
        high_queue high_stack high_blocks high_others high_cycles high_then_pops
    };

    fn prepare(&self, round: u64) {
        let w = self.leaked();
        w.pass_eras(round);
        for _ in 0..round % 3 {
            w.push(&w.queue, &w.high);
            w.put(&w.stack, &w.high);
            let _ = w.blocks.push(&w.high, w.value());
            w.push(&w.shared.0, &w.high);
            w.put(&w.shared.1, &w.high);
            w.push(&w.heap.0, &w.high);
            w.put(&w.heap.1, &w.high);
        }
        let _ = w.numbers.push(&w.high, 5);
    }

    fn close(&self) {
        let w = self.leaked();
        while w.queue.pop(&w.high).is_some() {}
        while w.stack.pop(&w.high).is_some() {}
        while w.blocks.pop(&w.high).is_some() {}
        while w.few.pop(&w.high).is_some() {}
        while w.numbers.pop(&w.high).is_some() {}
        while w.shared.0.pop(&w.high).is_some() {}
        while w.shared.1.pop(&w.high).is_some() {}
        while w.heap.0.pop(&w.high).is_some() {}
        while w.heap.1.pop(&w.high).is_some() {}
    }

    fn check(&self) -> Result<(), String> {
        let w = self.leaked();
        self.base.check(0)?;
        // Every block is free, except those of the queues' dummies.
        let filled = [
            (0..4)
                .filter(|_| w.queue.push(&w.high, w.value()).is_ok())
                .count(),
            (0..4)
                .filter(|_| w.stack.push(&w.high, w.value()).is_ok())
                .count(),
            (0..4).filter(|_| w.few.push(&w.high, 0).is_ok()).count(),
            (0..4)
                .filter(|_| w.numbers.push(&w.high, 0).is_ok())
                .count(),
            (0..4)
                .filter(|_| w.shared.1.push(&w.high, w.value()).is_ok())
                .count(),
            (0..6)
                .filter(|_| w.blocks.push(&w.high, w.value()).is_ok())
                .count(),
        ];
        self.close();
        w.high.collect();
        let least = [3, 3, 1, 2, 3, 4];
        if filled
            .iter()
            .zip(least)
            .any(|(filled, least)| *filled < least)
        {
            return Err(format!("only {filled:?} of {least:?} places are free"));
        }
        Ok(())
    }
}

fn pushes<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.queue.push(w.cpu(), w.value());
}

fn pops<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    if let Some(value) = w.queue.pop(w.cpu()) {
        w.look(&value);
    }
}

/// More than there is room for.
fn replaces_oldest<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..2 {
        let oldest = |oldest: Value| _ = w.look(&oldest);
        let _ = w.queue.push_or_replace_oldest(w.cpu(), w.value(), oldest);
        let _ = w.few.push_or_replace_oldest(w.cpu(), 3, |_| ());
    }
}

/// Fills and empties a queue of two nodes.
fn few_events<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for n in 0..2 {
        let _ = w.few.push(w.cpu(), n);
        let _ = w.few.pop(w.cpu());
    }
}

fn looks_at_few<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.few.push(w.cpu(), 7);
    let guard = w.cpu().enter();
    let some = [w.few.len(w.cpu()), w.few.iter(&guard).count()];
    let all_known = w
        .few
        .iter(&guard)
        .all(|number| [0, 1, 3, 7, 9].contains(&number));
    let _ = w.few.is_empty(w.cpu());
    if some.into_iter().any(|some| some > 2) || !all_known {
        w.ledger.note();
    }
}

fn stacks<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.stack.push(w.cpu(), w.value());
}

fn unstacks<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    if let Some(value) = w.stack.pop(w.cpu()) {
        w.look(&value);
    }
}

fn pushes_blocks<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.blocks.push(w.cpu(), w.value());
}

fn pops_blocks<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    if let Some(value) = w.blocks.pop(w.cpu()) {
        w.look(&value);
    }
}

/// Passes the border of a segment. There is a value, unless others took it.
fn cycles_blocks<D: Domain>(w: &World<D>) {
    for _ in 0..3 {
        pushes_blocks(w);
        pops_blocks(w);
    }
}

fn looks_at_blocks<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.blocks.is_empty(w.cpu());
    if w.blocks.len(w.cpu()) > 6 {
        w.ledger.note();
    }
}

fn looks_at_numbers<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let some = [w.numbers.len(w.cpu()), w.numbers.iter(&guard).count()];
    let all_known = w.numbers.iter(&guard).all(|number| number == 5);
    let _ = w.numbers.is_empty();
    if some.into_iter().any(|some| some > 2) || !all_known {
        w.ledger.note();
    }
}

/// A node of the pool is one time in the queue and one time on the stack.
fn shares_a_pool<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    w.pop(&w.shared.0, w.cpu());
    w.put(&w.shared.1, w.cpu());
    w.take(&w.shared.1, w.cpu());
    w.push(&w.shared.0, w.cpu());
}

fn uses_the_heap<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    w.pop(&w.heap.0, w.cpu());
    w.put(&w.heap.1, w.cpu());
    w.take(&w.heap.1, w.cpu());
    w.push(&w.heap.0, w.cpu());
}

fn grace<D: Domain>(w: &World<D>) {
    w.grace();
}

fn idle_removes<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    w.pop(&w.queue, &w.idle);
    w.take(&w.stack, &w.idle);
    w.pop(&w.shared.0, &w.idle);
    w.take(&w.heap.1, &w.idle);
    w.idle.collect();
}

// What a task of higher priority does.

fn high_queue<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    w.pop(&w.queue, &w.high);
    w.push(&w.queue, &w.high);
    let _ = w.few.push(&w.high, 9);
    let _ = w.few.pop(&w.high);
    w.high.collect();
}

fn high_stack<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    // The top comes back, with another node below it.
    let (top, below) = (w.stack.pop(&w.high), w.stack.pop(&w.high));
    drop(below);
    let _ = w.numbers.pop(&w.high);
    w.high.collect();
    for value in [Some(w.value()), top].into_iter().flatten() {
        let _ = w.stack.push(&w.high, value);
    }
    let _ = w.numbers.push(&w.high, 5);
}

/// Passes the border of a segment, and reclaims it.
fn high_blocks<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..3 {
        let _ = w.blocks.push(&w.high, w.value());
        w.blocks.pop(&w.high).inspect(|value| _ = w.look(value));
    }
    w.high.collect();
}

/// Takes everything out and puts something else in.
fn high_others<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..2 {
        w.pop(&w.shared.0, &w.high);
        w.take(&w.shared.1, &w.high);
        w.pop(&w.heap.0, &w.high);
        w.take(&w.heap.1, &w.high);
    }
    w.high.collect();
    w.put(&w.shared.1, &w.high);
    w.push(&w.shared.0, &w.high);
    w.put(&w.heap.1, &w.high);
    w.push(&w.heap.0, &w.high);
}

/// A node that is freed too early comes back as the first one, with another
/// next.
fn high_cycles<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for again in [true, false] {
        w.pop(&w.heap.0, &w.high);
        w.pop(&w.shared.0, &w.high);
        w.high.collect();
        if again {
            w.push(&w.heap.0, &w.high);
            w.push(&w.shared.0, &w.high);
        }
    }
}

fn high_then_pops<D: Domain>(w: &World<D>) {
    high_queue(w);
    high_stack(w);
    pops(w);
    unstacks(w);
}
