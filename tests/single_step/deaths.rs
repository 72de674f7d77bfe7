//! A task that dies at each instruction of the calls in which `evict` allows it:
//! `enter`, `protect` and its siblings, and the leave of a handle that does not
//! reclaim. What it leaves behind is reclaimed, nothing that another task holds
//! is, and its slot is used again.

use std::{
    cell::{Cell, RefCell},
    env,
    mem::ManuallyDrop,
    ptr::{dangling_mut, null_mut},
    sync::atomic::Ordering::*,
};

use hyaline::{
    AtomicPtr, Collector, Config, Deferred, Eager, Guard, Handle, Link, Linked, Nested,
    NotTheOwner, Pool, Robust, Role, Scheme,
};

use super::{random::Random, trap::mortal};

/// Instructions that a plain run steps for each operation.
const STEPS: u64 = 8_000;
/// When the writer acts, besides after the death; with and without a section
/// around the operation.
const VARIANTS: u64 = 8;

/// Counts how often it was reclaimed.
type Object = Linked<Cell<u32>>;

/// The object belongs to its maker.
unsafe fn count(link: *mut Link) {
    // SAFETY: all objects here are of this type, and outlive the collector.
    let times = unsafe { &**Link::cast::<Object>(link) };
    times.set(times.get() + 1);
}

/// What the dying task uses.
struct Shared {
    first: AtomicPtr<Object>,
    second: AtomicPtr<Object>,
    /// Made for `second`.
    new: *mut Object,
    /// What the task has found and holds.
    found: Cell<*mut Object>,
}

/// A call in which a task may die, with a guard that is open.
type Operation<S, R> = fn(&Handle<'_, S, R>, Guard<'_, S, R>, &Shared);

fn enters<S: Scheme, R: Role>(handle: &Handle<'_, S, R>, guard: Guard<'_, S, R>, _: &Shared) {
    let _guards = ManuallyDrop::new((guard, handle.enter()));
}

fn reenters<S: Scheme, R: Role>(handle: &Handle<'_, S, R>, guard: Guard<'_, S, R>, _: &Shared) {
    drop(guard);
    let _guard = ManuallyDrop::new(handle.enter());
}

fn protects<S: Scheme, R: Role>(_: &Handle<'_, S, R>, guard: Guard<'_, S, R>, s: &Shared) {
    let guard = ManuallyDrop::new(guard);
    s.found.set(guard.protect(&s.first, Acquire));
    // SAFETY: not published.
    unsafe { guard.protect_own(s.new) };
}

fn swaps<S: Scheme, R: Role>(_: &Handle<'_, S, R>, guard: Guard<'_, S, R>, s: &Shared) {
    let guard = ManuallyDrop::new(guard);
    s.found.set(guard.swap(&s.second, s.new, AcqRel));
}

fn exchanges<S: Scheme, R: Role>(_: &Handle<'_, S, R>, guard: Guard<'_, S, R>, s: &Shared) {
    let guard = ManuallyDrop::new(guard);
    let mut seen = dangling_mut();
    while let Err(found) = guard.compare_exchange_weak(&s.second, seen, s.new, AcqRel, Acquire) {
        s.found.set(found);
        seen = found;
    }
    let failed = guard.compare_exchange(&s.first, dangling_mut(), null_mut(), AcqRel, Acquire);
    s.found.set(failed.unwrap_or_else(|found| found));
}

fn leaves<S: Scheme, R: Role>(_: &Handle<'_, S, R>, guard: Guard<'_, S, R>, s: &Shared) {
    s.found.set(null_mut());
    drop(guard);
}

/// Lends the handle of the task that dies.
type Lend<S, R> = fn(&Collector<3, S>, &mut dyn FnMut(&Handle<'_, S, R>));

fn eager<S: Scheme>(collector: &Collector<3, S>, f: &mut dyn FnMut(&Handle<'_, S, Eager>)) {
    f(&collector.register().unwrap());
}

fn deferred<S: Scheme>(collector: &Collector<3, S>, f: &mut dyn FnMut(&Handle<'_, S, Deferred>)) {
    f(&collector.register_deferred().unwrap());
}

fn per_cpu<S: Scheme>(collector: &Collector<3, S>, f: &mut dyn FnMut(&Handle<'_, S, Nested>)) {
    let cpu = collector.register_per_cpu().unwrap();
    // SAFETY: one thread, and contexts that nest strictly.
    f(unsafe { cpu.get() });
}

/// All objects of a run.
#[derive(Default)]
struct Objects(RefCell<Vec<*mut Object>>);

impl Objects {
    fn make<S: Scheme, R: Role>(&self, handle: &Handle<'_, S, R>) -> *mut Object {
        let object = Box::into_raw(Box::new(handle.link(Cell::new(0))));
        self.0.borrow_mut().push(object);
        object
    }

    /// How often each was reclaimed.
    fn counts(&self) -> Vec<u32> {
        let objects = self.0.borrow();
        // SAFETY: freed at the end.
        objects
            .iter()
            .map(|object| unsafe { (**object).get() })
            .collect()
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        for object in self.0.take() {
            // SAFETY: it came from a `Box`, and the collector is gone.
            drop(unsafe { Box::from_raw(object) });
        }
    }
}

/// Whether the object was reclaimed.
fn is_reclaimed(object: *mut Object) -> bool {
    // SAFETY: the objects stay until the end of the run.
    !object.is_null() && unsafe { (*object).get() } > 0
}

/// A run in which the task dies after `at` instructions. Returns the length of
/// the operation if it is shorter.
fn run<S: Scheme, R: Role>(
    collector: &Collector<3, S>,
    objects: &Objects,
    lend: Lend<S, R>,
    operation: Option<Operation<S, R>>,
    variant: u64,
    at: u64,
) -> Option<u64> {
    let pool = Pool::<u32, 4>::new();
    let mut length = None;
    let (writer, reader) = (collector.register().unwrap(), collector.register().unwrap());
    lend(collector, &mut |dead| {
        let make = || objects.make(&writer);
        let retire = |object: *mut Object| {
            if !object.is_null() {
                // SAFETY: the caller has unlinked it.
                unsafe { writer.retire(object, count) };
            }
        };
        let shared = Shared {
            first: AtomicPtr::new(make()),
            second: AtomicPtr::new(make()),
            new: make(),
            found: Cell::new(null_mut()),
        };
        let second = shared.second.load(Relaxed);
        // It has retired, and has used a pool.
        let pooled = pool.alloc(dead, 7).unwrap();
        // SAFETY: never shared.
        unsafe {
            dead.enter().defer_retire(objects.make(dead), count);
            pool.retire(dead, pooled);
        }
        // Something waits for its sections, and another task has one.
        let outer = (variant % 2 == 0).then(|| ManuallyDrop::new(dead.enter()));
        // To enter first is to be without.
        let guard = operation.map(|_| dead.enter());
        let guard = Cell::new(guard);
        retire(make());
        writer.collect();
        let held = reader.enter();
        let holds = held.protect(&shared.first, Acquire);
        let mut token = writer.start_grace_period();

        let acts = || {
            retire(shared.first.swap(objects.make(&writer), AcqRel));
            writer.collect();
        };
        let when = match variant / 2 {
            0 => 0,
            1 => at - 1,
            2 => at / 2,
            _ => u64::MAX,
        };
        if when == 0 {
            acts();
        }
        let is_left = Cell::new(0 < when && when < at);
        let interrupt = || {
            is_left.take().then(|| {
                acts();
                at - when
            })
        };
        let first = if is_left.get() { when } else { at };
        length = mortal(first, &interrupt, &|| match operation {
            Some(operation) => operation(dead, guard.take().unwrap(), &shared),
            None => _ = ManuallyDrop::new(dead.enter()),
        });
        acts();
        assert!(!is_reclaimed(shared.found.get()), "held, and not evicted");
        assert!(!is_reclaimed(holds), "held by another task");

        let id = dead.id();
        // SAFETY: it has stopped in a call that may be left, or between two. Its
        // guards are not used again.
        let evicted = unsafe { [collector.evict(id), collector.evict(id)] };
        assert_eq!(evicted, [Ok(()), Err(NotTheOwner)]);
        assert!(dead.is_evicted());
        let _ = ManuallyDrop::new((outer, guard.take()));
        writer.collect();
        assert!(
            !is_reclaimed(holds),
            "held by another task, after the eviction"
        );

        let next = collector.register().expect("the slot is free");
        assert_eq!(next.slot(), dead.slot());
        let guard = next.enter();
        let found = guard.swap(&shared.first, objects.make(&next), AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_retire(found, count) };
        assert!(!is_reclaimed(found), "held by the slot's next task");
        drop((guard, held));

        retire(shared.first.swap(null_mut(), AcqRel));
        // What the dead task has unlinked, or has not published.
        for object in [second, shared.new] {
            if shared.second.load(Relaxed) != object {
                retire(object);
            }
        }
        retire(shared.second.swap(null_mut(), AcqRel));
        assert!(token.poll(&writer), "no section is left");
        writer.collect();
        let pending = collector.stats().pending();
        let counts = objects.counts();
        assert!(pending == 0, "{pending} objects are pending: {counts:?}");
        assert!(counts.iter().all(|times| *times == 1), "{counts:?}");
        assert_eq!(pool.available(), 4);
    });
    // The dead task's handle is dropped: the slot is not released again.
    let slots = collector.slots().filter(|slot| slot.owner.is_some());
    assert_eq!(slots.count(), 2);
    length
}

fn deaths<S: Scheme, R: Role>(
    collector: fn() -> Collector<3, S>,
    lend: Lend<S, R>,
    operation: Option<Operation<S, R>>,
) {
    let all = env::var("HYALINE_SINGLE_STEP").is_ok_and(|amount| amount == "all");
    let once = |variant, at| {
        let objects = Objects::default();
        run(&collector(), &objects, lend, operation, variant, at)
    };
    if all {
        for variant in 0..VARIANTS {
            let length = (1..).find_map(|at| once(variant, at));
            assert!(length > Some(5), "the task never died");
        }
        return;
    }
    let length = once(0, u64::MAX).expect("an operation ends");
    let (mut random, mut steps) = (Random(length), 0);
    while steps < STEPS {
        let at = 1 + random.below(length as usize) as u64;
        once(random.below(VARIANTS as usize) as u64, at);
        steps += at;
    }
}

/// Each operation (none: to enter) in each scheme, with the handles that may die in it.
macro_rules! operations {
    ($($name:ident = $operation:expr, $($lend:ident)*;)*) => {$(
        mod $name {
            use super::*;

            $(
                #[test]
                fn $lend() {
                    const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
                    let basic: fn() -> Collector<3> = || Collector::with_config(CONFIG);
                    deaths(basic, super::$lend, $operation);
                    let robust: fn() -> Collector<3, Robust> = || Collector::with_config(CONFIG);
                    deaths(robust, super::$lend, $operation);
                }
            )*
        }
    )*};
}

operations! {
    enters_first = None, eager deferred per_cpu;
    enters = Some(super::enters), eager deferred per_cpu;
    protects = Some(super::protects), eager deferred per_cpu;
    swaps = Some(super::swaps), eager deferred per_cpu;
    exchanges = Some(super::exchanges), eager deferred per_cpu;
    // The leave of an eager handle reclaims.
    leaves = Some(super::leaves), deferred per_cpu;
    reenters = Some(super::reenters), deferred per_cpu;
}
