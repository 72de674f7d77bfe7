/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The tests of one kind of collector: included once for each by test.c, which
   defines HYALINE_PREFIX. */

static struct HYALINE_(collector) HYALINE_(collector);
static DEFINE_PER_CPU(struct HYALINE_(handle), HYALINE_(of_cpu));
/* Of the task that leads the test. */
static struct HYALINE_(handle) HYALINE_(me);
static struct hyaline_atomic HYALINE_(places)[PLACES];
static void *HYALINE_(memory);

/* A section that reads an object, calls `between`, and reads it again. */
static void HYALINE_(read)(const struct HYALINE_(handle) *handle, struct seat *seat, void (*between)(void *))
{
	struct hyaline_atomic *place = &HYALINE_(places)[seat->reads % PLACES];

	HYALINE_(enter)(handle);
	const struct object *object = HYALINE_(protect)(handle, place);
	unsigned long value = READ_ONCE(object->value);

	for (int looks = 0; looks < 16; looks++)
		seat->torn += !whole(object, value);
	if (between)
		between(NULL);
	seat->held += hyaline_load(place) != object;
	seat->torn += !whole(object, value);
	HYALINE_(leave)(handle);
	seat->reads++;
}

static void HYALINE_(put)(const struct HYALINE_(handle) *handle, struct hyaline_atomic *place, struct object *mine)
{
	HYALINE_(enter)(handle);
	struct object *old = HYALINE_(swap)(handle, place, mine);

	if (READ_ONCE(rash) && old->reclaim == reclaim_kmalloc) {
		poison(old);
		atomic_long_inc(&freed);
		llist_add(&old->dead, &graveyard);
	} else {
		HYALINE_(defer_retire)(handle, &old->link, old->reclaim);
	}
	HYALINE_(leave)(handle);
}

/* Where kmalloc is not allowed. */
static void HYALINE_(put_block)(const struct HYALINE_(handle) *handle, struct seat *seat)
{
	struct object *mine = HYALINE_(pool_alloc)(handle, &pool);

	if (!mine) {
		seat->refused++;
		return;
	}
	set(mine, reclaim_pool);
	HYALINE_(put)(handle, &HYALINE_(places)[seat->reads % PLACES], mine);
}

/* The hard interrupt: reads, and at times replaces an object, on the handle of
   its CPU, whose section may be open. */
static void HYALINE_(interrupt)(void)
{
	const struct HYALINE_(handle) *handle = this_cpu_ptr(&HYALINE_(of_cpu));
	struct seat *seat = this_cpu_ptr(&irq_seat);
	struct hyaline_slot_state state;

	if (!HOLDS(in_hardirq() && HYALINE_(slot_state)(&HYALINE_(collector), HYALINE_(slot)(handle), &state)))
		return;
	if (state.guards)
		this_cpu_inc(nested);
	HYALINE_(read)(handle, seat, NULL);
	if (seat->reads % 4 == 0)
		HYALINE_(put_block)(handle, seat);
}

/* Sections with preemption off, on the handle of the CPU where this runs. */
static int HYALINE_(cpu_reader)(void *argument)
{
	struct seat *seat = argument;

	/* Leaves time for the tasks that collect. */
	set_user_nice(current, 10);
	while (!kthread_should_stop()) {
		preempt_disable();
		const struct HYALINE_(handle) *handle = this_cpu_ptr(&HYALINE_(of_cpu));

		HYALINE_(enter)(handle);
		HYALINE_(read)(handle, seat, NULL);
		HYALINE_(leave)(handle);
		if (seat->reads % 128 == 0)
			HYALINE_(put_block)(handle, seat);
		this_cpu_inc(sections);
		preempt_enable();
		if (seat->reads % 64 == 0)
			cond_resched();
	}
	return 0;
}

/* Sleeps in its sections, and may be moved to another CPU there. */
static int HYALINE_(sleeper)(void *argument)
{
	struct seat *seat = argument;
	struct HYALINE_(handle) handle;
	bool registered = HOLDS(HYALINE_(register)(&HYALINE_(collector), &handle) == HYALINE_OK);

	while (registered && !kthread_should_stop())
		HYALINE_(read)(&handle, seat, one_jiffy);
	if (registered)
		HYALINE_(unregister)(&handle);
	wait_for_stop();
	return 0;
}

/* Replaces objects, and at times waits for the readers instead. */
static int HYALINE_(writer)(void *argument)
{
	struct seat *seat = argument;
	struct HYALINE_(handle) handle;
	bool registered = HOLDS(HYALINE_(register)(&HYALINE_(collector), &handle) == HYALINE_OK);

	for (unsigned int turn = 0; registered && !kthread_should_stop(); turn++) {
		struct hyaline_atomic *place = &HYALINE_(places)[turn % PLACES];
		struct object *mine = new_object();

		HYALINE_(stamp)(&handle, &mine->link);
		if (turn % 64 || READ_ONCE(rash)) {
			HYALINE_(put)(&handle, place, mine);
		} else {
			HYALINE_(enter)(&handle);
			struct object *old = HYALINE_(swap)(&handle, place, mine);

			HYALINE_(leave)(&handle);
			HOLDS(HYALINE_(synchronize)(&handle, one_jiffy, NULL) == HYALINE_OK);
			old->reclaim(&old->link);
		}
		seat->reads++;
		/* Also what interrupts retired. */
		if (turn % 16 == 0)
			HYALINE_(collect)(&handle, SIZE_MAX);
		if (READ_ONCE(rash))
			usleep_range(50, 100);
		cond_resched();
	}
	if (registered)
		HYALINE_(unregister)(&handle);
	wait_for_stop();
	return 0;
}

static void HYALINE_(begin_tasks)(void)
{
	int task = 0, cpu;

	clear_seats();
	for_each_possible_cpu(cpu)
		per_cpu(sections, cpu) = per_cpu(nested, cpu) = 0;
	set_interrupt(HYALINE_(interrupt));
	for (int i = 0; i < CPU_READERS; i++, task++)
		seats[task].task = begin_task(HYALINE_(cpu_reader), &seats[task], "cpu_reader");
	for (int i = 0; i < SLEEPERS; i++, task++)
		seats[task].task = begin_task(HYALINE_(sleeper), &seats[task], "sleeper");
	for (int i = 0; i < WRITERS; i++, task++)
		seats[task].task = begin_task(HYALINE_(writer), &seats[task], "writer");
}

static void HYALINE_(end_tasks)(void)
{
	for (int task = 0; task < TASKS; task++)
		end_task(seats[task].task);
	set_interrupt(NULL);
}

/* Nobody is in a section: one flush reclaims what any handle retired. */
static void HYALINE_(check_reclaimed)(void)
{
	long objects = 0, blocks = 0;

	HYALINE_(flush)(&HYALINE_(me));
	for (int i = 0; i < PLACES; i++)
		if (((struct object *)hyaline_load(&HYALINE_(places)[i]))->reclaim == reclaim_pool)
			blocks++;
		else
			objects++;
	HOLDS(atomic_long_read(&made) - atomic_long_read(&freed) == objects);
	HOLDS(hyaline_pool_available(&pool) == BLOCKS - blocks);
}

static void HYALINE_(check_work)(void)
{
	const char *name = NAME(HYALINE_PREFIX);
	unsigned long reads = 0, held = 0, refused = 0, writes, irqs = 0, inside = 0, torn = all_torn();
	bool everywhere = true;
	int cpu;

	for (int i = 0; i < CPU_READERS + SLEEPERS; i++) {
		reads += seats[i].reads;
		held += seats[i].held;
		refused += seats[i].refused;
	}
	writes = seats[TASKS - 2].reads + seats[TASKS - 1].reads;
	for_each_online_cpu(cpu) {
		struct seat *seat = per_cpu_ptr(&irq_seat, cpu);

		everywhere &= seat->reads && per_cpu(sections, cpu);
		irqs += seat->reads;
		inside += per_cpu(nested, cpu);
		refused += seat->refused;
	}
	pr_info("hyaline: %s: %lu sections, %lu interrupts, %lu of them in a section of their CPU, %lu objects replaced, %lu of them while they were read, %lu blocks refused\n",
		name, reads, irqs, inside, writes, held, refused);
	verdict(!torn && everywhere && held && inside && writes, name, "work");
}

/* The objects of the test, one handle for each CPU, and one for this task. */
static bool HYALINE_(begin)(void)
{
	size_t slots = nr_cpu_ids + SPARE, bytes = HYALINE_(size)(slots), block = sizeof(struct object);
	int cpu;

	if (!HOLDS(bytes && HYALINE_(align)() <= PAGE_SIZE && !HYALINE_(memory)))
		return false;
	HYALINE_(memory) = alloc_pages_exact(bytes, GFP_KERNEL);
	if (!HOLDS(HYALINE_(memory)) ||
	    !HOLDS(HYALINE_(init_checked)(&HYALINE_(collector), HYALINE_(memory), bytes, slots, &config, HYALINE_ABI ^ 1) == HYALINE_WRONG_HEADER) ||
	    !HOLDS(HYALINE_(init)(&HYALINE_(collector), HYALINE_(memory), bytes, slots, &config) == HYALINE_OK) ||
	    !HOLDS(hyaline_pool_init(&pool, pool_memory, hyaline_pool_size(block, BLOCKS), block, BLOCKS) == HYALINE_OK))
		return false;
	for_each_possible_cpu(cpu)
		if (!HOLDS(HYALINE_(register_per_cpu)(&HYALINE_(collector), per_cpu_ptr(&HYALINE_(of_cpu), cpu)) == HYALINE_OK))
			return false;
	if (!HOLDS(HYALINE_(register)(&HYALINE_(collector), &HYALINE_(me)) == HYALINE_OK))
		return false;
	atomic_long_set(&made, 0);
	atomic_long_set(&freed, 0);
	for (int i = 0; i < PLACES; i++) {
		struct object *object = new_object();

		HYALINE_(stamp)(&HYALINE_(me), &object->link);
		hyaline_store(&HYALINE_(places)[i], object);
	}
	return true;
}

/* The recipe of an unload, after the interrupts and the tasks have ended: take
   what is shared away, retire it, release the handles, destroy. */
static bool HYALINE_(end)(void)
{
	const char *name = NAME(HYALINE_PREFIX);
	struct hyaline_slot_state state;
	int cpu;

	for (int i = 0; i < PLACES; i++) {
		HYALINE_(enter)(&HYALINE_(me));
		struct object *old = HYALINE_(swap)(&HYALINE_(me), &HYALINE_(places)[i], NULL);

		HYALINE_(defer_retire)(&HYALINE_(me), &old->link, old->reclaim);
		HYALINE_(leave)(&HYALINE_(me));
	}
	HYALINE_(flush)(&HYALINE_(me));
	HOLDS(HYALINE_(destroy)(&HYALINE_(collector)) == HYALINE_BUSY);
	HYALINE_(unregister)(&HYALINE_(me));
	for_each_possible_cpu(cpu)
		HYALINE_(unregister)(per_cpu_ptr(&HYALINE_(of_cpu), cpu));
	for (size_t slot = 0; HYALINE_(slot_state)(&HYALINE_(collector), slot, &state); slot++)
		HOLDS(!state.claimed && !state.guards && !state.waiting);
	if (!HOLDS(HYALINE_(destroy)(&HYALINE_(collector)) == HYALINE_OK))
		return false;
	free_pages_exact(HYALINE_(memory), HYALINE_(size)(nr_cpu_ids + SPARE));
	HYALINE_(memory) = NULL;
	bool empty = atomic_long_read(&made) == atomic_long_read(&freed) && hyaline_pool_available(&pool) == BLOCKS;

	verdict(empty, name, "end");
	return empty;
}

static void HYALINE_(check_slots)(void)
{
	struct HYALINE_(handle) *handles = kcalloc(SPARE, sizeof(*handles), GFP_KERNEL | __GFP_NOFAIL);
	int claimed = 0, result;

	while (!(result = HYALINE_(register)(&HYALINE_(collector), &handles[claimed])) && claimed < SPARE - 1)
		claimed++;
	verdict(result == HYALINE_NO_SLOT && claimed == SPARE - 1, NAME(HYALINE_PREFIX), "slots");
	while (claimed--)
		HYALINE_(unregister)(&handles[claimed]);
	kfree(handles);
}

/* Writers that reclaim at once, while others are in their sections. */
static void HYALINE_(check_control)(void)
{
	unsigned long end = jiffies + 10 * HZ;

	WRITE_ONCE(rash, true);
	HYALINE_(begin_tasks)();
	do
		msleep(50);
	while (!all_torn() && time_before(jiffies, end));
	HYALINE_(end_tasks)();
	WRITE_ONCE(rash, false);
	pr_info("hyaline: %s: control, looks at what was reclaimed at once: %lu\n", NAME(HYALINE_PREFIX), all_torn());
	verdict(all_torn() > 0, NAME(HYALINE_PREFIX), "control");
	HYALINE_(check_reclaimed)();
	empty_graveyard();
}
