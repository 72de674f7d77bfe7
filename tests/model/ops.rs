//! The operations, and how three bytes are decoded to one.

/// One step of a sequence. The interpreter takes numbers modulo what exists,
/// and skips what is not possible.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Register,
    RegisterDeferred,
    RegisterPerCpu,
    /// Asks the readers of a slot to restart.
    RequestRestart(usize),
    /// Reads everything that is protected.
    Look,
    /// Frees up to this many of the objects that were allocated and kept.
    Free(usize),
    /// Copies the token of a grace period over the other one.
    CopyToken(usize),
    /// Ends all sections that can be ended, and one handle collects: nothing
    /// may be left.
    Quiesce(usize),
    /// The same, but handles with forgotten guards are evicted first.
    Close(usize),
    /// Readers enter and leave, so that some section is open at each scan.
    Churn(usize),
    /// The reclaimer with this number from now on panics.
    Panic(usize),
    /// Evicts the owner with one of the ids so far.
    Evict(usize),
    /// Uses, and drops, a handle that was evicted.
    Stale(New),
    /// Makes an object without a slot; retires it there, or keeps it.
    Unprotected {
        retire: bool,
    },
    /// Something with the handle of a slot.
    On(usize, Step),
}

/// An operation on a handle, its guards or its section.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Release,
    Forget {
        flush_first: bool,
    },
    /// Its task is killed, and it is evicted.
    Kill,
    Enter,
    Leave {
        guard: usize,
    },
    ForgetGuard {
        guard: usize,
    },
    Refresh {
        guard: usize,
    },
    IntoSection,
    LeaveSection,
    /// Loads a cell through a guard, and reads the object.
    Protect {
        guard: usize,
        cell: usize,
    },
    /// Puts a new object, or null, into a cell and retires the old one under
    /// the guard.
    Replace {
        guard: usize,
        cell: usize,
        new: New,
    },
    /// The same, but the new object is protected before it is shared.
    ReplaceByOwn {
        guard: usize,
        cell: usize,
        new: New,
    },
    /// `Replace` by compare-and-exchange.
    Exchange {
        guard: usize,
        cell: usize,
        new: New,
    },
    /// Moves the object of one cell to another, and retires what was there.
    Shift {
        guard: usize,
        from: usize,
        to: usize,
    },
    /// Replaces by a plain swap, and retires without a guard.
    Retire {
        cell: usize,
        new: New,
    },
    /// Retires an object that was never shared.
    RetireFresh {
        new: New,
    },
    /// The same under a guard, which has never loaded the object.
    DeferFresh {
        guard: usize,
        new: New,
    },
    /// Asks whether a restart was requested.
    Restart {
        guard: usize,
    },
    Flush,
    Collect,
    CollectAtMost {
        limit: usize,
    },
    /// 0 is no limit.
    Limit {
        limit: u16,
    },
    /// Only when it does not have to wait.
    Synchronize,
    StartGrace(usize),
    PollGrace(usize),
    CallLater(usize),
    /// Allocates this many objects and does not share them.
    Allocate {
        pool: usize,
        count: usize,
    },
    /// Allocates until the pool is exhausted.
    Exhaust {
        pool: usize,
    },
    /// `Quiesce`, but this handle stays inside, flushes, and refreshes.
    QuiesceUnder,
    /// `Quiesce`, but all flush first, and then sections end: this handle finds
    /// everything by a collect.
    QuiesceByCollect,
}

/// What is put into a cell.
#[derive(Clone, Copy, Debug)]
pub enum New {
    Null,
    Boxed,
    Pooled(usize),
}

/// The arguments, from two bytes.
#[derive(Clone, Copy)]
struct Args {
    slot: usize,
    guard: usize,
    /// Any number below 256, for other uses.
    number: usize,
    new: New,
}

impl Args {
    fn on(self, step: Step) -> Op {
        Op::On(self.slot, step)
    }
}

type Make = fn(Args) -> Op;

/// Each operation with its weight. A new one needs a line here, and an arm in
/// the interpreter. The weights sum to at most 256.
#[rustfmt::skip] // a table
const TABLE: &[(usize, Make)] = &[
    (8, |_| Op::Register),
    (4, |_| Op::RegisterDeferred),
    (3, |_| Op::RegisterPerCpu),
    (2, |a| Op::RequestRestart(a.number)),
    (2, |_| Op::Look),
    (3, |a| Op::Free(a.number / 4)),
    (2, |a| Op::CopyToken(a.number)),
    (2, |a| Op::Quiesce(a.number)),
    (2, |a| Op::Evict(a.number)),
    (2, |a| Op::Stale(a.new)),
    (4, |a| a.on(Step::Release)),
    (1, |a| a.on(Step::Forget { flush_first: a.number % 4 > 0 })),
    (4, |a| a.on(Step::Kill)),
    (16, |a| a.on(Step::Enter)),
    (12, |a| a.on(Step::Leave { guard: a.guard })),
    (1, |a| a.on(Step::ForgetGuard { guard: a.guard })),
    (6, |a| a.on(Step::Refresh { guard: a.guard })),
    (3, |a| a.on(Step::IntoSection)),
    (3, |a| a.on(Step::LeaveSection)),
    (16, |a| a.on(Step::Protect { guard: a.guard, cell: a.number })),
    (24, |a| a.on(Step::Replace { guard: a.guard, cell: a.number, new: a.new })),
    (4, |a| a.on(Step::Exchange { guard: a.guard, cell: a.number, new: a.new })),
    (4, |a| a.on(Step::Shift { guard: a.guard, from: a.number, to: a.number / 16 })),
    (12, |a| a.on(Step::Retire { cell: a.number, new: a.new })),
    (6, |a| a.on(Step::RetireFresh { new: a.new })),
    (4, |a| a.on(Step::DeferFresh { guard: a.guard, new: a.new })),
    (6, |a| a.on(Step::Flush)),
    (4, |a| a.on(Step::Collect)),
    (6, |a| a.on(Step::CollectAtMost { limit: a.number % 8 })),
    (6, |a| a.on(Step::Limit { limit: a.number as u16 % 4 })),
    (2, |a| a.on(Step::Restart { guard: a.guard })),
    (3, |a| a.on(Step::Synchronize)),
    (3, |a| a.on(Step::StartGrace(a.number))),
    (6, |a| a.on(Step::PollGrace(a.number))),
    (3, |a| a.on(Step::CallLater(a.number))),
    (3, |a| a.on(Step::Allocate { pool: a.number, count: 1 + a.number / 16 })),
    (1, |a| a.on(Step::Exhaust { pool: a.number })),
    (2, |a| a.on(Step::QuiesceUnder)),
    (2, |a| a.on(Step::QuiesceByCollect)),
    (2, |a| Op::Close(a.number)),
    (2, |a| Op::Churn(a.number)),
    (3, |a| Op::Panic(a.number % 4)),
    (3, |a| Op::Unprotected { retire: a.number % 2 == 0 }),
    (6, |a| a.on(Step::ReplaceByOwn { guard: a.guard, cell: a.number, new: a.new })),
];

impl Op {
    /// Every three bytes are an operation.
    pub fn decode([kind, place, number]: [u8; 3]) -> Self {
        let args = Args {
            slot: usize::from(place % 8),
            guard: usize::from(place / 8),
            number: number.into(),
            new: match number / 16 % 8 {
                0 => New::Null,
                1..=4 => New::Boxed,
                5..=6 => New::Pooled(0),
                _ => New::Pooled(1),
            },
        };
        let total: usize = TABLE.iter().map(|(weight, _)| weight).sum();
        let mut chosen = usize::from(kind) % total;
        for (weight, make) in TABLE {
            if chosen < *weight {
                return make(args);
            }
            chosen -= weight;
        }
        unreachable!("`chosen` is below the sum of the weights")
    }
}
