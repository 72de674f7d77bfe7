// SPDX-License-Identifier: MIT OR Apache-2.0
/* A module that tests the library in a kernel. CPUs share objects: sections with
   preemption off and hard interrupts on the handle of their CPU, and tasks on
   handles of their own. kind.h has the tests of each kind of collector,
   hotplug.h those with a CPU that is offline.

   Each test prints "hyaline: PASS name" or "hyaline: FAIL name", and
   `cargo xtask linux` demands all of the former. */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/llist.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "hooks.h"

static unsigned int ms = 1500;
module_param(ms, uint, 0);
MODULE_PARM_DESC(ms, "milliseconds of work with each kind of collector; 0: these are not tested");
static unsigned int control;
module_param(control, uint, 0);
MODULE_PARM_DESC(control, "milliseconds in which a collector without a barrier must be caught; 0: not tried");
static char *misuse;
module_param(misuse, charp, 0);
MODULE_PARM_DESC(misuse, "only misuse the library, which must stop: in a task, or in an interrupt");

enum {
	PLACES = 4,
	/* Tasks; see begin_tasks. */
	CPU_READERS = 4,
	SLEEPERS = 1,
	WRITERS = 2,
	TASKS = CPU_READERS + SLEEPERS + WRITERS,
	/* Slots besides those of CPUs. */
	SPARE = TASKS + 3,
	/* Blocks for objects that are made where kmalloc is not allowed: interrupts on
	   PREEMPT_RT, and sections with preemption off there. */
	BLOCKS = 4096,
	FAR_PAGES = 64 << (20 - PAGE_SHIFT),
	/* Nanoseconds between interrupts of a CPU: a prime. */
	PERIOD = 199999,
};

static const struct hyaline_config config = { .batch = 16, .era_step = 16 };

enum { LIVE = 0x11fe11fe, DEAD = 0x0ddead00 };

struct object {
	struct hyaline_link link;
	unsigned int state;
	unsigned long value, twice;
	/* kfree, or the pool's. */
	hyaline_reclaimer reclaim;
	/* For the control, whose readers hold what was freed. */
	struct llist_node dead;
} __aligned(16);

static struct hyaline_pool pool;
static void *pool_memory;

/* More than a cache; see delay_stores. */
static char *far_memory;

/* Objects from kmalloc. */
static atomic_long_t made, freed;
static LLIST_HEAD(graveyard);

static bool failed;

static void verdict(bool passed, const char *kind, const char *test)
{
	pr_info("hyaline: %s %s %s\n", passed ? "PASS" : "FAIL", kind, test);
	if (!passed)
		failed = true;
}

/* For what must hold at once; the test's verdict is FAIL. */
#define HOLDS(condition) \
	({ \
		bool holds_ = (condition); \
		if (!holds_) { \
			pr_err("hyaline: FAIL %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			WRITE_ONCE(failed, true); \
		} \
		holds_; \
	})

#define NAME(prefix) __stringify(prefix)

static void set(struct object *object, hyaline_reclaimer reclaim)
{
	static atomic_long_t next;

	object->value = atomic_long_inc_return(&next);
	object->twice = 2 * object->value;
	object->reclaim = reclaim;
	object->state = LIVE;
}

/* Also tells whether it is the same object as before. */
static bool whole(const struct object *object, unsigned long value)
{
	return READ_ONCE(object->state) == LIVE && READ_ONCE(object->value) == value &&
	       READ_ONCE(object->twice) == 2 * value;
}

static void poison(struct object *object)
{
	HOLDS(whole(object, object->value));
	WRITE_ONCE(object->state, DEAD);
	WRITE_ONCE(object->twice, 0);
}

static void reclaim_kmalloc(struct hyaline_link *link)
{
	struct object *object = (struct object *)link;

	poison(object);
	kfree(object);
	atomic_long_inc(&freed);
}

static void reclaim_pool(struct hyaline_link *link)
{
	poison((struct object *)link);
	hyaline_pool_reclaim(link);
}

static struct object *new_object(void)
{
	struct object *object = kmalloc(sizeof(*object), GFP_KERNEL | __GFP_NOFAIL);

	set(object, reclaim_kmalloc);
	atomic_long_inc(&made);
	return object;
}

/* What one task or interrupt has seen. */
struct seat {
	/* Sections; looks at an object that was reclaimed; objects that were
	   replaced while they were read; objects that could not be made. */
	unsigned long reads, torn, held, refused;
	struct task_struct *task;
};
static struct seat seats[TASKS];
static DEFINE_PER_CPU(struct seat, irq_seat);
/* Sections with preemption off; interrupts that found one open. */
static DEFINE_PER_CPU(unsigned long, sections);
static DEFINE_PER_CPU(unsigned long, nested);

/* The control: writers reclaim at once. */
static bool rash;

static void one_jiffy(void *unused)
{
	schedule_timeout_uninterruptible(1);
}

/* A timer on each CPU that is online, whose hard interrupt calls this. */
static void (*interrupt)(void);
static DEFINE_PER_CPU(struct hrtimer, timer);

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	void (*work)(void) = READ_ONCE(interrupt);

	if (work)
		work();
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD));
	return HRTIMER_RESTART;
}

/* Both run on the CPU. */
static int comes_online(unsigned int cpu)
{
	struct hrtimer *mine = this_cpu_ptr(&timer);

	hrtimer_init(mine, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	mine->function = tick;
	hrtimer_start(mine, ns_to_ktime(PERIOD), HRTIMER_MODE_REL_PINNED_HARD);
	return 0;
}

static int goes_offline(unsigned int cpu)
{
	hrtimer_cancel(this_cpu_ptr(&timer));
	return 0;
}

static void nothing(void *unused)
{
}

/* Afterwards no CPU runs the work that was set before: the handler of this call
   does not preempt a timer's. */
static void set_interrupt(void (*work)(void))
{
	WRITE_ONCE(interrupt, work);
	on_each_cpu(nothing, NULL, 1);
}

static struct task_struct *begin_task(int (*body)(void *), void *argument, const char *name)
{
	struct task_struct *task = kthread_run(body, argument, "%s", name);

	return HOLDS(!IS_ERR(task)) ? task : NULL;
}

static void end_task(struct task_struct *task)
{
	/* EINTR: it is stopped before it began. */
	int result = task ? kthread_stop(task) : 0;

	HOLDS(result == 0 || result == -EINTR);
}

/* The task of a test must not end before kthread_stop. */
static void wait_for_stop(void)
{
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
}

static unsigned long all_torn(void)
{
	unsigned long torn = 0;
	int cpu;

	for (int i = 0; i < TASKS; i++)
		torn += READ_ONCE(seats[i].torn);
	for_each_possible_cpu(cpu)
		torn += READ_ONCE(per_cpu(irq_seat, cpu).torn);
	return torn;
}

/* Before a test: what an earlier one counted, a control among them, is over. */
static void clear_seats(void)
{
	int cpu;

	memset(seats, 0, sizeof(seats));
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&irq_seat, cpu), 0, sizeof(struct seat));
}

static void empty_graveyard(void)
{
	struct llist_node *list = llist_del_all(&graveyard);
	struct object *object, *next;

	llist_for_each_entry_safe(object, next, list, dead)
		kfree(object);
}

/* Of an object that a reader without a barrier may hold. */
static void reclaim_late(struct hyaline_link *link)
{
	struct object *object = (struct object *)link;

	poison(object);
	atomic_long_inc(&freed);
	llist_add(&object->dead, &graveyard);
}

/* Stores to memory that is in no cache keep this CPU's next store, that of a
   section which begins, in its store buffer for as long as possible: that is what
   the barrier is for. */
static void delay_stores(void)
{
	static unsigned long page;
	char *start = far_memory + page++ % FAR_PAGES * PAGE_SIZE;

	/* In an order that no prefetcher guesses. */
	for (int line = 0; line < 48; line++)
		WRITE_ONCE(start[line * 29 % 64 * 64], 0);
}

#define HYALINE_PREFIX hyaline
#include "kind.h"
#include "hotplug.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust
#include "kind.h"
#include "hotplug.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_platform
#include "kind.h"
#include "hotplug.h"
#undef HYALINE_PREFIX
#define HYALINE_PREFIX hyaline_robust_platform
#include "kind.h"
#include "hotplug.h"
#undef HYALINE_PREFIX

#include "unload.h"

module_param_named(minor, device.minor, int, 0);
MODULE_PARM_DESC(minor, "number of the file, else any that is free");

static int __init start(void)
{
	if (misuse)
		return strcmp(misuse, "task") ? misuse_interrupt() : misuse_task();
	pool_memory = vmalloc(hyaline_pool_size(sizeof(struct object), BLOCKS));
	far_memory = vzalloc(FAR_PAGES * PAGE_SIZE);
	int result = pool_memory && far_memory ? cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "hyaline:test", comes_online, goes_offline) :
				   -ENOMEM;
	if (result >= 0) {
		hotplug_state = result;
		pr_info("hyaline: %u CPUs, %u ms for each kind\n", num_online_cpus(), ms);
		if (ms) {
			hyaline_test(-1);
			hyaline_robust_test(-1);
			hyaline_platform_test(control);
			hyaline_robust_platform_test(0);
		}
		result = begin_unload_test();
	}
	if (result < 0) {
		pr_err("hyaline: it cannot start: %d\n", result);
		free_memory();
	}
	return result;
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("tests of hyaline");
MODULE_LICENSE("Dual MIT/GPL");
