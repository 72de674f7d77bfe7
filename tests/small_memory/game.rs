//! Random calls of all roles in one thread, and a refusal that nothing explains.

use std::{mem, num::NonZeroU16, ptr};

use hyaline::{
    Collector, Deferred, Eager, HandleId, Nested, Robust, Role, domain,
    safe::{Domain, Guard, Handle, Queue, RcuCell, Stack},
};

use super::{
    blocks::{Blocks, Section},
    random::Random,
};

domain!(BasicApp: Collector<8> = Collector::new());
domain!(RobustApp: Collector<8, Robust> = Collector::with_config(hyaline::Config::new()));

/// A handle of any role, with its open guards.
struct Owner<D: Domain, R: Role> {
    handle: &'static Handle<D, R>,
    guards: Vec<Guard<'static, D, R>>,
    limited: bool,
}

impl<D: Domain, R: Role> Owner<D, R> {
    fn new(handle: Handle<D, R>) -> Self {
        Self {
            handle: Box::leak(Box::new(handle)),
            guards: Vec::new(),
            limited: false,
        }
    }

    /// Ends its sections. The handle is returned, or forgotten.
    fn close(mut self, forget: bool) -> Option<HandleId> {
        self.guards.clear();
        let id = self.handle.id();
        // SAFETY: leaked in `new`, and the guards are gone.
        let handle = unsafe { Box::from_raw(ptr::from_ref(self.handle).cast_mut()) };
        if forget {
            mem::forget(*handle);
            return Some(id);
        }
        None
    }
}

struct Game<D: Domain> {
    random: Random,
    now: usize,
    eager: Vec<Owner<D, Eager>>,
    deferred: Vec<Owner<D, Deferred>>,
    cpu: Owner<D, Nested>,
    /// Sections, by the slot of their handle.
    open: Vec<Section>,
    forgotten: Vec<HandleId>,
    cell: &'static RcuCell<u64, 2, D>,
    queue: &'static Queue<u64, 4, D>,
    stack: &'static Stack<u64, 1, D>,
    blocks: [Blocks; 3],
    last: u64,
    first: bool,
    popped: bool,
    queued: usize,
    log: Vec<String>,
}

const CELL: usize = 0;
const QUEUE: usize = 1;
const STACK: usize = 2;

impl<D: Domain> Game<D> {
    fn new(seed: u64) -> Self {
        let cpu = D::register_per_cpu().unwrap();
        let cpu: &'static _ = Box::leak(Box::new(cpu));
        Self {
            random: Random(seed),
            now: 0,
            eager: (0..2).map(|_| Owner::new(D::register().unwrap())).collect(),
            deferred: vec![Owner::new(D::register_deferred().unwrap())],
            cpu: Owner {
                // SAFETY: one thread, without interrupts.
                handle: unsafe { cpu.get() },
                guards: Vec::new(),
                limited: false,
            },
            open: Vec::new(),
            forgotten: Vec::new(),
            cell: Box::leak(Box::new(RcuCell::new(0))),
            queue: Box::leak(Box::new(Queue::new())),
            stack: Box::leak(Box::new(Stack::new())),
            blocks: [
                Blocks::new("cell", 2),
                Blocks::new("queue", 4),
                Blocks::new("stack", 1),
            ],
            last: 0,
            first: true,
            popped: false,
            queued: 0,
            log: Vec::new(),
        }
    }

    /// A call on one of the structures, with a handle of any role.
    fn call<R: Role>(&mut self, handle: &Handle<D, R>) -> Result<(), String> {
        let what = self.random.below(6);
        self.log
            .push(format!("call {what} on slot {}", handle.slot()));
        let now = self.now;
        match what {
            0 | 1 => {
                let value = self.last + 1;
                let replaced = if what == 0 {
                    self.cell.replace(handle, value).is_ok()
                } else {
                    self.cell.update(handle, |old| old + 1).is_ok()
                };
                let blocks = &mut self.blocks[CELL];
                if !replaced {
                    return blocks.refused(now, &self.open);
                }
                self.last = value;
                if !mem::take(&mut self.first) {
                    blocks.in_use -= 1;
                    blocks.retire(now);
                }
                blocks.in_use += 1;
            }
            2 => {
                let blocks = &mut self.blocks[QUEUE];
                if self.queue.push(handle, 7).is_err() {
                    return blocks.refused(now, &self.open);
                }
                blocks.in_use += 1;
                self.queued += 1;
            }
            3 => {
                let got = self.queue.pop(handle).is_some();
                if got != (self.queued > 0) {
                    return Err("the queue's length is wrong".into());
                }
                let blocks = &mut self.blocks[QUEUE];
                if got {
                    self.queued -= 1;
                    // The old dummy is retired, and the node becomes the dummy.
                    if mem::replace(&mut self.popped, true) {
                        blocks.in_use -= 1;
                        blocks.retire(now);
                    }
                }
            }
            4 => {
                let blocks = &mut self.blocks[STACK];
                if self.stack.push(handle, 7).is_err() {
                    return blocks.refused(now, &self.open);
                }
                blocks.in_use += 1;
            }
            _ => {
                let blocks = &mut self.blocks[STACK];
                if self.stack.pop(handle).is_some() {
                    blocks.in_use -= 1;
                    blocks.retire(now);
                }
            }
        }
        Ok(())
    }

    /// Opens or ends a section.
    fn section<R: Role>(&mut self, of: impl Fn(&mut Self) -> &mut Owner<D, R>) {
        let close = self.random.below(3) < 2;
        let now = self.now;
        let owner = of(self);
        let slot = owner.handle.slot();
        if close && !owner.guards.is_empty() {
            owner.guards.pop();
            if owner.guards.is_empty() {
                self.open.retain(|section| section.slot != slot);
            }
            self.log.push(format!("leave slot {slot}"));
        } else {
            let guard = owner.handle.enter();
            let first = owner.guards.is_empty();
            owner.guards.push(guard);
            if first {
                self.open.push(Section { slot, began: now });
            }
            let cell = self.cell;
            cell.read(of(self).guards.last().unwrap());
            self.log.push(format!("enter slot {slot}"));
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += 1;
        let (eager, deferred) = (
            self.random.below(self.eager.len()),
            self.random.below(self.deferred.len()),
        );
        match self.random.below(24) {
            0..7 => self.call(self.eager[eager].handle)?,
            7..12 => self.call(self.deferred[deferred].handle)?,
            12..15 => self.call(self.cpu.handle)?,
            15 => self.section(|game| &mut game.eager[eager]),
            16 => self.section(|game| &mut game.deferred[deferred]),
            17 => self.section(|game| &mut game.cpu),
            18 => {
                self.log.push(format!("collect, eager {eager}"));
                let owner = &self.eager[eager];
                owner.handle.collect();
                if !owner.limited {
                    for blocks in &mut self.blocks {
                        blocks.collected(self.now, &self.open);
                    }
                }
            }
            19 => {
                let limit = NonZeroU16::new(self.random.below(3) as u16);
                self.log.push(format!("limit {limit:?}, eager {eager}"));
                let owner = &mut self.eager[eager];
                owner.handle.limit_reclaims(limit);
                owner.limited = limit.is_some();
            }
            // Registers another handle, or releases one.
            20 if self.eager.len() < 3 => self.eager.push(Owner::new(D::register().unwrap())),
            20 => {
                let owner = self.eager.swap_remove(eager);
                self.go(owner);
            }
            21 if self.deferred.len() < 3 => {
                self.deferred
                    .push(Owner::new(D::register_deferred().unwrap()));
            }
            21 => {
                let owner = self.deferred.swap_remove(deferred);
                self.go(owner);
            }
            _ => {
                // A supervisor finds what was forgotten.
                while let Some(id) = self.forgotten.pop() {
                    self.evict(id);
                }
            }
        }
        Ok(())
    }

    fn go<R: Role>(&mut self, owner: Owner<D, R>) {
        let slot = owner.handle.slot();
        // One at a time, so that there are slots.
        let forget = self.forgotten.is_empty() && self.random.below(2) == 0;
        self.log
            .push(format!("slot {slot} goes, forgotten: {forget}"));
        self.open.retain(|section| section.slot != slot);
        self.forgotten.extend(owner.close(forget));
    }

    fn evict(&mut self, id: HandleId) {
        self.log.push(format!("evict slot {}", id.slot()));
        EVICT.with(|evict| evict.get()(id));
    }

    /// Everything is closed: after one collect there is room.
    fn end(mut self) -> Result<(), String> {
        self.cpu.guards.clear();
        let limit = self.eager.iter().position(|owner| !owner.limited);
        let mut eager = mem::take(&mut self.eager);
        for owner in &mut eager {
            owner.guards.clear();
        }
        let mut deferred = mem::take(&mut self.deferred);
        for owner in &mut deferred {
            owner.guards.clear();
        }
        self.open.clear();
        while self.queue.pop(eager[0].handle).is_some() {}
        let _ = self.stack.pop(deferred[0].handle);
        if limit.is_none() {
            eager[0].handle.limit_reclaims(None);
        }
        eager[limit.unwrap_or(0)].handle.collect();
        let pending = PENDING.with(|pending| pending.get()());
        if pending > 0 {
            return Err(format!("{pending} objects are pending at the end"));
        }
        for (n, owner) in deferred.into_iter().enumerate() {
            // A cell of two versions takes any number of them.
            for value in 0..5 {
                if self.cell.replace(owner.handle, value).is_err() {
                    return Err(format!("deferred {n}: the cell refuses value {value}"));
                }
            }
            owner.close(false);
        }
        for owner in eager {
            owner.close(false);
        }
        for id in mem::take(&mut self.forgotten) {
            self.evict(id);
        }
        let cpu = self.cpu.handle.id();
        self.evict(cpu); // its handle is leaked
        Ok(())
    }
}

thread_local! {
    /// The calls of a domain's collector that are not in the trait.
    static EVICT: std::cell::Cell<fn(HandleId)> = const { std::cell::Cell::new(|_| ()) };
    static PENDING: std::cell::Cell<fn() -> usize> = const { std::cell::Cell::new(|| 0) };
}

fn play<D: Domain>(name: &str) {
    let games = if cfg!(miri) { 20 } else { 3_000 };
    for seed in 0..games {
        let mut game = Game::<D>::new(seed);
        for _ in 0..200 {
            if let Err(wrong) = game.step() {
                for line in &game.log {
                    println!("{line}");
                }
                panic!("{name}, seed {seed}: {wrong}; open: {:?}", game.open.len());
            }
        }
        if let Err(wrong) = game.end() {
            panic!("{name}, seed {seed}: {wrong}");
        }
    }
}

macro_rules! plays {
    ($($name:ident: $domain:ident)*) => {$(
        #[test]
        fn $name() {
            // SAFETY: the handle is gone, and its guards are dropped.
            EVICT.set(|id| unsafe { $domain::COLLECTOR.evict(id) }.unwrap());
            PENDING.set(|| $domain::COLLECTOR.stats().pending());
            play::<$domain>(stringify!($name));
        }
    )*};
}

plays! { random_basic: BasicApp random_robust: RobustApp }
