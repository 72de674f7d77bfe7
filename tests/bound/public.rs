//! Every public call of the core is among the search's operations, or has a reason why
//! it is not.

use super::{search::ANY, world::Op};

/// A call by its type and name, and the operation that makes it.
#[rustfmt::skip] // a table
const SEARCHED: &[(&str, Op)] = &[
    ("CollectorView::register", Op::Register),
    ("CollectorView::register_deferred", Op::Register),
    ("CollectorView::register_per_cpu", Op::Register),
    ("CollectorView::evict", Op::Evict),
    ("CollectorView::with_unprotected", Op::Unprotected),
    ("Guard::compare_exchange", Op::Exchange),
    ("Guard::compare_exchange_weak", Op::Weak),
    ("Guard::defer_retire", Op::Retire),
    ("Guard::drop", Op::Leave),
    ("Guard::handle", Op::Unprotected),
    ("Guard::protect", Op::Protect),
    ("Guard::protect_own", Op::Retire),
    ("Guard::refresh", Op::Refresh),
    ("Guard::swap", Op::Swap),
    ("Handle::as_eager", Op::Register),
    ("Handle::collect", Op::Collect),
    ("Handle::collect_at_most", Op::CollectAtMost),
    ("Handle::drop", Op::Register),
    ("Handle::enter", Op::Enter),
    ("Handle::enter_owned", Op::Own),
    ("Handle::erase", Op::Register),
    ("Handle::flush", Op::Flush),
    ("Handle::limit_reclaims", Op::Limit),
    ("Handle::link", Op::Make),
    ("Handle::retire", Op::RetireNow),
    ("Handle::start_grace_period", Op::Synchronize),
    ("Handle::synchronize", Op::Synchronize),
    ("OwnedGuard::leave", Op::Own),
    ("OwnedGuard::protect", Op::Own),
    ("PerCpu::get", Op::Enter),
    ("Pool::alloc", Op::Starve),
    ("Pool::free", Op::Block),
    ("Token::poll", Op::Synchronize),
];

const SAME: &str = "it makes another call of this table";
const READS: &str = "it changes nothing";
const MAKES: &str = "it makes a collector, a pool, a callback or an error";

/// A call, and why the search does not make it.
#[rustfmt::skip] // a table
const LEFT_OUT: &[(&str, &str)] = &[
    ("Callback::call_later", "a callback has no birth era, and the bound does not cover it"),
    ("CollectorView::request_restart", "it asks, and the reader's calls are the same"),
    ("Guard::restart_requested", "the same"),
    ("OwnedGuard::restart_requested", "the same"),
    ("Handle::leave_unchecked", "a drop of a guard"),
    ("Handle::make_guard_unchecked", "a guard that was forgotten"),
    ("Handle::stamp", "a `link` without a value"),
    ("Handle::synchronize_with", SAME),
    ("Token::wait", SAME),
    ("Token::wait_with", SAME),
    ("OwnedGuard::drop", "a leave, and a drop of a handle"),
    ("OwnedGuard::guard", "a nested guard, as of a second enter"),
    ("OwnedGuard::handle", "the handle's calls are the same"),
    ("OwnedGuard::refresh", "a refresh of a guard"),
    ("PerCpu::erase", "a passive handle, as others"),
    ("Pool::retire", "`Handle::retire`, with a plain object if the value needs no drop"),
    ("Pool::defer_retire", "`Guard::defer_retire`, the same"),
    ("CollectorView::drop", "nothing is used afterwards"),
    ("Collector::drop", "the same"),
    ("Callback::new", MAKES), ("Callback::default", MAKES),
    ("Collector::new", MAKES), ("Collector::default", MAKES), ("Collector::with_config", MAKES),
    ("CollectorView::boxed", MAKES), ("CollectorView::in_place", MAKES),
    ("CollectorView::layout", MAKES),
    ("Pool::new", MAKES), ("Pool::default", MAKES), ("Pool::boxed", MAKES), ("Pool::in_place", MAKES),
    ("Collector::capacity", READS), ("Collector::deref", READS),
    ("CollectorView::capacity", READS), ("CollectorView::oldest", READS),
    ("CollectorView::slots", READS), ("CollectorView::stats", READS),
    ("Guard::belongs_to", READS), ("Guard::collector", READS), ("Guard::slot", READS),
    ("Handle::belongs_to", READS), ("Handle::collector", READS), ("Handle::id", READS),
    ("Handle::is_evicted", READS), ("Handle::slot", READS),
    ("OwnedGuard::slot", READS), ("PerCpu::id", READS), ("PerCpu::slot", READS),
    ("Pool::available", READS), ("Pool::capacity", READS), ("Token::clone", READS),
];

/// The types whose calls these are.
const TYPES: [&str; 9] = [
    "Callback",
    "Collector",
    "CollectorView",
    "Guard",
    "Handle",
    "OwnedGuard",
    "PerCpu",
    "Pool",
    "Token",
];

#[test]
fn every_public_call_is_listed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/xtask/public-api.txt");
    // Not in the crate's archive.
    let Ok(api) = std::fs::read_to_string(path) else {
        return;
    };
    let mut there: Vec<String> = api.lines().filter_map(call).collect();
    there.sort();
    there.dedup();
    assert!(SEARCHED.iter().all(|(_, op)| ANY.contains(op)));
    assert!(there.len() > 80, "the list has another form now");
    let searched = SEARCHED.iter().map(|(name, _)| *name);
    let mut listed: Vec<&str> = searched
        .chain(LEFT_OUT.iter().map(|(name, _)| *name))
        .collect();
    listed.sort_unstable();
    assert_eq!(
        there, listed,
        "the left has all public calls, the right those of the tables"
    );
}

/// The type and name of a call of the core, from a line of the list.
fn call(line: &str) -> Option<String> {
    let line = line
        .strip_prefix("pub ")?
        .replace("const ", "")
        .replace("unsafe ", "");
    let path = line.strip_prefix("fn hyaline::")?;
    // The parameters may contain `::`, in `<...>` of their own.
    let mut depth = 0;
    let plain = |c: &char| {
        depth += i32::from(*c == '<') - i32::from(*c == '>');
        depth == 0 && *c != '>'
    };
    let path: String = path.chars().filter(plain).collect();
    let (holder, rest) = path.split_once("::")?;
    let name = rest.split('(').next()?;
    let prints = ["fmt", "format"].contains(&name);
    (TYPES.contains(&holder) && !prints).then(|| format!("{holder}::{name}"))
}
