//! Blocks that come back: into the structure they are from, and into another
//! one that shares its pool. A thread stalls with a node loaded while the
//! others bring its block into use again.
//!
//! A block that comes back too early gets a new header, and the stalled thread
//! reads the old one: that is what loom reports.
//!
//! The long models have a lower preemption bound: what the failure needs.

use hyaline::safe::{Guard, SharedPool};

use super::*;

/// A handle whose section is open, for another thread: what is made from now on
/// is younger than the section.
pub struct Inside<D: Domain> {
    guard: Option<Guard<'static, D>>,
    pub handle: &'static Handle<D>,
}

// SAFETY: guard and handle move to the other thread together.
unsafe impl<D: Domain> Send for Inside<D> {}

impl<D: Domain> Inside<D> {
    pub fn new(handle: Handle<D>) -> Self {
        let mut outside = Self::outside(handle);
        outside.guard = Some(outside.handle.enter());
        outside
    }

    /// The same without a section.
    pub fn outside(handle: Handle<D>) -> Self {
        let handle: &'static Handle<D> = Box::leak(Box::new(handle));
        let guard = None;
        Self { guard, handle }
    }

    pub fn leave(self) -> Handle<D> {
        drop(self.guard);
        // SAFETY: it was leaked by `new`, and its guard is dropped.
        *unsafe { Box::from_raw(std::ptr::from_ref(self.handle).cast_mut()) }
    }
}

/// Closes two structures and their pool, to which all blocks came back.
fn close_all<A, B, N>(here: Leaked<A>, there: Leaked<B>, pool: Leaked<Pool<N, 2>>, life: &Arc<()>) {
    here.close();
    there.close();
    assert_eq!(pool.0.available(), 2);
    pool.close();
    assert_eq!(alive(life), 0);
}

schemes! {
    // A pop stalls with the top and the node below loaded. Both nodes are
    // popped, the lower one's block goes into another stack, and the upper
    // one's comes back: the exchange of the pop would then link the other
    // stack's node here.
    reuse_from_stack_to_stack<2, 1> {
        let life = Arc::new(());
        let pool = Leaked::new(Pool::<Node<_>, 2>::new());
        let here = Leaked::new(Stack::<_, 2, D, SharedPool>::in_pool(pool.0));
        let there = Leaked::new(Stack::<_, 2, D, SharedPool>::in_pool(pool.0));
        let (first, other) = (here.0, there.0);
        let (one, two) = (D::register().unwrap(), D::register().unwrap());
        for n in 1..=2 {
            assert!(first.push(&one, Tracked::new(n, &life)).is_ok());
        }
        let popping = thread::spawn(move || {
            let seen = first.pop(&two).map(|value| value.get());
            (two, seen)
        });
        let mut seen = [first.pop(&one), first.pop(&one)].map(|v| v.map(|v| v.get())).to_vec();
        // Refused as long as the other thread may hold the blocks.
        let moved = other.push(&one, Tracked::new(8, &life)).is_ok();
        let pushed = first.push(&one, Tracked::new(3, &life)).is_ok();
        let (two, popped) = popping.join().unwrap();
        seen.push(popped);
        seen.push(first.pop(&two).map(|value| value.get()));
        assert!(first.is_empty());
        assert_eq!(other.pop(&two).map(|value| value.get()), moved.then_some(8));
        assert!(other.is_empty());
        let mut seen: Vec<_> = seen.into_iter().flatten().collect();
        seen.sort_unstable();
        assert_eq!(seen, if pushed { vec![1, 2, 3] } else { vec![1, 2] });
        drop((one, two));
        close_all(here, there, pool, &life);
    }

    // A pop stalls with the dummy loaded. The dummy is popped, and its block
    // goes into a stack.
    reuse_from_queue_to_stack<2, 1> {
        let life = Arc::new(());
        let pool = Leaked::new(Pool::<Node<_>, 2>::new());
        let here = Leaked::new(Queue::<_, 2, D, SharedPool>::in_pool(pool.0));
        let there = Leaked::new(Stack::<_, 2, D, SharedPool>::in_pool(pool.0));
        let (queue, stack) = (here.0, there.0);
        let (one, two) = (D::register().unwrap(), D::register().unwrap());
        assert!(queue.push(&one, Tracked::new(1, &life)).is_ok());
        assert_eq!(queue.pop(&one).unwrap().get(), 1);
        assert!(queue.push(&one, Tracked::new(2, &life)).is_ok());
        let popping = thread::spawn(move || {
            let seen = queue.pop(&two).map(|value| value.get());
            (two, seen)
        });
        let seen = queue.pop(&one).map(|value| value.get());
        let moved = stack.push(&one, Tracked::new(8, &life)).is_ok();
        let (two, popped) = popping.join().unwrap();
        assert_eq!(seen.xor(popped), Some(2));
        assert_eq!(stack.pop(&two).map(|value| value.get()), moved.then_some(8));
        assert!(queue.pop(&two).is_none());
        drop((one, two));
        close_all(here, there, pool, &life);
    }

    // A push stalls before it swings the tail. A pop takes the value, and must
    // not leave the tail at the node that it retires: the push, when it
    // continues, ends the section that held that node back.
    reuse_of_the_last_node<2, 1> {
        let (life, queue, one, two) = start(Queue::<_, 3, D>::new());
        let shared = queue.0;
        assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
        assert_eq!(shared.pop(&one).unwrap().get(), 1);
        let copy = life.clone();
        let pushing = thread::spawn(move || {
            let values = [2, 3].map(|number| Tracked::new(number, &copy));
            drop(copy);
            let pushed = values.map(|value| shared.push(&two, value).is_ok());
            (two, pushed)
        });
        let seen = shared.pop(&one).map(|value| value.get());
        // Only the other thread holds the node back.
        one.flush();
        let mine = shared.push(&one, Tracked::new(4, &life)).is_ok();
        let (two, pushed) = pushing.join().unwrap();
        let rest = std::iter::from_fn(|| shared.pop(&two).map(|value| value.get()));
        let mut seen: Vec<_> = seen.into_iter().chain(rest).collect();
        seen.sort_unstable();
        let all = [(2, pushed[0]), (3, pushed[1]), (4, mine)];
        assert!(seen.into_iter().eq(all.iter().filter(|all| all.1).map(|all| all.0)));
        drop((one, two));
        queue.close();
        assert_eq!(alive(&life), 0);
    }
}

/// Nodes that are younger than the section that meets them: each has to be
/// loaded by `protect`. This matters in robust mode. (For the node after the
/// dummy see `queue_pop_against_reuse`: it has to be younger than the load of
/// the dummy.)
mod younger {
    use super::*;

    // The last node.
    mod tail {
        use super::*;
        schemes!(robust: Robust, 2, 1, {
            let life = Arc::new(());
            let queue = Leaked::new(Queue::<_, 3, D>::new());
            let shared = queue.0;
            let one = D::register().unwrap();
            let two = Inside::new(D::register().unwrap());
            assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
            assert_eq!(shared.pop(&one).unwrap().get(), 1);
            let copy = life.clone();
            let pushing = thread::spawn(move || {
                let value = Tracked::new(9, &copy);
                drop(copy);
                let pushed = shared.push(two.handle, value).is_ok();
                (two.leave(), pushed)
            });
            assert!(shared.push(&one, Tracked::new(2, &life)).is_ok());
            let mut seen = vec![shared.pop(&one).unwrap().get()];
            let pushed = shared.push(&one, Tracked::new(3, &life)).is_ok();
            let (two, other) = pushing.join().unwrap();
            seen.extend(std::iter::from_fn(|| shared.pop(&two).map(|value| value.get())));
            seen.sort_unstable();
            let all = [(2, true), (3, pushed), (9, other)];
            assert!(seen.into_iter().eq(all.iter().filter(|all| all.1).map(|all| all.0)));
            drop((one, two));
            queue.close();
            assert_eq!(alive(&life), 0);
        });
    }

    // The dummy.
    mod head {
        use super::*;
        schemes!(robust: Robust, 2, 1, {
            let life = Arc::new(());
            let queue = Leaked::new(Queue::<_, 2, D>::new());
            let shared = queue.0;
            let one = D::register().unwrap();
            let two = Inside::new(D::register().unwrap());
            assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
            assert_eq!(shared.pop(&one).unwrap().get(), 1);
            assert!(shared.push(&one, Tracked::new(2, &life)).is_ok());
            let popping = thread::spawn(move || {
                let seen = shared.pop(two.handle).map(|value| value.get());
                (two.leave(), seen)
            });
            let seen = shared.pop(&one).map(|value| value.get());
            let pushed = shared.push(&one, Tracked::new(3, &life)).is_ok();
            let (two, popped) = popping.join().unwrap();
            let rest = shared.pop(&two).map(|value| value.get());
            let mut seen: Vec<_> = [seen, popped, rest].into_iter().flatten().collect();
            seen.sort_unstable();
            assert_eq!(seen, if pushed { vec![2, 3] } else { vec![2] });
            drop((one, two));
            queue.close();
            assert_eq!(alive(&life), 0);
        });
    }
}
