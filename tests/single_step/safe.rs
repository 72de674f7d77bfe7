//! The structures of the safe layer.

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering::*},
};

use hyaline::{
    Nested, Role, Stats,
    safe::{Domain, Guard, Handle, Map, PerCpu, Queue, RcuCell, Stack},
};

use super::{Context, Tokens, contexts};

const DEAD: u32 = 0xDEAD_DEAD;

/// A value that detects a read after its drop.
pub struct Value {
    plain: Plain,
    ledger: &'static Ledger,
}

/// One without a destructor, so that it is reclaimed in any context.
pub struct Plain {
    stamp: AtomicU32,
    check: AtomicU32,
}

#[derive(Default)]
struct Ledger {
    stamps: AtomicU32,
    made: AtomicUsize,
    dropped: AtomicUsize,
    early: AtomicUsize,
}

impl Plain {
    fn new(ledger: &'static Ledger) -> Self {
        let stamp = ledger.stamps.fetch_add(1, SeqCst);
        Self {
            stamp: AtomicU32::new(stamp),
            check: AtomicU32::new(!stamp),
        }
    }

    /// Reads the stamp, and counts a torn or dead value.
    fn look(&self, ledger: &Ledger) -> u32 {
        let (stamp, check) = (self.stamp.load(SeqCst), self.check.load(SeqCst));
        if stamp != !check || stamp == DEAD {
            ledger.early.fetch_add(1, SeqCst);
        }
        stamp
    }

    /// Reads again, and checks that the value is the same.
    fn same(&self, ledger: &Ledger, stamp: u32) {
        if self.look(ledger) != stamp {
            ledger.early.fetch_add(1, SeqCst);
        }
    }
}

impl Value {
    fn new(ledger: &'static Ledger) -> Self {
        ledger.made.fetch_add(1, SeqCst);
        Self {
            plain: Plain::new(ledger),
            ledger,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.plain.look(self.ledger);
        self.plain.stamp.store(DEAD, SeqCst);
        self.plain.check.store(!DEAD, SeqCst);
        self.ledger.dropped.fetch_add(1, SeqCst);
    }
}

pub struct World<D: Domain> {
    cpu: PerCpu<D>,
    high: Handle<D>,
    idle: Handle<D>,
    stats: fn() -> Stats,
    ledger: &'static Ledger,
    cell: RcuCell<Value, 3, D>,
    /// With few versions, so that the CPU reclaims them itself.
    small: RcuCell<Plain, 2, D>,
    queue: Queue<Value, 4, D>,
    few: Queue<u32, 2, D>,
    stack: Stack<Value, 3, D>,
    map: Map<u32, Value, 1, 6, D>,
    outer: Cell<Option<Held<D>>>,
    tokens: Tokens,
}

/// A guard around the operation, and what it holds.
struct Held<D: Domain> {
    guard: Guard<'static, D, Nested>,
    value: *const Value,
    small: *const Plain,
    stamps: (u32, u32),
}

impl<D: Domain> World<D> {
    pub fn new(stats: fn() -> Stats) -> &'static Self {
        let ledger = Box::leak(Box::default());
        Box::leak(Box::new(Self {
            cpu: D::register_per_cpu().unwrap(),
            high: D::register().unwrap(),
            idle: D::register().unwrap(),
            stats,
            ledger,
            cell: RcuCell::new(Value::new(ledger)),
            small: RcuCell::new(Plain::new(ledger)),
            queue: Queue::new(),
            few: Queue::new(),
            stack: Stack::new(),
            map: Map::new(),
            outer: Cell::new(None),
            tokens: Tokens::default(),
        }))
    }

    fn cpu(&self) -> &Handle<D, Nested> {
        // SAFETY: one thread, and contexts that nest strictly.
        unsafe { self.cpu.get() }
    }

    /// The same, as the statics that the structures require.
    fn leaked(&self) -> &'static Self {
        // SAFETY: `new` leaks it.
        unsafe { &*ptr::from_ref(self) }
    }

    fn value(&self) -> Value {
        Value::new(self.ledger)
    }

    fn look(&self, value: &Value) -> u32 {
        value.plain.look(self.ledger)
    }
}

impl<D: Domain> super::World for World<D> {
    const TASKS: &'static [Context<Self>] = contexts! {
        reads replaces updates compares small_replaces small_updates pushes pops few_events stacks unstacks
        gets inserts sets removes iterates grace idle_replaces idle_removes
    };
    const NESTED: &'static [Context<Self>] = contexts! {
        reads small_replaces updates pops stacks unstacks sets grace
    };
    const OTHERS: &'static [Context<Self>] = contexts! {
        high_replaces high_small high_queue high_stack high_map high_then_reads
    };

    fn prepare(&self, round: u64) {
        let w = self.leaked();
        for _ in 0..round / 4 % 8 {
            let _ = w.high.link(0); // an era later
        }
        for _ in 0..2 {
            let _ = w.queue.push(&w.high, w.value());
            let _ = w.stack.push(&w.high, w.value());
        }
        for key in 0..3 {
            let _ = w.map.insert(&w.high, key, w.value());
        }
        if round % 4 != 0 {
            let guard = w.cpu().enter();
            let value: *const Value = w.cell.read(&guard);
            let small: *const Plain = w.small.read(&guard);
            // SAFETY: protected by the guard.
            let stamps = unsafe { ((*value).plain.look(w.ledger), (*small).look(w.ledger)) };
            w.outer.set(Some(Held {
                guard,
                value,
                small,
                stamps,
            }));
            if round % 4 > 1 {
                // Younger than the section.
                let _ = w.cell.replace(&w.high, w.value());
                let _ = w.small.replace(&w.high, Plain::new(w.ledger));
                let _ = w.queue.pop(&w.high);
                let _ = w.queue.push(&w.high, w.value());
                drop(w.stack.pop(&w.high));
                let _ = w.stack.push(&w.high, w.value());
                let _ = w.map.upsert(&w.high, 1, w.value());
            }
        }
    }

    fn close(&self) {
        let w = self.leaked();
        if let Some(held) = w.outer.take() {
            // SAFETY: protected by the guard.
            unsafe {
                (*held.value).plain.same(w.ledger, held.stamps.0);
                (*held.small).same(w.ledger, held.stamps.1);
            }
            drop(held.guard);
        }
        while w.queue.pop(&w.high).is_some() {}
        while w.few.pop(&w.high).is_some() {}
        while w.stack.pop(&w.high).is_some() {}
        let guard = w.high.enter();
        for key in 0..3 {
            w.map.remove(&guard, &key);
        }
    }

    fn check(&self) -> Result<(), String> {
        let w = self.leaked();
        w.idle.collect();
        let pending = (w.stats)().pending();
        let over = w.tokens.take(0).is_none_or(|mut token| token.poll(&w.high));
        let early = w.ledger.early.swap(0, SeqCst);
        if early > 0 {
            return Err(format!("{early} values changed while held"));
        }
        let made = w.ledger.made.load(SeqCst);
        let alive = made.wrapping_sub(w.ledger.dropped.load(SeqCst));
        w.ledger.made.store(1, SeqCst);
        w.ledger.dropped.store(0, SeqCst);
        let free = [w.cell.available(), w.small.available()];
        if pending > 0 || !over || alive != 1 || free[0] < 2 || free[1] < 1 {
            return Err(format!(
                "{pending} objects are pending, {alive} values alive, 1 in use, {free:?} versions \
                 free; the grace period is over: {over}"
            ));
        }
        // Every block is free, except the dummy.
        let refused = w.few.push(&w.high, 0).is_err();
        while w.few.pop(&w.high).is_some() {}
        w.high.collect();
        if refused {
            return Err("an empty queue has no room".into());
        }
        Ok(())
    }
}

fn reads<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let value = w.cell.read(&guard);
    let stamp = w.look(value);
    let small = w.small.read(&guard);
    let plain = small.look(w.ledger);
    value.plain.same(w.ledger, stamp);
    small.same(w.ledger, plain);
}

fn replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let value = w.cell.read(&guard);
    let stamp = w.look(value);
    let _ = w.cell.replace(w.cpu(), w.value());
    value.plain.same(w.ledger, stamp);
}

fn updates<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.cell.update(w.cpu(), |old| {
        w.look(old);
        w.value()
    });
}

fn compares<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let value = w.cell.read(&guard);
    let stamp = w.look(value);
    let _ = w.cell.compare_exchange(w.cpu(), value, w.value());
    value.plain.same(w.ledger, stamp);
}

fn small_replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    // The second finds no version other than the one just retired.
    for _ in 0..2 {
        let _ = w.small.replace(w.cpu(), Plain::new(w.ledger));
    }
}

fn small_updates<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..2 {
        let _ = w.small.update(w.cpu(), |old| {
            old.look(w.ledger);
            Plain::new(w.ledger)
        });
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

/// Fills and empties a queue of two nodes.
fn few_events<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for n in 0..2 {
        let _ = w.few.push(w.cpu(), n);
        let _ = w.few.pop(w.cpu());
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

fn gets<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let values = [2, 0].map(|key| w.map.get(&guard, &key).map(|value| (value, w.look(value))));
    for (value, stamp) in values.into_iter().flatten() {
        value.plain.same(w.ledger, stamp);
    }
}

fn inserts<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.map.insert(w.cpu(), 1, w.value());
    removes(w);
    let _ = w.map.insert(w.cpu(), 1, w.value());
}

fn sets<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.map.upsert(w.cpu(), 1, w.value());
}

fn removes<D: Domain>(w: &World<D>) {
    remove(w.leaked(), w.cpu());
}

fn remove<D: Domain, R: Role>(w: &'static World<D>, handle: &Handle<D, R>) {
    let guard = handle.enter();
    if let Some(value) = w.map.remove(&guard, &1) {
        let stamp = w.look(value);
        value.plain.same(w.ledger, stamp);
    }
}

fn iterates<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    for (_, value) in w.map.iter(&guard) {
        let stamp = w.look(value);
        value.plain.same(w.ledger, stamp);
    }
}

fn grace<D: Domain>(w: &World<D>) {
    let token = w.tokens.take(0);
    let mut token = token.unwrap_or_else(|| w.cpu().start_grace_period());
    if !token.poll(w.cpu()) {
        w.tokens.keep(0, token);
    }
}

fn idle_replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.cell.replace(&w.idle, w.value());
    let _ = w.small.replace(&w.idle, Plain::new(w.ledger));
    w.idle.collect();
}

fn idle_removes<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    remove(w, &w.idle);
    let _ = w.queue.pop(&w.idle);
    let _ = w.stack.pop(&w.idle);
}

// What a task of higher priority does.

fn high_replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..2 {
        let _ = w.cell.replace(&w.high, w.value());
    }
    w.high.collect();
}

fn high_small<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..3 {
        let _ = w.small.replace(&w.high, Plain::new(w.ledger));
    }
}

fn high_queue<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.queue.pop(&w.high);
    let _ = w.queue.push(&w.high, w.value());
    let _ = w.few.push(&w.high, 9);
    let _ = w.few.pop(&w.high);
    w.high.collect();
}

fn high_stack<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    // The top comes back, with another node below it.
    let (top, below) = (w.stack.pop(&w.high), w.stack.pop(&w.high));
    drop(below);
    w.high.collect();
    for value in [Some(w.value()), top].into_iter().flatten() {
        let _ = w.stack.push(&w.high, value);
    }
}

fn high_map<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    remove(w, &w.high);
    let _ = w.map.upsert(&w.high, 0, w.value());
    w.high.collect();
    let _ = w.map.insert(&w.high, 1, w.value());
}

fn high_then_reads<D: Domain>(w: &World<D>) {
    high_replaces(w);
    high_map(w);
    reads(w);
    gets(w);
}
