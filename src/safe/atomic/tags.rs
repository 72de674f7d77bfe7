//! Tags of pointers.

use super::super::{Atomic, Domain, Guard, Origin, Shared, tag::bits};
use crate::Role;

impl<T, D: Domain, P: Origin> Shared<'_, T, D, P> {
    /// The tag: 0 unless [`with_tag`](Self::with_tag) or
    /// [`fetch_or`](Atomic::fetch_or) set another one. Wait-free.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Shared}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// assert_eq!(Shared::<u32, App>::null().tag(), 0);
    /// ```
    #[inline]
    #[must_use]
    pub fn tag(self) -> usize {
        self.as_tagged().addr() & bits::<T>()
    }

    /// The same pointer with another tag. As many low bits of `tag` count as the
    /// alignment of the object leaves free, at least one; the others are
    /// ignored. Wait-free.
    ///
    /// Pointers with different tags are different for `==` and
    /// [`compare_exchange`](Atomic::compare_exchange); all else ignores tags.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Shared}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// let marked = Shared::<u32, App>::null().with_tag(1);
    /// assert!(marked.tag() == 1 && marked.is_null());
    /// assert!(marked != Shared::null() && marked.with_tag(0) == Shared::null());
    /// ```
    #[inline]
    #[must_use]
    pub fn with_tag(self, tag: usize) -> Self {
        let bits = bits::<T>();
        let object = (self.as_tagged()).map_addr(|addr| (addr & !bits) | (tag & bits));
        // SAFETY: the same object, as protected as `self`.
        unsafe { Self::from_object(object) }
    }
}

impl<T, D: Domain, P: Origin> Atomic<T, D, P> {
    /// Sets bits of the tag, and returns the old pointer. Lock-free: repeats if
    /// another call changed the pointer meanwhile. Any context.
    ///
    /// The sorted list of Harris and Michael, as [`Map`](crate::safe::Map) has it: a
    /// node is removed by a tag in its link, which freezes its successor, and
    /// then unlinked.
    ///
    /// ```
    /// use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Guard, Handle, Owned, Shared}};
    ///
    /// domain!(App: Collector<4> = Collector::new());
    ///
    /// struct Node {
    ///     key: u32,
    ///     next: Atomic<Node, App>,
    /// }
    ///
    /// static POOL: Pool<Node, 8> = Pool::new();
    /// static HEAD: Atomic<Node, App> = Atomic::null();
    ///
    /// type Found<'g> = (&'g Atomic<Node, App>, Shared<'g, Node, App>);
    ///
    /// /// The first node whose key is not less, and the link that leads to it.
    /// fn find<'g>(key: u32, guard: &'g Guard<'_, App>) -> Found<'g> {
    ///     'again: loop {
    ///         let mut link = &HEAD;
    ///         let mut here = link.load(guard);
    ///         while let Some(node) = here.as_ref() {
    ///             let next = node.next.load(guard);
    ///             if next.tag() == 1 {
    ///                 let next = next.with_tag(0);
    ///                 if link.compare_exchange(here, next, guard).is_err() {
    ///                     continue 'again;
    ///                 }
    ///                 // SAFETY: this exchange removed the one link in the list
    ///                 // that led to the node, so it is retired once, and a node
    ///                 // with a tagged link is not linked again. Nodes that were
    ///                 // unlinked before may lead to it, by a tagged link: what
    ///                 // is loaded from one is used only after an exchange has
    ///                 // shown that the node it came from was in the list.
    ///                 unsafe { guard.retire(here) };
    ///                 here = next;
    ///             } else if node.key < key {
    ///                 (link, here) = (&node.next, next);
    ///             } else {
    ///                 break;
    ///             }
    ///         }
    ///         return (link, here);
    ///     }
    /// }
    ///
    /// fn insert(key: u32, handle: &Handle<App>) -> bool {
    ///     let node = Node { key, next: Atomic::null() };
    ///     let Ok(mut node) = Owned::new(&POOL, handle, node) else {
    ///         return false;
    ///     };
    ///     let guard = handle.enter();
    ///     loop {
    ///         let (link, here) = find(key, &guard);
    ///         if here.as_ref().is_some_and(|node| node.key == key) {
    ///             return false;
    ///         }
    ///         node.next = Atomic::from(here);
    ///         match link.compare_exchange(here, node, &guard) {
    ///             Ok(_) => return true,
    ///             Err(changed) => node = changed.new,
    ///         }
    ///     }
    /// }
    ///
    /// fn remove(key: u32, guard: &Guard<'_, App>) -> bool {
    ///     let (_, here) = find(key, guard);
    ///     let removed = here.as_ref().is_some_and(|node| {
    ///         // Another call may be first.
    ///         node.key == key && node.next.fetch_or(1, guard).tag() == 0
    ///     });
    ///     find(key, guard); // unlinks it
    ///     removed
    /// }
    ///
    /// let handle = App::register()?;
    /// assert!(insert(2, &handle) && insert(1, &handle) && !insert(2, &handle));
    /// let guard = handle.enter();
    /// assert!(remove(2, &guard) && !remove(2, &guard));
    /// assert_eq!(find(0, &guard).1.as_ref().map(|node| node.key), Some(1));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn fetch_or<'g, R: Role>(
        &self,
        tag: usize,
        guard: &'g Guard<'_, D, R>,
    ) -> Shared<'g, T, D, P> {
        let mut current = self.load(guard);
        loop {
            let new = current.with_tag(current.tag() | tag);
            match self.compare_exchange(current, new, guard) {
                Ok(old) => return old,
                Err(changed) => current = changed.current,
            }
        }
    }
}
