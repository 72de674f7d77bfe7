//! The pages in `docs`: which scheme, barrier, role and size to choose, recipes,
//! what each call guarantees, what replaces the calls of other schemes, and the
//! glossary.
//!
//! Compiled for the documentation only. In the repository the links of the pages
//! lead to docs.rs. Here each link is first defined as a path, which takes
//! precedence and which rustdoc checks.

pub mod glossary {
    #![doc = include_str!("../docs/glossary.md")]
}

/// The examples of the README and of `docs/fork.md` are tested.
#[cfg(doctest)]
mod tested {
    #[doc = include_str!("../README.md")]
    mod readme {}

    #[doc = include_str!("../docs/fork.md")]
    mod fork {}
}

pub mod which_one {
    #![doc = include_str!("../docs/which-one.md")]
}

pub mod cookbook {
    #![doc = include_str!("../docs/cookbook.md")]
}

pub mod coming_from {
    //! [`AsLink`]: crate::AsLink
    //! [`AtomicPtr`]: crate::AtomicPtr
    //! [`Basic`]: crate::Basic
    //! [`Callback::call_later`]: crate::Callback::call_later
    //! [`Collector`]: crate::Collector
    //! [`Collector::evict`]: crate::CollectorView::evict
    //! [`Collector::new`]: crate::Collector::new
    //! [`Collector::oldest`]: crate::CollectorView::oldest
    //! [`Collector::register`]: crate::CollectorView::register
    //! [`Collector::register_deferred`]: crate::CollectorView::register_deferred
    //! [`Collector::request_restart`]: crate::CollectorView::request_restart
    //! [`Collector::slots`]: crate::CollectorView::slots
    //! [`Config::batch`]: crate::Config::batch
    //! [`Config::era_step`]: crate::Config::era_step
    //! [`Config::most_pending`]: crate::Config::most_pending
    //! [`Guard`]: crate::Guard
    //! [`Guard::compare_exchange`]: crate::Guard::compare_exchange
    //! [`Guard::compare_exchange_weak`]: crate::Guard::compare_exchange_weak
    //! [`Guard::defer_retire`]: crate::Guard::defer_retire
    //! [`Guard::protect`]: crate::Guard::protect
    //! [`Guard::protect_own`]: crate::Guard::protect_own
    //! [`Guard::refresh`]: crate::Guard::refresh
    //! [`Guard::restart_requested`]: crate::Guard::restart_requested
    //! [`Guard::slot`]: crate::Guard::slot
    //! [`Guard::swap`]: crate::Guard::swap
    //! [`Handle`]: crate::Handle
    //! [`Handle::collect`]: crate::Handle::collect
    //! [`Handle::collect_at_most`]: crate::Handle::collect_at_most
    //! [`Handle::enter`]: crate::Handle::enter
    //! [`Handle::flush`]: crate::Handle::flush
    //! [`Handle::enter_owned`]: crate::Handle::enter_owned
    //! [`Handle::limit_reclaims`]: crate::Handle::limit_reclaims
    //! [`Handle::link`]: crate::Handle::link
    //! [`Handle::retire`]: crate::Handle::retire
    //! [`Handle::slot`]: crate::Handle::slot
    //! [`Handle::start_grace_period`]: crate::Handle::start_grace_period
    //! [`Handle::synchronize`]: crate::Handle::synchronize
    //! [`Link`]: crate::Link
    //! [`Link::cast`]: crate::Link::cast
    //! [`PerCpu`]: crate::PerCpu
    //! [`Pool`]: crate::Pool
    //! [`Pool::alloc`]: crate::Pool::alloc
    //! [`Pool::available`]: crate::Pool::available
    //! [`Robust`]: crate::Robust
    //! [`OwnedGuard::leave`]: crate::OwnedGuard::leave
    //! [`Token::poll`]: crate::Token::poll
    //! [`WouldDeadlock`]: crate::WouldDeadlock
    //! [`reclaim::pooled`]: crate::reclaim::pooled
    //! [`safe::Atomic`]: crate::safe::Atomic
    //! [`safe::Atomic::compare_exchange`]: crate::safe::Atomic::compare_exchange
    //! [`safe::Atomic::fetch_or`]: crate::safe::Atomic::fetch_or
    //! [`safe::Atomic::into_owned`]: crate::safe::Atomic::into_owned
    //! [`safe::Atomic::load`]: crate::safe::Atomic::load
    //! [`safe::Atomic::load_unguarded`]: crate::safe::Atomic::load_unguarded
    //! [`safe::Domain::COLLECTOR`]: crate::safe::Domain::COLLECTOR
    //! [`safe::Guard::retire`]: crate::safe::Guard::retire
    //! [`safe::Map`]: crate::safe::Map
    //! [`safe::Map::compare_exchange`]: crate::safe::Map::compare_exchange
    //! [`safe::Map::get`]: crate::safe::Map::get
    //! [`safe::Map::insert`]: crate::safe::Map::insert
    //! [`safe::Map::iter`]: crate::safe::Map::iter
    //! [`safe::Map::len`]: crate::safe::Map::len
    //! [`safe::Map::remove`]: crate::safe::Map::remove
    //! [`safe::Map::remove_if`]: crate::safe::Map::remove_if
    //! [`safe::Map::upsert`]: crate::safe::Map::upsert
    //! [`safe::Atomic::new`]: crate::safe::Atomic::new
    //! [`safe::Atomic::swap`]: crate::safe::Atomic::swap
    //! [`safe::Owned::new`]: crate::safe::Owned::new
    //! [`safe::Owned`]: crate::safe::Owned
    //! [`safe::Queue`]: crate::safe::Queue
    //! [`safe::Shared`]: crate::safe::Shared
    //! [`safe::Shared::tag`]: crate::safe::Shared::tag
    //! [`safe::Shared::with_tag`]: crate::safe::Shared::with_tag
    //! [`safe::Stack`]: crate::safe::Stack
    #![cfg_attr(feature = "stats", doc = "[`Stats::pending`]: crate::Stats::pending")]
    #![cfg_attr(feature = "alloc", doc = "[`reclaim::boxed`]: crate::reclaim::boxed")]
    #![doc = include_str!("../docs/coming-from.md")]
}

pub mod coming_from_containers {
    //! [`Pool`]: crate::Pool
    //! [`Pool::alloc`]: crate::Pool::alloc
    //! [`Pool::free`]: crate::Pool::free
    //! [`safe::Atomic`]: crate::safe::Atomic
    //! [`safe::BlockQueue::is_empty`]: crate::safe::BlockQueue::is_empty
    //! [`safe::BlockQueue::len`]: crate::safe::BlockQueue::len
    //! [`safe::BlockQueue::new`]: crate::safe::BlockQueue::new
    //! [`safe::BlockQueue::pop`]: crate::safe::BlockQueue::pop
    //! [`safe::BlockQueue::push`]: crate::safe::BlockQueue::push
    //! [`safe::Guard::refresh`]: crate::safe::Guard::refresh
    //! [`safe::Guard::retire`]: crate::safe::Guard::retire
    //! [`safe::Handle`]: crate::safe::Handle
    //! [`safe::Map::get`]: crate::safe::Map::get
    //! [`safe::Map::get_or_insert`]: crate::safe::Map::get_or_insert
    //! [`safe::Map::remove`]: crate::safe::Map::remove
    //! [`safe::Map::upsert`]: crate::safe::Map::upsert
    //! [`safe::Map::update`]: crate::safe::Map::update
    //! [`safe::Owned`]: crate::safe::Owned
    //! [`safe::Queue`]: crate::safe::Queue
    //! [`safe::Queue::is_empty`]: crate::safe::Queue::is_empty
    //! [`safe::Queue::iter`]: crate::safe::Queue::iter
    //! [`safe::Queue::len`]: crate::safe::Queue::len
    //! [`safe::Queue::new`]: crate::safe::Queue::new
    //! [`safe::Queue::pop`]: crate::safe::Queue::pop
    //! [`safe::Queue::push`]: crate::safe::Queue::push
    //! [`safe::Queue::push_or_replace_oldest`]: crate::safe::Queue::push_or_replace_oldest
    //! [`safe::RcuCell`]: crate::safe::RcuCell
    //! [`safe::RcuCell::compare_exchange`]: crate::safe::RcuCell::compare_exchange
    //! [`safe::RcuCell::new`]: crate::safe::RcuCell::new
    //! [`safe::RcuCell::read`]: crate::safe::RcuCell::read
    //! [`safe::RcuCell::replace`]: crate::safe::RcuCell::replace
    //! [`safe::RcuCell::snapshot`]: crate::safe::RcuCell::snapshot
    //! [`safe::RcuCell::update`]: crate::safe::RcuCell::update
    //! [`safe::Stack`]: crate::safe::Stack
    #![doc = include_str!("../docs/coming-from-containers.md")]
}

pub mod guarantees {
    //! [`Busy`]: crate::Busy
    //! [`Callback::call_later`]: crate::Callback::call_later
    //! [`Collector`]: crate::Collector
    //! [`Collector::capacity`]: crate::Collector::capacity
    //! [`Collector::evict`]: crate::CollectorView::evict
    //! [`Collector::new`]: crate::Collector::new
    //! [`Collector::oldest`]: crate::CollectorView::oldest
    //! [`Collector::register`]: crate::CollectorView::register
    //! [`Collector::register_deferred`]: crate::CollectorView::register_deferred
    //! [`Collector::register_per_cpu`]: crate::CollectorView::register_per_cpu
    //! [`Collector::request_restart`]: crate::CollectorView::request_restart
    //! [`Collector::slots`]: crate::CollectorView::slots
    //! [`Collector::with_config`]: crate::Collector::with_config
    //! [`CollectorView`]: crate::CollectorView
    //! [`CollectorView::capacity`]: crate::CollectorView::capacity
    //! [`CollectorView::in_place`]: crate::CollectorView::in_place
    //! [`CollectorView::layout`]: crate::CollectorView::layout
    //! [`Config::batch`]: crate::Config::batch
    //! [`Guard`]: crate::Guard
    //! [`Guard::compare_exchange`]: crate::Guard::compare_exchange
    //! [`Guard::compare_exchange_weak`]: crate::Guard::compare_exchange_weak
    //! [`Guard::defer_retire`]: crate::Guard::defer_retire
    //! [`Guard::protect`]: crate::Guard::protect
    //! [`Guard::protect_own`]: crate::Guard::protect_own
    //! [`Guard::refresh`]: crate::Guard::refresh
    //! [`Guard::restart_requested`]: crate::Guard::restart_requested
    //! [`Guard::slot`]: crate::Guard::slot
    //! [`Guard::swap`]: crate::Guard::swap
    //! [`Handle::as_eager`]: crate::Handle::as_eager
    //! [`Handle::erase`]: crate::Handle::erase
    //! [`Handle::leave_unchecked`]: crate::Handle::leave_unchecked
    //! [`Handle::make_guard_unchecked`]: crate::Handle::make_guard_unchecked
    //! [`Handle`]: crate::Handle
    //! [`Handle::collect`]: crate::Handle::collect
    //! [`Handle::collect_at_most`]: crate::Handle::collect_at_most
    //! [`Handle::enter`]: crate::Handle::enter
    //! [`Handle::flush`]: crate::Handle::flush
    //! [`Handle::id`]: crate::Handle::id
    //! [`Handle::enter_owned`]: crate::Handle::enter_owned
    //! [`Handle::is_evicted`]: crate::Handle::is_evicted
    //! [`Handle::limit_reclaims`]: crate::Handle::limit_reclaims
    //! [`Handle::link`]: crate::Handle::link
    //! [`Handle::retire`]: crate::Handle::retire
    //! [`Handle::slot`]: crate::Handle::slot
    //! [`Handle::stamp`]: crate::Handle::stamp
    //! [`Handle::start_grace_period`]: crate::Handle::start_grace_period
    //! [`Handle::synchronize`]: crate::Handle::synchronize
    //! [`NotTheOwner`]: crate::NotTheOwner
    //! [`PerCpu::erase`]: crate::PerCpu::erase
    //! [`PerCpu`]: crate::PerCpu
    //! [`PerCpu::get`]: crate::PerCpu::get
    //! [`PerCpu::id`]: crate::PerCpu::id
    //! [`PerCpu::slot`]: crate::PerCpu::slot
    //! [`Pool::alloc`]: crate::Pool::alloc
    //! [`Pool::available`]: crate::Pool::available
    //! [`Pool::capacity`]: crate::Pool::capacity
    //! [`Pool::free`]: crate::Pool::free
    //! [`PoolExhausted`]: crate::PoolExhausted
    //! [`OwnedGuard`]: crate::OwnedGuard
    //! [`OwnedGuard::guard`]: crate::OwnedGuard::guard
    //! [`OwnedGuard::leave`]: crate::OwnedGuard::leave
    //! [`OwnedGuard::protect`]: crate::OwnedGuard::protect
    //! [`OwnedGuard::refresh`]: crate::OwnedGuard::refresh
    //! [`OwnedGuard::restart_requested`]: crate::OwnedGuard::restart_requested
    //! [`OwnedGuard::slot`]: crate::OwnedGuard::slot
    //! [`SlotsExhausted`]: crate::SlotsExhausted
    //! [`Token`]: crate::Token
    //! [`Token::poll`]: crate::Token::poll
    //! [`WouldDeadlock`]: crate::WouldDeadlock
    //! [`safe::Atomic::compare_exchange`]: crate::safe::Atomic::compare_exchange
    //! [`safe::Atomic::load`]: crate::safe::Atomic::load
    //! [`safe::Atomic::swap`]: crate::safe::Atomic::swap
    //! [`safe::Domain::register`]: crate::safe::Domain::register
    //! [`safe::Domain::register_deferred`]: crate::safe::Domain::register_deferred
    //! [`safe::Guard::retire`]: crate::safe::Guard::retire
    //! [`safe::Handle::enter_owned`]: crate::safe::Handle::enter_owned
    //! [`safe::Map::get`]: crate::safe::Map::get
    //! [`safe::Map::insert`]: crate::safe::Map::insert
    //! [`safe::Map::iter`]: crate::safe::Map::iter
    //! [`safe::Map::remove`]: crate::safe::Map::remove
    //! [`safe::Map::replace`]: crate::safe::Map::replace
    //! [`safe::Map::upsert`]: crate::safe::Map::upsert
    //! [`safe::BlockQueue::is_empty`]: crate::safe::BlockQueue::is_empty
    //! [`safe::BlockQueue::len`]: crate::safe::BlockQueue::len
    //! [`safe::BlockQueue::pop`]: crate::safe::BlockQueue::pop
    //! [`safe::BlockQueue::push`]: crate::safe::BlockQueue::push
    //! [`safe::Queue::pop`]: crate::safe::Queue::pop
    //! [`safe::Queue::push`]: crate::safe::Queue::push
    //! [`safe::RcuCell::compare_exchange`]: crate::safe::RcuCell::compare_exchange
    //! [`safe::RcuCell::read`]: crate::safe::RcuCell::read
    //! [`safe::RcuCell::replace`]: crate::safe::RcuCell::replace
    //! [`safe::RcuCell::snapshot`]: crate::safe::RcuCell::snapshot
    //! [`safe::RcuCell::update`]: crate::safe::RcuCell::update
    //! [`safe::OwnedGuard::handle`]: crate::safe::OwnedGuard::handle
    //! [`safe::OwnedGuard::leave`]: crate::safe::OwnedGuard::leave
    //! [`safe::OwnedGuard::refresh`]: crate::safe::OwnedGuard::refresh
    //! [`safe::Stack::pop`]: crate::safe::Stack::pop
    //! [`safe::Stack::push`]: crate::safe::Stack::push
    #![cfg_attr(
        feature = "stats",
        doc = "[`Collector::stats`]: crate::CollectorView::stats"
    )]
    #![cfg_attr(
        feature = "alloc",
        doc = "[`CollectorView::boxed`]: crate::CollectorView::boxed"
    )]
    #![doc = include_str!("../docs/guarantees.md")]
}
