/*
 * hyaline.h: safe memory reclamation for C.
 *
 * Tells when memory that a concurrent reader may still hold can be freed or
 * reused. Read docs/from-c.md first. Link with libhyaline_c.a.
 *
 * The functions exist once for each kind of collector, with a prefix:
 *
 *   hyaline_                  basic, fences: any number of cores
 *   hyaline_robust_           a reader that stalls holds back a bounded number
 *   hyaline_single_           basic, all users on one core: no fence
 *   hyaline_robust_single_
 *   hyaline_platform_         basic, readers execute no fence: whoever reclaims
 *   hyaline_robust_platform_  calls hyaline_platform_heavy()
 *
 * The last two are there if the library was built with its feature
 * platform-barrier; define HYALINE_PLATFORM_BARRIER before you include this.
 * A pointer to something of one kind is not one to another kind.
 *
 * Below, HYALINE_(enter) is hyaline_enter, hyaline_robust_enter, and so on.
 *
 * Each function says which call of the Rust library it is, and what
 * docs/guarantees.md says of that:
 *
 *   wait-free, lock-free, blocking: whether others can hold it up;
 *   irq, NMI, masked: whether it may be called in an interrupt (with a handle
 *   of its own, or the handle of its CPU), in an NMI, with interrupts masked;
 *   "may": if reclaimers may run there; "CAS", "load": on cores with
 *   compare-and-swap in hardware;
 *   reclaimers: how many it may run; k is the limit of limit_reclaims.
 *
 * Arguments are valid pointers, of memory that stays where it is for as long
 * as the library uses it. Nothing here allocates, unwinds, or needs libc beyond
 * memcpy, memmove, memset and memcmp.
 */
#ifndef HYALINE_H
#define HYALINE_H

#ifdef __KERNEL__
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

/* Results; hyaline_error says what to do. */
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

/* For static memory of a collector: as large, at least, as size(slots) asks,
   and as aligned as align() asks. A pool's memory is aligned to 16 bytes. */
#define HYALINE_SLOT 256
#define HYALINE_MEMORY(slots) (((size_t)(slots) + 1) * HYALINE_SLOT)

/* The header: comes first in every object that is retired. All zeros is an
   object without a birth era: see stamp. */
struct hyaline_link {
	void *words[4];
};

/* Takes a retired object back, when nobody can hold it any more: frees it,
   gives it to its pool. Called once, in whichever context finds that out; may
   use the collector with a handle that it finds by itself. */
typedef void (*hyaline_reclaimer)(struct hyaline_link *link);

/* A pointer that is shared. All zeros is null. */
struct hyaline_atomic {
	void *value;
};

/* What a collector is made with; zeros are the defaults. */
struct hyaline_config {
	/* Objects that a handle retires before it publishes them, at most 65535;
	   as a rule 64, and 16 on targets with fewer than 64 bits. */
	size_t batch;
	/* Robust: objects that a handle makes before the next era begins; as a
	   rule 64, and 4. */
	size_t era_step;
};

/* Names a handle for good. */
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
	/* Who has it, if claimed. */
	struct hyaline_id owner;
	/* Sections that are open, one in another. */
	size_t guards;
	/* In robust mode, eras since its last protected read; in basic mode with
	   feature stats, batches published since it began; else ~0. */
	uint64_t age;
	bool claimed;
	/* Whether objects wait for the end of the section. */
	bool waiting;
};

struct hyaline_stats {
	/* Objects that were retired, that were reclaimed, and the most of them
	   that were in between. */
	size_t retired;
	size_t reclaimed;
	size_t peak;
};

/* A pool of blocks of one size. */
struct hyaline_pool {
	uintptr_t words[4];
};

/* Yours to define. */

/* The library found misuse, or is broken: the text is not terminated. Must not
   return; any context. */
void hyaline_platform_panic(const char *message, size_t length);

#ifdef HYALINE_PLATFORM_BARRIER
/* Makes every core that may run a reader execute a full fence before it
   returns, the caller's included: membarrier(2), smp_call_function, an IPI.
   Called by whoever retires, collects or starts a grace period, in the context
   of that call. */
void hyaline_platform_heavy(void);
#endif

/* What a result means and what to do about it. Any context. */
const char *hyaline_error(int result);

/* Loads a shared pointer (acquire), without protection: for what cannot be
   retired meanwhile. Any context. */
void *hyaline_load(const struct hyaline_atomic *place);
/* Stores one (release): to publish what nobody could replace meanwhile. Any
   context. */
void hyaline_store(struct hyaline_atomic *place, void *object);

/* Bytes of memory for a pool; 0 if there is no such size. */
size_t hyaline_pool_size(size_t block, size_t blocks);
/* Makes a pool in memory that is aligned to 16 bytes. An object begins with
   its link, is aligned to 16 bytes, and has block bytes in all.
   HYALINE_BAD_MEMORY, HYALINE_BAD_ARGUMENT if there is no room for a link. */
int hyaline_pool_init(struct hyaline_pool *pool, void *memory, size_t bytes, size_t block, size_t blocks);
/* Gives a block back that was never shared, or that nobody else can reach.
   As Pool::free: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
void hyaline_pool_free(void *object);
/* The same, as the reclaimer of objects from pools. */
void hyaline_pool_reclaim(struct hyaline_link *link);
/* Free blocks. A moment's view.
   As Pool::available: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
size_t hyaline_pool_available(const struct hyaline_pool *pool);

#ifdef __cplusplus
}
#endif

#define HYALINE_PASTE2(prefix, name) prefix##_##name
#define HYALINE_PASTE(prefix, name) HYALINE_PASTE2(prefix, name)
#define HYALINE_(name) HYALINE_PASTE(HYALINE_PREFIX, name)

/* The rest of this file, once for each kind. */
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

#elif defined(HYALINE_KIND)

#ifdef __cplusplus
extern "C" {
#endif

/* A collector. The state is in memory of the caller's; this leads to it, and
   may be copied. */
struct HYALINE_(collector) {
	void *words[2];
};

/* A claimed slot. It may be moved while no section is open, and must not be
   copied. One context at a time uses it; that of register_per_cpu also the
   contexts that preempt it on its CPU, if they nest strictly. */
struct HYALINE_(handle) {
	void *words[4];
};

/* Bytes of memory for a collector of so many slots; 0 if there is no such size.
   As CollectorView::layout: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
size_t HYALINE_(size)(size_t slots);
/* The alignment of that memory. */
size_t HYALINE_(align)(void);
/* What init calls. */
int HYALINE_(init_checked)(struct HYALINE_(collector) *collector, void *memory, size_t bytes, size_t slots, const struct hyaline_config *config, size_t abi);
/* Makes a collector in memory that need not be zero and is not touched
   otherwise. config may be null. HYALINE_BAD_MEMORY, HYALINE_BAD_ARGUMENT,
   HYALINE_WRONG_HEADER. With "single", you promise that all users run on one
   core.
   As CollectorView::in_place: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
static inline int HYALINE_(init)(struct HYALINE_(collector) *collector, void *memory, size_t bytes, size_t slots, const struct hyaline_config *config)
{
	return HYALINE_(init_checked)(collector, memory, bytes, slots, config, HYALINE_ABI);
}
/* Reclaims all that is left; the memory is the caller's again. The reclaimers
   that it runs must not use the collector: flush with a handle first where they
   do. HYALINE_BUSY, and nothing is done, if a slot is claimed.
   As drop of a Collector: wait-free except for reclaimers; irq no, NMI no, masked no; reclaimers all that are left. */
int HYALINE_(destroy)(struct HYALINE_(collector) *collector);

/* Claims a slot: for a task. HYALINE_NO_SLOT if all are claimed.
   As Collector::register: wait-free; irq yes, NMI CAS, masked yes; reclaimers no. */
int HYALINE_(register)(const struct HYALINE_(collector) *collector, struct HYALINE_(handle) *handle);
/* The same for a context in which no reclaimer may run: an interrupt, code with
   a deadline. What it retires others reclaim.
   As Collector::register_deferred: wait-free; irq yes, NMI CAS, masked yes; reclaimers no. */
int HYALINE_(register_deferred)(const struct HYALINE_(collector) *collector, struct HYALINE_(handle) *handle);
/* The same for a CPU: its task (which stays there, or is alone) and the
   interrupts that preempt it. No reclaimer runs in its context.
   As Collector::register_per_cpu: wait-free; irq yes, NMI CAS, masked yes; reclaimers no. */
int HYALINE_(register_per_cpu)(const struct HYALINE_(collector) *collector, struct HYALINE_(handle) *handle);
/* Gives the slot up. A section that is open stays open, and keeps it. Not in a
   reclaimer that runs in a call of this handle.
   As drop of a Handle: lock-free; irq may, NMI no, masked may; reclaimers all that can.
   As drop of a deferred or per-CPU handle: lock-free; irq yes, NMI no, masked yes; reclaimers never. */
void HYALINE_(unregister)(struct HYALINE_(handle) *handle);

/* Takes a slot from a task that is dead: it was stopped outside the calls of
   this library (except enter, protect and the like, leave of a deferred or
   per-CPU handle, and reclaimers), and never uses what it loaded. The id is of a
   handle of this collector. Of the handle, unregister, flush, collect,
   limit_reclaims and is_evicted may still be called, and do nothing, and retire,
   which leaves the object to others; no other call may. Not in a reclaimer that
   runs in a call of this handle. HYALINE_NOT_THE_OWNER if it was released.
   As Collector::evict: lock-free; irq yes, NMI no, masked yes; reclaimers no. */
int HYALINE_(evict)(const struct HYALINE_(collector) *collector, struct hyaline_id id);
/* Asks the reader in a slot to leave and start over. False if none is there.
   As Collector::request_restart: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
bool HYALINE_(request_restart)(const struct HYALINE_(collector) *collector, size_t slot);
/* A moment's view of a slot. False if there is no such slot.
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
/* Names the handle, for evict.
   As Handle::id: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
struct hyaline_id HYALINE_(id)(const struct HYALINE_(handle) *handle);
/* Whether the slot was taken by evict.
   As Handle::is_evicted: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
bool HYALINE_(is_evicted)(const struct HYALINE_(handle) *handle);

/* Opens a section; sections nest. What protect, swap and compare_exchange
   return stays valid until the outermost leave.
   As Handle::enter: wait-free; irq yes, NMI yes (robust: load), masked yes; reclaimers no. */
void HYALINE_(enter)(const struct HYALINE_(handle) *handle);
/* Closes it: once for each enter.
   As drop of a Guard: wait-free; lock-free with something in the inbox; irq may, NMI no, masked may; reclaimers k.
   As drop of a guard of a deferred or per-CPU handle: wait-free; irq yes, NMI yes, masked yes; reclaimers never. */
void HYALINE_(leave)(const struct HYALINE_(handle) *handle);
/* A quiescent point, in a section that does not nest: ends it and begins
   another one, if somebody waits for it. What was protected is not any more.
   As Guard::refresh: wait-free; lock-free if another call waits; irq may, NMI no, masked may; reclaimers k. */
void HYALINE_(refresh)(const struct HYALINE_(handle) *handle);
/* Whether request_restart was called for this section; once for each request.
   As Guard::restart_requested: wait-free; irq yes, NMI yes, masked yes; reclaimers no. */
bool HYALINE_(restart_requested)(const struct HYALINE_(handle) *handle);

/* In a section. Loads a pointer (acquire). Robust: place must not lie in an
   object that was unlinked.
   As Guard::protect: basic: wait-free; robust: lock-free; irq yes, NMI load, masked yes; reclaimers no. */
void *HYALINE_(protect)(const struct HYALINE_(handle) *handle, const struct hyaline_atomic *place);
/* In a section. Protects an object of one's own that is about to be shared.
   As Guard::protect_own: wait-free; irq yes, NMI load, masked yes; reclaimers no. */
void HYALINE_(protect_own)(const struct HYALINE_(handle) *handle, struct hyaline_link *object);
/* In a section. Swaps a pointer (acquire and release).
   As Guard::swap: basic: wait-free; robust: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
void *HYALINE_(swap)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place, void *object);
/* In a section. Stores object if *expected is there; else puts what is there,
   protected, into *expected, and returns false.
   As Guard::compare_exchange: basic: wait-free; robust: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
bool HYALINE_(compare_exchange)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place, void **expected, void *object);
/* The same, for loops: may fail for no reason.
   As Guard::compare_exchange_weak: basic: wait-free; robust: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
bool HYALINE_(compare_exchange_weak)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place, void **expected, void *object);

/* Makes the header of an object that is made now. Robust: all objects need it
   for the bound to hold.
   As Handle::stamp: wait-free; irq yes, NMI basic: yes; robust: CAS, masked yes; reclaimers no. */
void HYALINE_(stamp)(const struct HYALINE_(handle) *handle, struct hyaline_link *object);
/* Retires an object, which was unlinked from every shared place: once. Sections
   of this handle do not use it.
   As Handle::retire: lock-free; irq may, NMI no, masked may; reclaimers k.
   As defer_retire of a per-CPU handle: lock-free; irq yes, NMI CAS, masked yes; reclaimers never. */
void HYALINE_(retire)(const struct HYALINE_(handle) *handle, struct hyaline_link *object, hyaline_reclaimer reclaim);
/* In a section, which may go on to use the object. Cheaper: a few stores, and
   each time a batch is full a look at all slots.
   As Guard::defer_retire: lock-free; irq may, NMI no, masked may; reclaimers k, each B-th.
   As defer_retire of a per-CPU handle: lock-free; irq yes, NMI CAS, masked yes; reclaimers never. */
void HYALINE_(defer_retire)(const struct HYALINE_(handle) *handle, struct hyaline_link *object, hyaline_reclaimer reclaim);

/* Reclaims what no section can hold, whoever retired it. How many. On a
   deferred or per-CPU handle it does nothing.
   As Handle::flush: lock-free; irq may, NMI no, masked may; reclaimers k. */
size_t HYALINE_(flush)(const struct HYALINE_(handle) *handle);
/* The same, but so many at most.
   As Handle::collect_at_most: lock-free; irq may, NMI no, masked may; reclaimers k; the argument. */
size_t HYALINE_(collect)(const struct HYALINE_(handle) *handle, size_t at_most);
/* Sets how many reclaimers a call may run, at most 65535; 0 is any number.
   HYALINE_NOT_EAGER, HYALINE_BAD_ARGUMENT.
   As Handle::limit_reclaims: wait-free; irq yes, NMI no, masked yes; reclaimers no. */
int HYALINE_(limit_reclaims)(const struct HYALINE_(handle) *handle, size_t reclaimers);

/* Waits until the sections that are open now have ended; calls relax, if it is
   not null, whenever it has to wait. HYALINE_WOULD_DEADLOCK in a section or in
   a reclaimer, HYALINE_NOT_EAGER.
   As Handle::synchronize: blocking; irq no, NMI no, masked no; reclaimers no. */
int HYALINE_(synchronize)(const struct HYALINE_(handle) *handle, void (*relax)(void *argument), void *argument);
/* Starts a grace period.
   As Handle::start_grace_period: wait-free; irq barrier, NMI barrier, masked barrier; reclaimers no. */
struct hyaline_token HYALINE_(start)(const struct HYALINE_(handle) *handle);
/* Whether the sections that were open at its start have ended. With any handle
   of the same collector.
   As Token::poll: lock-free; irq yes, NMI CAS, masked yes; reclaimers no. */
bool HYALINE_(poll)(const struct HYALINE_(handle) *handle, struct hyaline_token *token);
/* Calls function(argument) when the sections that are open now have ended,
   where reclaimers run. HYALINE_BUSY if an earlier call is under way.
   As Callback::call_later: lock-free; irq may, NMI deferred: CAS, masked may; reclaimers k; deferred: never. */
int HYALINE_(call_later)(const struct HYALINE_(handle) *handle, struct hyaline_callback *callback, void (*function)(void *argument), void *argument);

/* A block, with a stamped link; what follows the link is what was in it. Null
   if there is none, also after a flush.
   As Pool::alloc: wait-free; irq yes, NMI CAS, masked yes; reclaimers no.
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
