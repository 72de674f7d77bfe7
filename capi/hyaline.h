/*
 * hyaline.h: safe memory reclamation for C.
 *
 * hyaline tells when memory that a concurrent reader may still hold can be
 * freed or reused. Read docs/from-c.md first. Link with libhyaline_c.a.
 *
 * The functions exist once for each kind of collector, with a prefix:
 *
 *   hyaline_                  basic, fences: any number of cores
 *   hyaline_robust_           a stalled reader holds back a bounded number
 *   hyaline_single_           basic, all users on one core: no fence
 *   hyaline_robust_single_
 *   hyaline_platform_         basic, readers execute no fence; reclaimers call
 *   hyaline_robust_platform_  hyaline_platform_heavy() instead
 *
 * The last two exist if the library was built with its feature
 * platform-barrier; define HYALINE_PLATFORM_BARRIER before you include this.
 * The types of different kinds are different.
 *
 * Below, HYALINE_(enter) is hyaline_enter, hyaline_robust_enter, and so on.
 *
 * Each function names its call of the Rust library, and repeats what
 * docs/guarantees.md says about that call:
 *
 *   wait-free, lock-free, blocking: whether other threads can delay it;
 *   irq, NMI, masked: whether it may be called in an interrupt (with a handle
 *   of its own, or the handle of its CPU), in an NMI, with interrupts masked;
 *   "may": only if reclaimers may run there; "CAS", "load": on cores with
 *   compare-and-swap in hardware;
 *   reclaimers: how many it may run; k is the limit of limit_reclaims.
 *
 * Arguments are valid pointers to memory that does not move as long as the
 * library uses it. No function allocates, unwinds by itself, or needs libc
 * beyond memcpy, memmove, memset and memcmp.
 *
 * Reclaimers, callbacks, relax and hyaline_platform_heavy return to the library:
 * no longjmp, no exception, no end of the thread. A task that is stopped there is
 * for evict.
 */
#ifndef HYALINE_H
#define HYALINE_H

#if defined(__XEN__)
#include <xen/types.h>
#elif defined(__KERNEL__)
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with every declaration here: init refuses a library that was built
   with another header. */
#define HYALINE_ABI 0x2629d960

/* Results; hyaline_error explains them. */
#define HYALINE_OK 0
#define HYALINE_NO_SLOT (-1)
#define HYALINE_BUSY (-2)
#define HYALINE_WOULD_DEADLOCK (-3)
#define HYALINE_NOT_EAGER (-4)
#define HYALINE_NOT_THE_OWNER (-5)
#define HYALINE_BAD_MEMORY (-6)
#define HYALINE_BAD_ARGUMENT (-7)
#define HYALINE_WRONG_HEADER (-8)
#define HYALINE_NOT_BUILT (-9)

/* For static memory of a collector: at least as large as size(slots), and
   aligned as align() says. A pool's memory is aligned to 16 bytes. */
#define HYALINE_SLOT 256
#define HYALINE_MEMORY(slots) (((size_t)(slots) + 1) * HYALINE_SLOT)

/* The header: the first field of every object that is retired. All zeros is an
   object without a birth era: see stamp. */
struct hyaline_link {
	void *words[4];
};

/* Frees a retired object, or returns it to its pool, when no section can hold it
   any more. Called once, in the context that finds this out; may use the
   collector with a handle that it finds by itself. */
typedef void (*hyaline_reclaimer)(struct hyaline_link *link);

/* A shared pointer. All zeros is null. */
struct hyaline_atomic {
	void *value;
};

/* The configuration of a collector; zeros are the defaults. */
struct hyaline_config {
	/* Objects that a handle retires before it publishes them, at most 65535.
	   The default is 64, or 16 on targets with fewer than 64 bits. With a pool,
	   at most a quarter of its blocks. */
	size_t batch;
	/* Robust: objects that a handle makes before the next era begins.
	   The default is 64, or 4. */
	size_t era_step;
};

/* Identifies a handle, even after its release. */
struct hyaline_id {
	uintptr_t words[2];
};

/* A grace period: plain data. */
struct hyaline_token {
	uintptr_t words[4];
};

/* Memory of one call of call_later at a time. Starts with zeros. */
struct hyaline_callback {
	struct hyaline_link link;
	uintptr_t state;
	void (*function)(void *argument);
	void *argument;
};

struct hyaline_slot_state {
	size_t slot;
	/* Its owner, if claimed. */
	struct hyaline_id owner;
	/* Open guards: how deep the sections are nested. */
	size_t guards;
	/* In robust mode, eras since it began; in basic mode with
	   feature stats, batches published since it began; else ~0. */
	uint64_t age;
	bool claimed;
	/* Whether objects wait for the end of the section. */
	bool waiting;
};

struct hyaline_stats {
	/* Objects that were retired, that were reclaimed, and the peak of the
	   difference: when a batch was published, before some were reclaimed, or now.
	   They wrap, and are not counted at one moment: while others work, reclaimed may
	   be greater than retired. */
	size_t retired;
	size_t reclaimed;
	size_t peak;
};

/* A pool of blocks of one size. */
struct hyaline_pool {
	uintptr_t words[4];
};

/* To be defined by the program. */

/* Called on misuse, or on an error of the library. The text is not terminated.
   Must not return. Any context. */
void hyaline_platform_panic(const char *message, size_t length);

#ifdef HYALINE_PLATFORM_BARRIER
/* Makes every core that may run a reader, including this one, execute a full
   fence before it returns: membarrier(2), smp_call_function, an IPI. Called by
   the functions that retire, collect or start a grace period, in their context;
   with a deferred or per-CPU handle only by start. It uses no handle that is in a
   call: what it opened there would not be protected. */
void hyaline_platform_heavy(void);
#endif

/* Explains a result, and what to do about it. Any context. */
const char *hyaline_error(int result);

/* Loads a shared pointer (acquire), without protection: for what cannot be
   reclaimed meanwhile. In a section that is any object; robust: one with a link of
   zeros. Any context. */
void *hyaline_load(const struct hyaline_atomic *place);
/* Stores a shared pointer (release), when no other thread can replace it
   meanwhile. Any context. */
void hyaline_store(struct hyaline_atomic *place, void *object);

/* Bytes of memory for a pool; 0 if that is too large. There are at most 2^32 - 1
   blocks, or 65535 on targets with fewer than 64 bits. Any context. */
size_t hyaline_pool_size(size_t block, size_t blocks);
/* Makes a pool in memory that is aligned to 16 bytes, and that only the library uses
   until each call with the pool or an object of it has returned. An object begins
   with its link, is aligned to 16 bytes, and has block bytes in total.
   HYALINE_BAD_MEMORY, also if memory is null; HYALINE_BAD_ARGUMENT if there is no
   room for a link, or if there are no blocks or too many.
   As Pool::in_place: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
int hyaline_pool_init(struct hyaline_pool *pool, void *memory, size_t bytes, size_t block, size_t blocks);
/* Frees a block that was never shared, or that nothing else can reach.
   As Pool::free: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
void hyaline_pool_free(void *object);
/* The same, as the reclaimer of objects from pools.
   As Pool::free: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
void hyaline_pool_reclaim(struct hyaline_link *link);
/* The number of free blocks: a snapshot. The call that freed a block may still be
   under way.
   As Pool::available: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
size_t hyaline_pool_available(const struct hyaline_pool *pool);

#ifdef __cplusplus
}
#endif

/* Pasted at once, so that a macro of this name is not expanded. */
#define HYALINE_(name) HYALINE_PASTE(HYALINE_PREFIX, _##name)
#define HYALINE_PASTE(prefix, name) HYALINE_PASTE2(prefix, name)
#define HYALINE_PASTE2(prefix, name) prefix##name

/* The rest of this file is included once for each kind. In C++ three functions
   hide the constructors of their types, as stat does. */
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#define HYALINE_KIND
#define HYALINE_PREFIX hyaline
#include "hyaline.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust
#include "hyaline.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_single
#include "hyaline.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust_single
#include "hyaline.h"
#undef HYALINE_PREFIX
#ifdef HYALINE_PLATFORM_BARRIER
#define HYALINE_PREFIX hyaline_platform
#include "hyaline.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust_platform
#include "hyaline.h"
#undef HYALINE_PREFIX
#endif
#undef HYALINE_KIND
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

#elif defined(HYALINE_KIND)

#ifdef __cplusplus
extern "C" {
#endif

/* A collector: a pointer to the state, which is in memory that the program
   provides. It may be copied. */
struct HYALINE_(collector) {
	void *words[2];
};

/* A claimed slot. It may be moved while no section is open, and must not be
   copied. One context at a time uses it. A handle of register_per_cpu may also
   be used by the contexts that preempt it on its CPU, if they nest strictly. */
struct HYALINE_(handle) {
	void *words[4];
};

/* Bytes of memory for a collector with this many slots; 0 if that is none or too
   many.
   As CollectorView::layout: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
size_t HYALINE_(size)(size_t slots);
/* The alignment of that memory.
   As CollectorView::layout: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
size_t HYALINE_(align)(void);
/* Called by init. */
int HYALINE_(init_checked)(struct HYALINE_(collector) *collector, void *memory, size_t bytes, size_t slots, const struct hyaline_config *config, size_t abi);
/* Makes a collector in memory that need not be zeroed, and that only the library
   uses from then on. config may be null. HYALINE_BAD_MEMORY,
   HYALINE_BAD_ARGUMENT, HYALINE_WRONG_HEADER. With "single", all users must run
   on one core.
   As CollectorView::in_place: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
static inline int HYALINE_(init)(struct HYALINE_(collector) *collector, void *memory, size_t bytes, size_t slots, const struct hyaline_config *config)
{
	return HYALINE_(init_checked)(collector, memory, bytes, slots, config, HYALINE_ABI);
}
/* Reclaims everything that is left; then the memory may be reused. The reclaimers
   that it runs must not use the collector: if they do, flush with a handle
   first. HYALINE_BUSY, without an effect, if a slot is claimed: it may be called until
   the last handle is gone. No call on the collector but unregister may be under way.
   No handle may be used afterwards, not even by unregister; this includes those that
   were evicted, which HYALINE_BUSY does not count.
   As drop of a Collector: wait-free except for reclaimers; irq no, NMI no, masked no; reclaimers all that are left. */
int HYALINE_(destroy)(struct HYALINE_(collector) *collector);

/* Claims a slot: for a task. HYALINE_NO_SLOT if all are claimed.
   As Collector::register: wait-free; lock-free with something in the slot's inbox; irq yes, NMI CAS, masked yes; reclaimers no. */
int HYALINE_(register)(const struct HYALINE_(collector) *collector, struct HYALINE_(handle) *handle);
/* The same for a context in which no reclaimer may run: an interrupt, code with
   a deadline. Other handles reclaim what it retires.
   As Collector::register_deferred: wait-free; lock-free with something in the slot's inbox; irq yes, NMI CAS, masked yes; reclaimers no. */
int HYALINE_(register_deferred)(const struct HYALINE_(collector) *collector, struct HYALINE_(handle) *handle);
/* The same for a CPU: its task (pinned to it, or the only one) and the
   interrupts that preempt it. No reclaimer runs in its context.
   As Collector::register_per_cpu: wait-free; lock-free with something in the slot's inbox; irq yes, NMI CAS, masked yes; reclaimers no. */
int HYALINE_(register_per_cpu)(const struct HYALINE_(collector) *collector, struct HYALINE_(handle) *handle);
/* Releases the slot. An open section stays open, and keeps the slot. Not in a
   reclaimer that runs in a call of this handle.
   As drop of a Handle: lock-free; irq may, NMI no, masked may; reclaimers all that can.
   As drop of a deferred or per-CPU handle: lock-free; irq yes, NMI no, masked yes; reclaimers never. */
void HYALINE_(unregister)(struct HYALINE_(handle) *handle);

/* Takes a slot from a dead task: it was stopped outside the calls of this
   library, or in enter, protect and its siblings, leave of a deferred or per-CPU
   handle, or the program's own code in relax, in a reclaimer or in a callback; not
   in a call that this code made, nor in a reclaimer that such a call ran. Or it
   stopped in hyaline_platform_panic, since a token is of another collector. It never
   uses what it loaded.
   The id is that of a handle of this collector. Until destroy only these calls
   may use the handle: unregister, flush, collect, limit_reclaims and is_evicted,
   which do nothing, and retire, which leaves the object to other handles. Not in
   a reclaimer that runs in a call of this handle. HYALINE_NOT_THE_OWNER if it
   was released.
   The call happens before anything that the user of the handle does with it
   afterwards.
   As Collector::evict: lock-free; irq yes, NMI no, masked yes; reclaimers no. */
int HYALINE_(evict)(const struct HYALINE_(collector) *collector, struct hyaline_id id);
/* Asks the reader in a slot to leave and start over. False if no section is open.
   As Collector::request_restart: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
bool HYALINE_(request_restart)(const struct HYALINE_(collector) *collector, size_t slot);
/* A snapshot of a slot. False if there is no such slot.
   As Collector::slots: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
bool HYALINE_(slot_state)(const struct HYALINE_(collector) *collector, size_t slot, struct hyaline_slot_state *state);
/* The open slot whose section is the oldest. False if none is known.
   As Collector::oldest: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
bool HYALINE_(oldest)(const struct HYALINE_(collector) *collector, struct hyaline_slot_state *state);
/* Counts. HYALINE_NOT_BUILT without the library's feature stats.
   As Collector::stats: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
int HYALINE_(stats)(const struct HYALINE_(collector) *collector, struct hyaline_stats *stats);

/* The number of the slot.
   As Handle::slot: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
size_t HYALINE_(slot)(const struct HYALINE_(handle) *handle);
/* Identifies the handle, for evict.
   As Handle::id: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
struct hyaline_id HYALINE_(id)(const struct HYALINE_(handle) *handle);
/* Whether the slot was taken by evict.
   As Handle::is_evicted: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
bool HYALINE_(is_evicted)(const struct HYALINE_(handle) *handle);

/* Opens a section; sections nest. What protect, swap and compare_exchange
   return stays valid until the outermost leave.
   As Handle::enter: wait-free; irq yes, NMI yes (robust: load), masked yes; reclaimers no. */
void HYALINE_(enter)(const struct HYALINE_(handle) *handle);
/* Closes the section: once for each enter.
   As drop of a Guard: wait-free; lock-free with something in the inbox; irq may, NMI no, masked may; reclaimers k.
   As drop of a guard of a deferred or per-CPU handle: wait-free; irq yes, NMI yes (erased: load), masked yes; reclaimers never. */
void HYALINE_(leave)(const struct HYALINE_(handle) *handle);
/* A quiescent point, in a section that does not nest: if another call waits for
   the section, ends it and begins another one. Nothing is protected afterwards.
   As Guard::refresh: wait-free; lock-free if another call waits; irq may, NMI no, masked may; reclaimers k. */
void HYALINE_(refresh)(const struct HYALINE_(handle) *handle);
/* Whether request_restart was called for this section, or for an earlier one of
   this slot that did not ask; true once per request.
   As Guard::restart_requested: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
bool HYALINE_(restart_requested)(const struct HYALINE_(handle) *handle);

/* In a section. Loads a pointer (acquire). Robust: place must not lie in an
   object that was unlinked.
   As Guard::protect: basic: wait-free; robust: lock-free; irq yes, NMI load, masked yes; reclaimers no. */
void *HYALINE_(protect)(const struct HYALINE_(handle) *handle, const struct hyaline_atomic *place);
/* In a section. Protects an object that is not shared yet, before it is. Robust:
   needed for an object that this section uses after it has shared it.
   As Guard::protect_own: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
void HYALINE_(protect_own)(const struct HYALINE_(handle) *handle, struct hyaline_link *object);
/* In a section. Swaps a pointer (acquire and release).
   As Guard::swap: basic: wait-free; robust: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
void *HYALINE_(swap)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place, void *object);
/* In a section. Stores object if the pointer equals *expected; otherwise stores
   the current pointer, protected, in *expected and returns false.
   As Guard::compare_exchange: basic: wait-free; robust: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
bool HYALINE_(compare_exchange)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place, void **expected, void *object);
/* The same, for loops: may fail spuriously.
   As Guard::compare_exchange_weak: basic: wait-free; robust: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
bool HYALINE_(compare_exchange_weak)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place, void **expected, void *object);

/* Initializes the header of a new object, with a handle of the collector whose
   readers find it. Robust: all objects need it for the bound to hold, but an
   object that readers find without protect and its siblings must have a link of
   zeros instead, which suits every collector.
   As Handle::stamp: wait-free; irq yes, NMI basic: yes; robust: CAS, masked yes; reclaimers no. */
void HYALINE_(stamp)(const struct HYALINE_(handle) *handle, struct hyaline_link *object);
/* Retires an object that was unlinked from every shared place, once. No section
   of this handle may use it.
   As Handle::retire: lock-free; irq may, NMI no, masked may; reclaimers k.
   As defer_retire of a per-CPU handle: lock-free; irq yes, NMI CAS, masked yes; reclaimers never. */
void HYALINE_(retire)(const struct HYALINE_(handle) *handle, struct hyaline_link *object, hyaline_reclaimer reclaim);
/* In a section, which may continue to use the object. Cheaper: a few stores, and
   a scan of all slots each time a batch is full.
   As Guard::defer_retire: lock-free; irq may, NMI no, masked may; reclaimers k, each B-th.
   As defer_retire of a per-CPU handle: lock-free; irq yes, NMI CAS, masked yes; reclaimers never. */
void HYALINE_(defer_retire)(const struct HYALINE_(handle) *handle, struct hyaline_link *object, hyaline_reclaimer reclaim);

/* Reclaims what no section can hold, no matter which handle retired it. Returns
   how many. On a deferred or per-CPU handle it does nothing.
   As Handle::flush: lock-free; irq may, NMI no, masked may; reclaimers k. */
size_t HYALINE_(flush)(const struct HYALINE_(handle) *handle);
/* The same, but at most this many.
   As Handle::collect_at_most: lock-free; irq may, NMI no, masked may; reclaimers k; the argument. */
size_t HYALINE_(collect)(const struct HYALINE_(handle) *handle, size_t at_most);
/* Sets how many reclaimers a call may run, at most 65535; 0 means no limit. collect
   has a limit of its own instead, unregister has none.
   HYALINE_BAD_ARGUMENT for more, else HYALINE_NOT_EAGER.
   As Handle::limit_reclaims: wait-free; irq yes, NMI no, masked yes; reclaimers no. */
int HYALINE_(limit_reclaims)(const struct HYALINE_(handle) *handle, size_t reclaimers);

/* Waits until the sections that are open now have ended; calls relax, unless it
   is null, whenever it has to wait. HYALINE_WOULD_DEADLOCK in a section of this
   handle, or in a reclaimer that a call of it runs; do not wait in other sections,
   reclaimers or callbacks either: it would wait for its caller without end.
   HYALINE_NOT_EAGER.
   As Handle::synchronize: blocking; irq no, NMI no, masked no; reclaimers no. */
int HYALINE_(synchronize)(const struct HYALINE_(handle) *handle, void (*relax)(void *argument), void *argument);
/* Starts a grace period.
   As Handle::start_grace_period: wait-free; irq barrier, NMI barrier, masked barrier; reclaimers no. */
struct hyaline_token HYALINE_(start)(const struct HYALINE_(handle) *handle);
/* Whether the sections that were open at its start have ended. With any handle
   of the same collector. At each slot a token waits for the section that is open
   when the slot is first polled, the caller's included, and for at most one that
   begins later: poll outside of sections.
   As Token::poll: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
bool HYALINE_(poll)(const struct HYALINE_(handle) *handle, struct hyaline_token *token);
/* Calls function(argument) where reclaimers run, when the sections that are open
   now have ended. HYALINE_BUSY if an earlier call is under way.
   As Callback::call_later: lock-free; irq may, NMI deferred: CAS, masked may; reclaimers k; deferred: never. */
int HYALINE_(call_later)(const struct HYALINE_(handle) *handle, struct hyaline_callback *callback, void (*function)(void *argument), void *argument);

/* Allocates a block, with a link as stamp makes it; the bytes after the link are
   unchanged. Null if none is free even after a flush. No object that is retired
   from C is plain: its reclaimer is yours.
   As Pool::alloc: lock-free; irq yes, NMI CAS, masked yes; reclaimers no.
   As Pool::alloc, none is: lock-free; irq may, NMI deferred: CAS, masked may; reclaimers k, and plain objects; deferred: only plain objects. */
void *HYALINE_(pool_alloc)(const struct HYALINE_(handle) *handle, struct hyaline_pool *pool);

/* A section as an object: leave finds its handle, and a second leave does
   nothing. */
struct HYALINE_(guard) {
	const struct HYALINE_(handle) *handle;
};
static inline struct HYALINE_(guard) HYALINE_(guard_enter)(const struct HYALINE_(handle) *handle)
{
	struct HYALINE_(guard) guard = { handle };
	HYALINE_(enter)(handle);
	return guard;
}
static inline void HYALINE_(guard_leave)(struct HYALINE_(guard) *guard)
{
	if (guard->handle)
		HYALINE_(leave)(guard->handle);
	guard->handle = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
