//! Bad inputs and faults that no other file tests. The table is in `SAFETY.md`,
//! and the last test here checks it.

#![cfg(not(hyaline_loom))]

#[path = "common/counted.rs"]
mod counted;
#[macro_use]
#[path = "common/schemes.rs"]
mod schemes;

use std::{
    fs, mem, panic, ptr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use counted::{Counted, count};
use hyaline::{
    AsLink, Basic, Collector, Config, Handle, Link, Linked, Pool, Robust, Role, Scheme, reclaim,
};

/// Makes a value an object and retires it under a guard.
fn retire_one<T, S: Scheme, R: Role>(handle: &Handle<'_, S, R>, value: T) {
    let guard = handle.enter();
    let object = Box::into_raw(Box::new(handle.link(value)));
    // SAFETY: never shared.
    unsafe { guard.defer_retire(object, reclaim::boxed::<Linked<T>>) };
}

schemes! {
    [
        basic: Basic = Config::new().batch::<4>();
        robust: Robust = Config::new().batch::<4>().era_step::<1>();
    ]

    // One thread, two slots: each is an independent reader.
    a_thread_may_register_twice<2>(collector) {
        let drops = AtomicUsize::new(0);
        let (one, two) = (collector.register().unwrap(), collector.register().unwrap());
        assert_ne!(one.slot(), two.slot());
        // Made before the other's section, which may hold it in both schemes.
        let object = Box::into_raw(Box::new(one.link(Counted(&drops))));
        let guard = two.enter();
        // SAFETY: never shared.
        unsafe { one.retire(object, reclaim::boxed::<Linked<Counted<'_>>>) };
        one.flush();
        assert_eq!(count(&drops), 0, "the other handle's guard counts");
        drop(guard);
        one.flush();
        assert_eq!(count(&drops), 1);
    }

    // Its slot is pinned until it is evicted. The others continue to retire,
    // and what the slot may hold stays.
    a_forgotten_guard_pins_and_no_more<3>(collector) {
        let (drops, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (forgetful, other) = (collector.register().unwrap(), collector.register().unwrap());
        retire_one(&other, Counted(&drops));
        other.flush();
        assert_eq!(count(&drops), 1);
        // Made before the section, which may hold it in both schemes.
        let object = Box::into_raw(Box::new(other.link(Counted(&held))));
        mem::forget(forgetful.enter());
        let id = forgetful.id();
        drop(forgetful);
        // SAFETY: never shared.
        unsafe { other.retire(object, reclaim::boxed::<Linked<Counted<'_>>>) };
        for _ in 0..20 {
            retire_one(&other, Counted(&drops));
        }
        other.flush();
        assert_eq!(count(&held), 0);
        assert_eq!(other.slot(), 1);
        let third = collector.register().unwrap();
        assert_eq!(third.slot(), 2, "the slot stays claimed");
        // SAFETY: the guard is forgotten, and nobody uses it.
        unsafe { collector.evict(id) }.unwrap();
        other.flush();
        assert_eq!((count(&held), count(&drops)), (1, 21));
    }

    an_object_of_size_zero<2>(collector) {
        struct Nothing;
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        impl Drop for Nothing {
            fn drop(&mut self) {
                DROPS.fetch_add(1, Ordering::SeqCst);
            }
        }
        let handle = collector.register().unwrap();
        let pool = Pool::<Nothing, 2>::new();
        // The other scheme's test may run at the same time.
        let before = count(&DROPS);
        retire_one(&handle, Nothing);
        let pooled = pool.alloc(&handle, Nothing).unwrap_or_else(|_| unreachable!());
        // SAFETY: never shared, and the pool is dropped after the flush.
        unsafe { handle.retire(pooled, reclaim::pooled::<Nothing>) };
        handle.flush();
        assert!(count(&DROPS) >= before + 2);
        assert_eq!(pool.available(), 2);
    }

    an_object_of_a_page<2>(collector) {
        #[repr(align(4096))]
        struct Page<'a>([u8; 4096], Counted<'a>);
        let drops = AtomicUsize::new(0);
        let pool = Box::new(Pool::<Page<'_>, 2>::new());
        {
            let handle = collector.register().unwrap();
            retire_one(&handle, Page([1; 4096], Counted(&drops)));
            let page = pool.alloc(&handle, Page([7; 4096], Counted(&drops)));
            let page = page.unwrap_or_else(|_| unreachable!());
            // SAFETY: the object is exclusively ours.
            let value: &Page<'_> = unsafe { &*page };
            assert_eq!(ptr::from_ref(value).addr() % 4096, 0);
            assert_eq!((value.0[0], value.0[4095], count(value.1.0)), (7, 7, 0));
            // SAFETY: never shared, and the pool is dropped last.
            unsafe { handle.retire(page, reclaim::pooled::<Page<'_>>) };
            handle.flush();
        }
        assert_eq!(count(&drops), 2);
        assert_eq!(pool.available(), 2);
        drop(collector);
    }

    // Its reclaimer finds the length in the object.
    an_object_of_dynamic_size<2>(collector) {
        #[repr(C)]
        struct Packet<B: ?Sized = [u8]> {
            link: Link,
            drops: *const AtomicUsize,
            len: usize,
            bytes: B,
        }
        // SAFETY: `repr(C)`, and the link comes first.
        unsafe impl AsLink for Packet {}
        unsafe fn reclaim(link: *mut Link) {
            // SAFETY: only packets are retired with this reclaimer.
            let packet = unsafe {
                let len = (*link.cast::<Packet<[u8; 0]>>()).len;
                let packet = ptr::slice_from_raw_parts_mut(link.cast::<u8>(), len);
                Box::from_raw(packet as *mut Packet)
            };
            assert!(packet.bytes.iter().all(|byte| *byte == 7));
            // SAFETY: the counter belongs to the test and outlives the packet.
            unsafe { &*packet.drops }.fetch_add(packet.bytes.len(), Ordering::SeqCst);
        }
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let (link, drops_of) = (Link::new, ptr::from_ref(&drops));
        let packets: [Box<Packet>; 2] = [
            Box::new(Packet { link: link(), drops: drops_of, len: 3, bytes: [7; 3] }),
            Box::new(Packet { link: link(), drops: drops_of, len: 1000, bytes: [7; 1000] }),
        ];
        for packet in packets {
            // SAFETY: never shared.
            unsafe { handle.retire(Box::into_raw(packet), reclaim) };
        }
        handle.flush();
        assert_eq!(count(&drops), 1003);
    }

    one_slot_is_enough<1>(collector) {
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let guard = handle.enter();
        for _ in 0..10 {
            retire_one(&handle, Counted(&drops));
        }
        assert!(handle.synchronize(|| ()).is_err());
        drop(guard);
        assert!(handle.synchronize(|| ()).is_ok());
        handle.flush();
        assert_eq!(count(&drops), 10);
    }

    // Each object waits for one slot after another.
    a_thousand_slots<1024>(collector) {
        let drops = AtomicUsize::new(0);
        // Miri is slow and runs only a part.
        let claimed = if cfg!(miri) { 12 } else { 1024 };
        let handles: Vec<_> = (0..claimed).map(|_| collector.register().unwrap()).collect();
        assert_eq!(collector.register().is_err(), claimed == 1024);
        let guards: Vec<_> = handles.iter().map(Handle::enter).collect();
        for handle in &handles[..claimed.min(64)] {
            retire_one(handle, Counted(&drops));
            handle.flush();
        }
        assert_eq!(count(&drops), 0);
        drop(guards);
        handles[claimed - 1].flush();
        assert_eq!(count(&drops), claimed.min(64));
    }

    // At any position among idle slots, which are skipped in chunks.
    a_single_reader_is_seen<21>(collector) {
        let drops = AtomicUsize::new(0);
        let handles: Vec<_> = (0..20).map(|_| collector.register().unwrap()).collect();
        let writer = collector.register().unwrap();
        for (done, handle) in handles.iter().enumerate() {
            let object = Box::into_raw(Box::new(writer.link(Counted(&drops))));
            let guard = handle.enter();
            let own = writer.enter();
            // SAFETY: never shared.
            unsafe { own.defer_retire(object, reclaim::boxed::<Linked<Counted<'_>>>) };
            drop(own);
            writer.flush();
            assert_eq!(count(&drops), done, "slot {} is active", handle.slot());
            drop(guard);
            assert_eq!(count(&drops), done + 1, "its leave reclaims");
        }
    }

    // Forgotten guards count. The slot stays pinned, the others continue.
    too_many_guards_are_a_panic<2>(collector) {
        // A 64-bit counter cannot be filled.
        const MOST: usize = if cfg!(all(miri, target_pointer_width = "64")) { 100 } else { 65_535 };
        let forgetful = collector.register().unwrap();
        (0..MOST).for_each(|_| mem::forget(forgetful.enter()));
        assert_eq!(collector.slots().next().unwrap().guards, MOST);
        let one_more = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(forgetful.enter())));
        assert_eq!(one_more.is_err(), cfg!(not(target_pointer_width = "64")));
        assert_eq!(collector.slots().next().unwrap().guards, MOST, "it did not wrap");
        // SAFETY: its guards are forgotten, and nothing was loaded.
        unsafe { collector.evict(forgetful.id()) }.unwrap();
        assert_eq!(collector.register().unwrap().slot(), forgetful.slot());
    }

    // Objects wait for a section that never ends. Others are not published: a
    // deferred handle retired them, and nobody has collected since.
    the_collector_is_dropped_while_objects_wait<4>(collector) {
        let drops = AtomicUsize::new(0);
        let holding = collector.register().unwrap();
        let interrupt = collector.register_deferred().unwrap();
        let objects = [(); 100].map(|()| Box::into_raw(Box::new(interrupt.link(Counted(&drops)))));
        mem::forget(holding.enter());
        for (number, object) in objects.into_iter().enumerate() {
            // SAFETY: never shared.
            unsafe { interrupt.retire(object, reclaim::boxed::<Linked<Counted<'_>>>) };
            if number == 50 {
                assert_eq!(collector.register().unwrap().collect(), 0, "the section holds them");
            }
        }
        drop(interrupt);
        mem::forget(holding);
        assert_eq!(count(&drops), 0);
        assert_eq!(collector.stats().pending(), 100);
        drop(collector);
        assert_eq!(count(&drops), 100);
    }

    // A thread panics in its section. Unwinding drops its guard and handle, and
    // nothing remains.
    a_panic_in_a_section<2>(collector) {
        let drops = AtomicUsize::new(0);
        let result = thread::scope(|scope| {
            scope.spawn(|| {
                let handle = collector.register().unwrap();
                let _guard = handle.enter();
                retire_one(&handle, Counted(&drops));
                panic!("in a section");
            }).join()
        });
        assert!(result.is_err());
        collector.register().unwrap().flush();
        assert_eq!(count(&drops), 1);
        assert!(collector.slots().all(|slot| slot.owner.is_none()));
    }
}

/// `SAFETY.md` names each unsafe item of the public interface, and the tests
/// that it names exist.
#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn safety_md_is_complete() {
    let page = fs::read_to_string("SAFETY.md").unwrap();
    let mut sources = Vec::new();
    collect("src".as_ref(), &mut sources);
    // Nothing there can be named from outside.
    sources.retain(|(path, _)| !path.contains("src/raw/"));
    let items: Vec<_> = sources
        .iter()
        .flat_map(|(path, text)| unsafe_items(path, text))
        .collect();
    assert!(items.len() > 15, "the search found {items:?}");
    for item in items {
        assert!(
            page.contains(&format!("`{item}`")),
            "SAFETY.md lacks the unsafe item `{item}`"
        );
    }

    let (_, faults) = page.split_once("## Bad inputs").unwrap();
    let mut tests = 0;
    for named in faults.split('`').filter(|part| part.contains("::")) {
        let (file, test) = named.split_once("::").unwrap();
        tests += 1;
        let text = fs::read_to_string(format!("tests/{file}.rs"))
            .unwrap_or_else(|error| panic!("SAFETY.md names `{named}`: {error}"));
        let last = test.rsplit("::").next().unwrap_or(test);
        assert!(
            text.contains(&format!("{last}(")) || text.contains(&format!("{last}<")),
            "SAFETY.md names `{named}`, which is not in tests/{file}.rs"
        );
    }
    assert!(tests > 15, "the search for tests found {tests}");
}

/// The public unsafe items of a file, named as on the page: methods of a type,
/// methods of a trait, free functions, and traits.
fn unsafe_items(path: &str, text: &str) -> Vec<String> {
    let layer = if path.contains("src/safe/") {
        "safe::"
    } else {
        ""
    };
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let (mut found, mut block) = (Vec::new(), None);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("pub unsafe trait ") {
            found.push(name(rest));
        } else if let Some(rest) = line.strip_prefix("pub trait ") {
            block = Some((name(rest), true));
        } else if line.starts_with("impl") {
            // The type follows the parameters and the trait.
            let mut depth = 0;
            let outside = line
                .trim_start_matches("impl")
                .replace("->", "")
                .chars()
                .fold(String::new(), |mut text, c| {
                    depth += i32::from(c == '<');
                    if depth == 0 {
                        text.push(c);
                    }
                    depth -= i32::from(c == '>');
                    text
                });
            let of = outside.rsplit(" for ").next().unwrap_or_default();
            block = Some((name(of.trim()), false));
        } else if line == "}" {
            block = None;
        }
        let item = line.trim_start();
        let function = ["pub unsafe fn ", "pub const unsafe fn "]
            .iter()
            .find_map(|start| item.strip_prefix(start));
        match (&block, function, item.strip_prefix("unsafe fn ")) {
            (Some((of, _)), Some(rest), _) => found.push(format!("{layer}{of}::{}", name(rest))),
            (Some((of, true)), _, Some(rest)) => found.push(format!("{of}::{}", name(rest))),
            (None, Some(rest), _) => found.push(format!("reclaim::{}", name(rest))),
            _ => {}
        }
    }
    found
}

/// The files of a folder: path and text.
fn collect(folder: &std::path::Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            into.push((path.to_string_lossy().into_owned(), text));
        }
    }
}
