/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The rest of the tests of one kind: CPUs that go offline, the barrier, and the
   order of all. Included after kind.h. */

/* A task that is in its section when its CPU goes offline. */
struct HYALINE_(stayer) {
	struct completion inside, leave;
	unsigned int cpu;
};

static int HYALINE_(stay)(void *argument)
{
	struct HYALINE_(stayer) *stayer = argument;
	struct HYALINE_(handle) handle;

	if (!HOLDS(HYALINE_(register)(&HYALINE_(collector), &handle) == HYALINE_OK)) {
		complete(&stayer->inside);
		wait_for_stop();
		return -ENOSPC;
	}
	HOLDS(raw_smp_processor_id() == stayer->cpu);
	HYALINE_(enter)(&handle);
	struct object *object = HYALINE_(protect)(&handle, &HYALINE_(places)[0]);
	unsigned long value = object->value;

	complete(&stayer->inside);
	wait_for_completion(&stayer->leave);
	HOLDS(raw_smp_processor_id() != stayer->cpu);
	HOLDS(hyaline_load(&HYALINE_(places)[0]) != object && whole(object, value));
	HYALINE_(leave)(&handle);
	HYALINE_(unregister)(&handle);
	wait_for_stop();
	return 0;
}

/* Retires a few objects on the handle of this CPU, which it does not publish. */
static void HYALINE_(retire_here)(void *unused)
{
	const struct HYALINE_(handle) *handle = this_cpu_ptr(&HYALINE_(of_cpu));

	for (int i = 1; i < PLACES; i++) {
		struct object *mine = HYALINE_(pool_alloc)(handle, &pool);

		if (!HOLDS(mine))
			return;
		set(mine, reclaim_pool);
		HYALINE_(put)(handle, &HYALINE_(places)[i], mine);
	}
}

/* A CPU goes offline with objects on its handle, and a task in its section there. */
static void HYALINE_(check_offline)(void)
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	const struct HYALINE_(handle) *handle = per_cpu_ptr(&HYALINE_(of_cpu), cpu);
	struct HYALINE_(stayer) stayer = { .cpu = cpu };
	bool before = READ_ONCE(failed);
	struct object *mine = new_object();
	struct hyaline_slot_state state;

	init_completion(&stayer.inside);
	init_completion(&stayer.leave);
	struct task_struct *task = kthread_create(HYALINE_(stay), &stayer, "stayer");

	if (!HOLDS(!IS_ERR(task)))
		return;
	kthread_bind(task, cpu);
	wake_up_process(task);
	wait_for_completion(&stayer.inside);
	HOLDS(smp_call_function_single(cpu, HYALINE_(retire_here), NULL, 1) == 0);
	HYALINE_(stamp)(&HYALINE_(me), &mine->link);
	HYALINE_(put)(&HYALINE_(me), &HYALINE_(places)[0], mine);
	struct hyaline_token token = HYALINE_(start)(&HYALINE_(me));

	HOLDS(remove_cpu(cpu) == 0 && !cpu_online(cpu));
	HOLDS(HYALINE_(slot_state)(&HYALINE_(collector), HYALINE_(slot)(handle), &state) && state.claimed);
	HYALINE_(flush)(&HYALINE_(me));
	HOLDS(!HYALINE_(poll)(&HYALINE_(me), &token));
	complete(&stayer.leave);
	end_task(task);
	HOLDS(HYALINE_(poll)(&HYALINE_(me), &token));
	HOLDS(HYALINE_(synchronize)(&HYALINE_(me), one_jiffy, NULL) == HYALINE_OK);
	/* All of it, although the CPU is still offline. */
	HYALINE_(check_reclaimed)();

	HOLDS(add_cpu(cpu) == 0 && cpu_online(cpu));
	HOLDS(smp_call_function_single(cpu, HYALINE_(retire_here), NULL, 1) == 0);
	HYALINE_(check_reclaimed)();
	verdict(!READ_ONCE(failed) || before, NAME(HYALINE_PREFIX), "offline");
}

/* While others work, CPUs go offline and come back. */
static void HYALINE_(hotplug_at_work)(void)
{
	unsigned int cpu, last = cpumask_last(cpu_online_mask);

	for (cpu = 1; cpu <= last; cpu++) {
		HOLDS(remove_cpu(cpu) == 0);
		msleep(20);
		HOLDS(add_cpu(cpu) == 0);
		msleep(20);
	}
}

/* Short sections, with time between them. */
static int HYALINE_(duelist)(void *argument)
{
	struct seat *seat = argument;

	while (!kthread_should_stop()) {
		preempt_disable();
		const struct HYALINE_(handle) *handle = this_cpu_ptr(&HYALINE_(of_cpu));

		for (int i = 0; i < 256; i++) {
			delay_stores();
			HYALINE_(enter)(handle);
			const struct object *object = HYALINE_(protect)(handle, &HYALINE_(places)[0]);

			for (int looks = 0; looks < 150; looks++)
				seat->torn += READ_ONCE(object->state) != LIVE;
			HYALINE_(leave)(handle);
			seat->reads++;
		}
		preempt_enable();
		cond_resched();
	}
	return 0;
}

/* Returns the looks at what was reclaimed, in at most so many milliseconds. In
   rounds, each with a new task: both run at the same time most likely when they
   have just been woken. */
static unsigned long HYALINE_(duel)(unsigned int limit)
{
	unsigned long end = jiffies + msecs_to_jiffies(limit);
	unsigned int objects = 0, rounds = 0;

	clear_seats();
	for (; time_before(jiffies, end) && !all_torn(); rounds++) {
		unsigned long end_of_round = jiffies + msecs_to_jiffies(50);

		seats[0].task = begin_task(HYALINE_(duelist), &seats[0], "duelist");
		for (; time_before(jiffies, end_of_round) && !all_torn(); objects++) {
			struct object *mine = new_object();

			mine->reclaim = reclaim_late;
			HYALINE_(stamp)(&HYALINE_(me), &mine->link);
			/* Nobody else replaces it. */
			struct object *old = hyaline_load(&HYALINE_(places)[0]);

			hyaline_store(&HYALINE_(places)[0], mine);
			HYALINE_(retire)(&HYALINE_(me), &old->link, old->reclaim);
			cond_resched();
		}
		end_task(seats[0].task);
		HYALINE_(check_reclaimed)();
		empty_graveyard();
		msleep(10);
	}
	pr_info("hyaline: duel: %u rounds, %lu sections, %u objects\n", rounds, seats[0].reads, objects);
	return all_torn();
}

static void HYALINE_(check_barrier)(void)
{
	verdict(HYALINE_(duel)(ms) == 0, NAME(HYALINE_PREFIX), "barrier");
}

/* The interrupt is left out. */
static void HYALINE_(check_no_barrier)(unsigned int limit)
{
	u64 start = ktime_get_ns();

	WRITE_ONCE(no_barrier, true);
	unsigned long torn = HYALINE_(duel)(limit);

	WRITE_ONCE(no_barrier, false);
	pr_info("hyaline: %s: control, looks at what was reclaimed without the interrupt: %lu, after %llu ms\n",
		NAME(HYALINE_PREFIX), torn, div_u64(ktime_get_ns() - start, NSEC_PER_MSEC));
	verdict(torn > 0, NAME(HYALINE_PREFIX), "barrier-control");
}

/* A limit for the control of the barrier, or 0; negative for the kinds that use
   fences. */
static void HYALINE_(test)(int limit)
{
	if (!HYALINE_(begin)()) {
		verdict(false, NAME(HYALINE_PREFIX), "begin");
		return;
	}
	HYALINE_(check_slots)();
	HYALINE_(begin_tasks)();
	msleep(ms / 2);
	HYALINE_(hotplug_at_work)();
	msleep(ms / 2);
	HYALINE_(end_tasks)();
	HYALINE_(check_reclaimed)();
	HYALINE_(check_work)();
	HYALINE_(check_offline)();
	HYALINE_(check_control)();
	if (limit >= 0)
		HYALINE_(check_barrier)();
	if (limit > 0)
		HYALINE_(check_no_barrier)(limit);
	HYALINE_(end)();
}
