//! Iteration over stacks and queues, and calls that return what they put.

use super::*;

schemes! {
    // An iterator is at a node while it and the one below are popped, and a
    // block comes back.
    stack_walk_against_pops<2, 1> {
        let stack = Leaked::new(Stack::<u32, 2, D>::new());
        let shared = stack.0;
        let (one, two) = (D::register().unwrap(), D::register().unwrap());
        for n in 1..=2 {
            assert!(shared.push(&one, n).is_ok());
        }
        let walking = thread::spawn(move || {
            let guard = two.enter();
            let seen: Vec<_> = shared.iter(&guard).collect();
            assert!(
                matches!(seen[..], [] | [1] | [2] | [3] | [2, 1] | [3, 1]),
                "{seen:?}"
            );
            drop(guard);
            two
        });
        assert_eq!([shared.pop(&one), shared.pop(&one)], [Some(2), Some(1)]);
        // There may be no free block.
        let _ = shared.push(&one, 3);
        drop(one);
        join([walking]);
        stack.close();
    }

    // An iterator is at a node while that and its successor, which is younger,
    // are popped, and the successor's block is reclaimed.
    queue_walk_against_pops<2, 1> {
        let queue = Leaked::new(Queue::<u32, 4, D>::new());
        let clock = Leaked::new(Stack::<u32, 2, D>::new());
        let shared = queue.0;
        let (one, two) = (D::register().unwrap(), D::register().unwrap());
        assert!(shared.push(&one, 1).is_ok());
        let walking = thread::spawn(move || {
            let guard = two.enter();
            let seen: Vec<_> = shared.iter(&guard).collect();
            // In order, and without a gap, wherever it began.
            assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seen:?}");
            assert!(seen.iter().all(|n| (1..=5).contains(n)), "{seen:?}");
            drop(guard);
            two
        });
        // What is pushed from here on has a later era.
        assert!(clock.0.push(&one, 0).is_ok() && clock.0.pop(&one).is_some());
        for n in 2..=3 {
            assert!(shared.push(&one, n).is_ok());
            assert_eq!(shared.pop(&one), Some(n - 1));
        }
        assert_eq!(shared.pop(&one), Some(3));
        // The second one is put into the block of the successor.
        let _ = shared.push(&one, 4).is_ok() && shared.push(&one, 5).is_ok();
        drop(one);
        join([walking]);
        queue.close();
        clock.close();
    }

    // A count is one that the stack, or the queue, really had.
    counts_against_push_and_pop<2, 1> {
        let stack = Leaked::new(Stack::<u32, 3, D>::new());
        let queue = Leaked::new(Queue::<u32, 4, D>::new());
        let shared = (stack.0, queue.0);
        let (one, two) = (D::register().unwrap(), D::register().unwrap());
        assert!(shared.0.push(&one, 1).is_ok() && shared.1.push(&one, 1).is_ok());
        let counting = thread::spawn(move || {
            assert!((1..=2).contains(&shared.0.len(&two)));
            assert!((1..=2).contains(&shared.1.len(&two)));
            assert!(!shared.1.is_empty(&two));
            two
        });
        assert!(shared.0.push(&one, 2).is_ok() && shared.1.push(&one, 2).is_ok());
        assert_eq!((shared.0.pop(&one), shared.1.pop(&one)), (Some(2), Some(1)));
        drop(one);
        join([counting]);
        stack.close();
        queue.close();
    }

    // Neither of two updates is lost, and each returns what it put.
    map_updates<2, 1> {
        let life = Arc::new(());
        let map = Leaked::new(Map::<u32, _, 1, 4, D>::new());
        let shared = map.0;
        let handles = [D::register().unwrap(), D::register().unwrap()];
        assert!(shared.insert(&handles[0], 1, Tracked::new(0, &life)).is_ok());
        let threads = handles.map(|handle| {
            let life = life.clone();
            thread::spawn(move || {
                let next = |old: &Tracked| Tracked::new(old.get() + 1, &life);
                let put = shared.update(&handle, &1, next).ok().unwrap().unwrap();
                let number = put.get();
                drop(put);
                (handle, number)
            })
        });
        let ended = threads.map(|thread| thread.join().unwrap());
        assert_eq!(ended[0].1 + ended[1].1, 3, "one and two");
        assert_eq!(shared.get(&ended[0].0.enter(), &1).unwrap().get(), 2);
        drop(ended);
        map.close_with(1, &life);
    }

    // Two calls insert one key: both get the same value.
    map_get_or_inserts<2, 1> {
        let life = Arc::new(());
        let map = Leaked::new(Map::<u32, _, 1, 2, D>::new());
        let shared = map.0;
        let mut number = 0;
        let threads = [D::register().unwrap(), D::register().unwrap()].map(|handle| {
            number += 1;
            let value = Tracked::new(number, &life);
            thread::spawn(move || {
                let there = shared.get_or_insert(&handle, 1, value).ok().unwrap();
                let number = there.get();
                drop(there);
                (handle, number)
            })
        });
        let ended = threads.map(|thread| thread.join().unwrap());
        assert_eq!(ended[0].1, ended[1].1);
        drop(ended);
        map.close_with(1, &life);
    }

    // Another thread removes and reclaims what a call put and returns: it is
    // younger than the section of the call.
    map_get_or_insert_against_remove<2, 1> {
        let (life, map, one, two) = start(Map::<u32, _, 1, 2, D>::new());
        let shared = map.0;
        let removing = thread::spawn(move || {
            // Advances the clock.
            shared.remove(&two.enter(), &1);
            two.flush();
            two
        });
        let put = shared.get_or_insert(&one, 1, Tracked::new(1, &life)).ok().unwrap();
        assert_eq!(put.get(), 1);
        drop(put);
        drop(one);
        join([removing]);
        map.close();
        assert_eq!(alive(&life), 0);
    }

    // A version that an update returns is replaced meanwhile.
    cell_update_against_replace<2, 1> {
        let life = Arc::new(());
        let cell = Leaked::new(RcuCell::<_, 3, D>::new(Tracked::new(0, &life)));
        let shared = cell.0;
        let (one, two) = (D::register().unwrap(), D::register().unwrap());
        let copy = life.clone();
        let replacing = thread::spawn(move || {
            let value = Tracked::new(10, &copy);
            drop(copy);
            assert!(shared.replace(&two, value).is_ok());
            two
        });
        let put = shared.update(&one, |old| Tracked::new(old.get() + 1, &life)).ok().unwrap();
        assert!(matches!(put.get(), 1 | 11));
        drop(put);
        drop(one);
        join([replacing]);
        cell.close();
        assert_eq!(alive(&life), 0);
    }
}
