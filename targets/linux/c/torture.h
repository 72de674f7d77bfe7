/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Flavours for the kernel's rcutorture.c, which `cargo xtask linux --rcutorture`
   makes include this file. There is one for each kind of collector and each kind
   of reader:

     hyaline, hyaline_robust, hyaline_platform
		sections with preemption off, on the handle of the CPU, for tasks and
		for the interrupts on top of them
     hyaline_task, hyaline_robust_task, hyaline_platform_task
		sections in which tasks may be preempted or sleep, on a handle that the
		task has while it is in them
     hyaline_busted
		readers without a section: it must fail

   A callback is a retired object whose reclaimer calls the function. extendables
   is 0, as with SRCU: a region with preemption, interrupts or bottom halves off
   is no reader of ours. can_boost is 0: nothing raises the priority of a reader. */
#include "hooks.h"

/* Tasks that are in a section at a time; handles of those that wait. */
#define HYALINE_TASKS 64
#define HYALINE_WAITERS 32

/* For the barrier: calls whose functions have not returned, by the parity of the
   epoch in which they were made. */
static atomic_t hyaline_epoch;
static atomic_long_t hyaline_pending[2];
static DEFINE_MUTEX(hyaline_barrier_mutex);

struct hyaline_call {
	struct hyaline_link link;
	struct rcu_head *head;
	rcu_callback_t function;
	unsigned int epoch;
} __aligned(16);

/* Calls are made in every context, on PREEMPT_RT too, where kmalloc is not allowed
   in a hard interrupt. There are more of them than in a flood of callbacks. */
#define HYALINE_CALLS (1 << 17)
static struct hyaline_pool hyaline_calls;
static void *hyaline_calls_memory;

static void hyaline_make_calls(void)
{
	size_t block = sizeof(struct hyaline_call), bytes = hyaline_pool_size(block, HYALINE_CALLS);

	hyaline_calls_memory = vmalloc(bytes);
	BUG_ON(hyaline_pool_init(&hyaline_calls, hyaline_calls_memory, bytes, block, HYALINE_CALLS));
}

static void hyaline_free_calls(void)
{
	WARN_ON(hyaline_pool_available(&hyaline_calls) != HYALINE_CALLS);
	vfree(hyaline_calls_memory);
}

/* The reclaimer: runs the function as RCU does. */
static void hyaline_run(struct hyaline_link *link)
{
	struct hyaline_call call = *container_of(link, struct hyaline_call, link);

	hyaline_pool_reclaim(link);
	local_bh_disable();
	call.function(call.head);
	local_bh_enable();
	/* Release: pairs with the acquire of the barrier, whose caller sees what the
	   function did. */
	atomic_long_dec_return_release(&hyaline_pending[call.epoch]);
}

static void hyaline_fill(struct hyaline_call *call, struct rcu_head *head, rcu_callback_t function)
{
	/* Without a birth era: it waits for every section. The object that it stands
	   for was born earlier, and readers do not protect it. */
	call->link = (struct hyaline_link){};
	call->head = head;
	call->function = function;
	call->epoch = atomic_read(&hyaline_epoch) & 1;
	atomic_long_inc(&hyaline_pending[call->epoch]);
}

/* Returns when the functions of all earlier calls have returned: the collecting
   task runs them. Twice, since a call may have read the epoch before the first
   change of it and be counted after. */
static void hyaline_barrier_for_calls(void)
{
	mutex_lock(&hyaline_barrier_mutex);
	for (int i = 0; i < 2; i++) {
		unsigned int old = (atomic_inc_return(&hyaline_epoch) - 1) & 1;

		while (atomic_long_read_acquire(&hyaline_pending[old]))
			schedule_timeout_uninterruptible(1);
	}
	mutex_unlock(&hyaline_barrier_mutex);
}

static void hyaline_relax(void *unused)
{
	schedule_timeout_uninterruptible(1);
}

static void hyaline_relax_briefly(void *unused)
{
	cond_resched();
	cpu_relax();
}

static void hyaline_print_stats(void)
{
	pr_alert("%s: calls pending: %ld and %ld\n", torture_type, atomic_long_read(&hyaline_pending[0]),
		 atomic_long_read(&hyaline_pending[1]));
}

static int hyaline_busted_lock(void)
{
	preempt_disable();
	return 0;
}

static void hyaline_busted_unlock(int index)
{
	preempt_enable();
}

#define HYALINE_PREFIX hyaline
#include "torture_kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust
#include "torture_kind.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_platform
#include "torture_kind.h"
#undef HYALINE_PREFIX

#define HYALINE_OPS(prefix, lock, unlock, delay, type) \
	{ \
		.ttype = INVALID_RCU_FLAVOR, .init = prefix##_torture_init, .cleanup = prefix##_torture_cleanup, \
		.readlock = lock, .read_delay = delay, .readunlock = unlock, .get_gp_seq = rcu_no_completed, \
		.deferred_free = prefix##_deferred_free, .sync = prefix##_sync, .exp_sync = prefix##_exp_sync, \
		.start_gp_poll = prefix##_start_poll, .poll_gp_state = prefix##_poll_state, .call = prefix##_call, \
		.cb_barrier = hyaline_barrier_for_calls, .stats = hyaline_print_stats, .cbflood_max = 50000, \
		.irq_capable = 1, .name = type, \
	}
#define HYALINE_READERS(prefix) \
	HYALINE_OPS(prefix, prefix##_cpu_lock, prefix##_cpu_unlock, rcu_read_delay, #prefix), \
	HYALINE_OPS(prefix, prefix##_task_lock, prefix##_task_unlock, srcu_read_delay, #prefix "_task")

static struct rcu_torture_ops hyaline_ops[] = {
	HYALINE_READERS(hyaline),
	HYALINE_READERS(hyaline_robust),
	HYALINE_READERS(hyaline_platform),
	HYALINE_OPS(hyaline, hyaline_busted_lock, hyaline_busted_unlock, rcu_read_delay, "hyaline_busted"),
};

/* In front of the kernel's own. */
#define HYALINE_TORTURE_OPS \
	&hyaline_ops[0], &hyaline_ops[1], &hyaline_ops[2], &hyaline_ops[3], &hyaline_ops[4], &hyaline_ops[5], \
		&hyaline_ops[6],
