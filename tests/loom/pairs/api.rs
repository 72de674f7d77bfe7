//! No operation of the crate is missing among the pairs: each public method of
//! the core is called there, or a reason is given.

/// The source of the operations, without spaces.
fn operations() -> String {
    let files = [
        include_str!("../main.rs"),
        include_str!("../operations.rs"),
        include_str!("../pairs.rs"),
    ];
    files.concat().split_whitespace().collect()
}

/// The types that have operations, and what the operations call a value of each.
const OPERATED: [(&str, &str); 8] = [
    ("Callback", "callback"),
    ("CollectorView", "collector"),
    ("Guard", "guard"),
    ("Handle", "handle"),
    ("OwnedGuard", "owned"),
    ("PerCpu", "cpu"),
    ("Pool", "pool"),
    ("Token", "token"),
];

/// What is not called in a pair, and why.
const NOT_CALLED: [(&str, &str); 43] = [
    ("Callback::new", ALONE),
    ("Collector::capacity", CONSTANT),
    ("Collector::new", ALONE),
    ("Collector::with_config", ALONE),
    ("CollectorView::boxed", ALONE),
    ("CollectorView::capacity", CONSTANT),
    ("CollectorView::in_place", ALONE),
    ("CollectorView::layout", CONSTANT),
    ("CollectorView::stats", "statistics are not loom's"),
    ("CollectorView::with_unprotected", "the caller is alone"),
    ("Config::*", VALUE),
    ("Guard::belongs_to", CONSTANT),
    ("Guard::collector", CONSTANT),
    ("Guard::handle", CONSTANT),
    ("Guard::slot", CONSTANT),
    ("Handle::as_eager", CONSTANT),
    ("Handle::belongs_to", CONSTANT),
    ("Handle::collector", CONSTANT),
    ("Handle::erase", "the role's code, chosen at run time"),
    ("Handle::leave_unchecked", "the drop of a guard"),
    ("Handle::make_guard_unchecked", "accesses nothing"),
    ("Handle::slot", CONSTANT),
    ("Handle::stamp", "a part of `link`"),
    ("Handle::synchronize_with", "`synchronize`"),
    ("HandleId::*", VALUE),
    ("Link::*", VALUE),
    ("Linked::*", VALUE),
    ("Membarrier::*", "the kernel takes part"),
    ("OwnedGuard::handle", CONSTANT),
    ("OwnedGuard::slot", CONSTANT),
    ("PerCpu::erase", "the role's code, chosen at run time"),
    ("PerCpu::id", CONSTANT),
    ("PerCpu::slot", CONSTANT),
    ("Pool::capacity", CONSTANT),
    ("Pool::new", ALONE),
    ("Pool::boxed", ALONE),
    ("Pool::in_place", ALONE),
    ("PoolExhausted::*", VALUE),
    ("SingleCore::new", "no other core"),
    ("SlotsExhausted::*", VALUE),
    ("Stats::*", VALUE),
    ("Token::wait", "a part of `synchronize`"),
    ("Token::wait_with", "a part of `synchronize`"),
];
const ALONE: &str = "nothing else can see it yet";
const CONSTANT: &str = "reads what does not change";
const VALUE: &str = "shares nothing";

/// The methods of the crate's own types, without those of traits, as
/// `Type::method`.
fn methods() -> Vec<String> {
    let (mut methods, mut of_trait) = (Vec::new(), false);
    for line in include_str!("../../../xtask/public-api.txt").lines() {
        if line.starts_with("impl") {
            of_trait = line.contains(" for ");
        }
        let Some((_, path)) = line.split_once("fn hyaline::") else {
            continue;
        };
        let (path, _) = path.split_once('(').unwrap();
        // Of `Type<A, B>::method<T: x::Y>`, the two names.
        let mut depth = 0;
        let plain: String = path
            .chars()
            .filter(|c| {
                depth += i32::from(*c == '<');
                let outside = depth == 0;
                depth -= i32::from(*c == '>');
                outside
            })
            .collect();
        let is_type = plain.starts_with(char::is_uppercase);
        if is_type && !of_trait && !plain.contains("Error") {
            methods.push(plain);
        }
    }
    methods
}

/// Whether an operation calls the method.
fn is_called(operations: &str, method: &str) -> bool {
    let (of, name) = method.split_once("::").unwrap();
    let value = OPERATED.iter().find(|(operated, _)| *operated == of);
    value.is_some_and(|(_, value)| operations.contains(&format!("{value}.{name}(")))
}

fn reason(method: &str) -> Option<usize> {
    let all = format!("{}::*", method.split_once("::").unwrap().0);
    NOT_CALLED
        .iter()
        .position(|(name, _)| *name == method || *name == all)
}

#[test]
fn no_operation_is_missing() {
    let (operations, methods) = (operations(), methods());
    assert!(methods.len() > 80, "the list is read: {methods:?}");
    let missing: Vec<_> = methods
        .iter()
        .filter(|method| !is_called(&operations, method) && reason(method).is_none())
        .collect();
    assert!(
        missing.is_empty(),
        "not in a pair; add them to `operations.rs`, or a reason here: {missing:?}"
    );
}

#[test]
fn no_reason_is_needless() {
    let (operations, methods) = (operations(), methods());
    let needed: Vec<_> = methods
        .iter()
        .filter(|method| !is_called(&operations, method))
        .filter_map(|method| reason(method))
        .collect();
    for (index, (name, _)) in NOT_CALLED.iter().enumerate() {
        assert!(needed.contains(&index), "{name} is called, or is gone");
    }
}
