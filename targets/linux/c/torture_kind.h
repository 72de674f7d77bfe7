/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The operations of one kind of collector: included once for each by torture.h,
   which defines HYALINE_PREFIX. */

/* A handle, and the task that is in a section on it. */
struct HYALINE_(owned) {
	struct task_struct *task;
	unsigned int depth;
	struct HYALINE_(handle) handle;
};

static struct HYALINE_(collector) HYALINE_(collector);
static void *HYALINE_(memory);
static DEFINE_PER_CPU(struct HYALINE_(handle), HYALINE_(of_cpu));
static struct HYALINE_(owned) HYALINE_(owned)[HYALINE_TASKS];
static struct task_struct *HYALINE_(collecting);

static size_t HYALINE_(slots)(void)
{
	return nr_cpu_ids + HYALINE_TASKS + HYALINE_WAITERS;
}

#include "grace_kind.h"

/* The handle that this task has, or a free one. Only this task stores or removes
   its own address. */
static struct HYALINE_(owned) *HYALINE_(own)(void)
{
	for (int i = 0; i < HYALINE_TASKS; i++)
		if (READ_ONCE(HYALINE_(owned)[i].task) == current)
			return &HYALINE_(owned)[i];
	for (int i = 0; i < HYALINE_TASKS; i++)
		/* Acquire: pairs with the release of the task that had the handle. */
		if (!READ_ONCE(HYALINE_(owned)[i].task) &&
		    !cmpxchg_acquire(&HYALINE_(owned)[i].task, NULL, current))
			return &HYALINE_(owned)[i];
	/* More readers than rcutorture was asked for. */
	BUG();
}

static int HYALINE_(task_lock)(void)
{
	if (!in_task())
		return HYALINE_(cpu_lock)();
	struct HYALINE_(owned) *mine = HYALINE_(own)();

	mine->depth++;
	HYALINE_(enter)(&mine->handle);
	return 0;
}

static void HYALINE_(task_unlock)(int index)
{
	if (!in_task()) {
		HYALINE_(cpu_unlock)(index);
		return;
	}
	struct HYALINE_(owned) *mine = HYALINE_(own)();

	HYALINE_(leave)(&mine->handle);
	/* Release: the next task to have the handle sees what this one did. */
	if (!--mine->depth)
		smp_store_release(&mine->task, NULL);
}

/* In any context, hard interrupts included. */
static void HYALINE_(call)(struct rcu_head *head, rcu_callback_t function)
{
	preempt_disable();
	const struct HYALINE_(handle) *handle = this_cpu_ptr(&HYALINE_(of_cpu));
	struct hyaline_call *call = HYALINE_(pool_alloc)(handle, &hyaline_calls);

	/* It would be lost, and the barrier would not notice. */
	if (!WARN_ON(!call)) {
		hyaline_fill(call, head, function);
		HYALINE_(retire)(handle, &call->link, hyaline_run);
	}
	preempt_enable();
}

static void HYALINE_(deferred_free)(struct rcu_torture *object)
{
	HYALINE_(call)(&object->rtort_rcu, rcu_torture_cb);
}

/* A token does not fit into the cookie: the cookie is its address. It is freed
   when it is over, after which rcutorture does not use it. */
static unsigned long HYALINE_(start_poll)(void)
{
	struct hyaline_token *token = kmalloc(sizeof(*token), GFP_KERNEL | __GFP_NOFAIL);
	struct HYALINE_(handle) handle;

	BUG_ON(HYALINE_(register_deferred)(&HYALINE_(collector), &handle));
	*token = HYALINE_(start)(&handle);
	HYALINE_(unregister)(&handle);
	return (unsigned long)token;
}

static bool HYALINE_(poll_state)(unsigned long cookie)
{
	struct hyaline_token *token = (struct hyaline_token *)cookie;

	preempt_disable();
	bool over = HYALINE_(poll)(this_cpu_ptr(&HYALINE_(of_cpu)), token);

	preempt_enable();
	if (over)
		kfree(token);
	return over;
}

/* The only one that runs reclaimers, apart from tasks that wait. */
static int HYALINE_(collect_all)(void *unused)
{
	struct HYALINE_(handle) handle;

	if (WARN_ON(HYALINE_(register)(&HYALINE_(collector), &handle)))
		return -ENOSPC;
	while (!kthread_should_stop()) {
		HYALINE_(flush)(&handle);
		schedule_timeout_interruptible(1);
	}
	HYALINE_(unregister)(&handle);
	return 0;
}

static void HYALINE_(torture_init)(void)
{
	static const struct hyaline_config config = { .batch = 16 };
	size_t slots = HYALINE_(slots)(), bytes = HYALINE_(size)(slots);
	int cpu;

	hyaline_make_calls();
	HYALINE_(memory) = alloc_pages_exact(bytes, GFP_KERNEL);
	BUG_ON(!HYALINE_(memory));
	BUG_ON(HYALINE_(init)(&HYALINE_(collector), HYALINE_(memory), bytes, slots, &config));
	for_each_possible_cpu(cpu)
		BUG_ON(HYALINE_(register_per_cpu)(&HYALINE_(collector), per_cpu_ptr(&HYALINE_(of_cpu), cpu)));
	for (int i = 0; i < HYALINE_TASKS; i++)
		BUG_ON(HYALINE_(register_deferred)(&HYALINE_(collector), &HYALINE_(owned)[i].handle));
	HYALINE_(collecting) = kthread_run(HYALINE_(collect_all), NULL, "hyaline_collect");
	BUG_ON(IS_ERR(HYALINE_(collecting)));
	rcu_sync_torture_init();
}

/* As a module is unloaded: no readers are left, and all calls are over. */
static void HYALINE_(torture_cleanup)(void)
{
	int cpu;

	kthread_stop(HYALINE_(collecting));
	for (int i = 0; i < HYALINE_TASKS; i++) {
		WARN_ON(HYALINE_(owned)[i].task);
		HYALINE_(unregister)(&HYALINE_(owned)[i].handle);
	}
	for_each_possible_cpu(cpu)
		HYALINE_(unregister)(per_cpu_ptr(&HYALINE_(of_cpu), cpu));
	WARN_ON(atomic_long_read(&hyaline_pending[0]) || atomic_long_read(&hyaline_pending[1]));
	if (!WARN_ON(HYALINE_(destroy)(&HYALINE_(collector))))
		free_pages_exact(HYALINE_(memory), HYALINE_(size)(HYALINE_(slots)()));
	hyaline_free_calls();
}
